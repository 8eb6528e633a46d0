"""Events of a ledger keep their own rules."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from ancile.core.subject import Subject, digest_of
from ancile.trust.config import LedgerConfig
from ancile.trust.events import (
    MOST_KEYS,
    MOST_SCANS,
    Erasure,
    Loss,
    Release,
    Segment,
    UserEvent,
)
from ancile.trust.merkle import root_of
from tests.trust.keys_help import NOW, review

DIGEST = digest_of(b"x")


@pytest.mark.parametrize(
    ("entry", "leaf", "reason", "time"),
    [
        (-1, DIGEST, "why", NOW),
        (0, "x", "why", NOW),
        (0, DIGEST, "", NOW),
        (0, DIGEST, "why", datetime(2026, 1, 1)),  # noqa: DTZ001 - the fault
    ],
)
def test_an_erasure_names_a_leaf_and_a_reason(entry: int, leaf: str, reason: str, time: datetime) -> None:
    with pytest.raises(ValueError, match="an erasure"):
        Erasure(entry=entry, leaf=leaf, reason=reason, time=time, version="1")


@pytest.mark.parametrize(
    ("kept", "root", "reason", "time"),
    [
        (-1, DIGEST, "why", NOW),
        (0, "x", "why", NOW),
        (0, DIGEST, "", NOW),
        (0, DIGEST, "why", datetime(2026, 1, 1)),  # noqa: DTZ001 - the fault
    ],
)
def test_a_loss_names_what_is_left_and_a_reason(kept: int, root: str, reason: str, time: datetime) -> None:
    with pytest.raises(ValueError, match="a loss"):
        Loss(kept=kept, checkpoint="note", root=root, reason=reason, time=time, version="1")


@pytest.mark.parametrize(
    ("time", "expires", "scans", "said"),
    [
        (datetime(2026, 1, 1), None, (), "aware"),  # noqa: DTZ001 - the fault
        (NOW, datetime(2026, 12, 1), (), "aware"),  # noqa: DTZ001 - the fault
        (NOW, NOW, (), "after it was made"),
        (NOW, NOW - timedelta(days=1), (), "after it was made"),
        (NOW, None, ("x",), "at most 100"),
        (NOW, None, (DIGEST,) * (MOST_SCANS + 1), "at most 100"),
    ],
)
def test_a_release_has_aware_times_in_order_and_names_scans_by_digest(
    time: datetime, expires: datetime | None, scans: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Release(
            subject=Subject(kind="model", name="net", digest=DIGEST),
            time=time,
            expires=expires,
            scans=scans,
            version="1",
        )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"stream": ""}, "names its stream"),
        ({"torn": -1}, "names its stream"),
        ({"first": datetime(2026, 1, 1)}, "aware"),  # noqa: DTZ001 - the fault
        ({"last": NOW - timedelta(seconds=1)}, "first before the last"),
        ({"count": 2}, "under its root"),
        ({"records": "b"}, "under its root"),
        ({"root": DIGEST}, "under its root"),
    ],
)
def test_a_segment_holds_the_records_under_its_root(changed: dict[str, object], said: str) -> None:
    fields: dict[str, object] = {
        "stream": "verdicts",
        "journal": "j/0",
        "count": 1,
        "first": NOW,
        "last": NOW,
        "root": f"sha256:{root_of([b'a']).hex()}",
        "records": "a",
        "version": "1",
    }
    assert msgspec.convert(fields, Segment).records == "a"
    with pytest.raises(ValueError, match=said):
        msgspec.convert(fields | changed, Segment)


def test_an_unknown_word_in_the_table_of_the_ledger_is_refused() -> None:
    assert msgspec.convert({}, LedgerConfig) == LedgerConfig()
    with pytest.raises(msgspec.ValidationError, match="orrigin"):
        msgspec.convert({"orrigin": "example.org/log"}, LedgerConfig)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"event": ""}, "a name"),
        ({"user": ""}, "a name"),
        ({"time": datetime(2026, 1, 1)}, "aware time"),  # noqa: DTZ001 - the fault
        ({"keys": ("x",)}, "sha256 ids"),
        ({"keys": (DIGEST,) * (MOST_KEYS + 1)}, "at most 1000"),
        ({"until": datetime(2026, 1, 1)}, "ends at an aware time"),  # noqa: DTZ001 - the fault
    ],
)
def test_a_change_of_a_user_has_names_ids_and_aware_times(fault: dict[str, object], said: str) -> None:
    event = UserEvent(event="e", change="added", user="alice", time=NOW, version="1")
    with pytest.raises(ValueError, match=said):
        msgspec.structs.replace(event, **fault)


@pytest.mark.parametrize(
    "fault",
    [{"event": ""}, {"review": ""}, {"time": datetime(2026, 1, 1)}],  # noqa: DTZ001 - the fault
)
def test_a_review_has_a_name_an_id_and_an_aware_time(fault: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a review"):
        msgspec.structs.replace(review(), **fault)
