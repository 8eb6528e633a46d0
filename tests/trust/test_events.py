"""Events of a ledger keep their own rules."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest

from ancile.core.subject import digest_of
from ancile.trust.config import LedgerConfig
from ancile.trust.events import Erasure, Loss
from tests.trust.keys_help import NOW

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


def test_an_unknown_word_in_the_table_of_the_ledger_is_refused() -> None:
    assert msgspec.convert({}, LedgerConfig) == LedgerConfig()
    with pytest.raises(msgspec.ValidationError, match="orrigin"):
        msgspec.convert({"orrigin": "example.org/log"}, LedgerConfig)
