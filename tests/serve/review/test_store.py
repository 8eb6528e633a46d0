"""The queue is bounded, shows no input to whoever has the file alone, and counts only what is evidence."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.core.report import Evidence
from ancile.serve.review.store import DATABASE, MOST_NOTE, Asked, Reviews, Said, streaks
from ancile.trust.events import Review

KEY = bytes(range(32))
BODY = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1.5,2.5]}]}'


def asked(number: int, *, who: str = "alice", body: bytes | None = BODY) -> Asked:
    return Asked(
        who, "analyst", "m", "evidence", "several guards agree", {"sequence": 7.5}, f"{number:032d}", body
    )


def held(
    reviews: Reviews, number: int, *, who: str = "alice", now: float = 100.0, **limits: int
) -> str | None:
    bounds = {"pending": 10, "each": 5} | limits
    return reviews.hold(asked(number, who=who), now=now, until=now + 50, **bounds)


@pytest.fixture
def reviews(tmp_path: Path) -> Iterator[Reviews]:
    with Reviews(tmp_path / "serve", key=KEY) as opened:
        yield opened


class Log:
    """Takes events, as the ledger does."""

    def __init__(self) -> None:
        self.events: list[Review] = []

    def __call__(self, event: Review) -> Evidence:
        self.events.append(event)
        return Evidence(index=len(self.events) + 6, statement_digest="sha256:" + "0" * 64, checkpoint="note")


def test_as_many_wait_as_may_and_of_one_identity_as_many_as_it_may(reviews: Reviews) -> None:
    assert all(held(reviews, n) for n in range(5))
    assert held(reviews, 5) is None
    assert all(held(reviews, n, who="bob") for n in range(5))
    assert held(reviews, 0, who="carol") is None
    assert held(reviews, 6, now=151.0) is not None  # those before have expired
    assert [one.shown(151.0) for one in reviews.list(last=1)] == ["pending"]
    assert reviews.list()[0].shown(151.0) == "expired"


def test_an_input_is_sealed_in_the_file_and_bound_to_its_request(reviews: Reviews, tmp_path: Path) -> None:
    one, other = held(reviews, 1), held(reviews, 2)
    assert one is not None
    assert reviews.body(one) == BODY
    assert b"1.5" not in b"".join(path.read_bytes() for path in (tmp_path / "serve").iterdir())
    with sqlite3.connect(tmp_path / "serve" / DATABASE) as db:
        db.execute(
            "UPDATE reviews SET sealed = (SELECT sealed FROM reviews WHERE id = ?) WHERE id = ?", (one, other)
        )
    db.close()
    with pytest.raises(AncileError, match="was changed"):
        reviews.body(str(other))
    with (
        Reviews(tmp_path / "serve", key=bytes(32)) as stranger,
        pytest.raises(AncileError, match="was changed"),
    ):
        stranger.body(one)
    assert reviews.body("rev-absent") is None


def test_a_decision_counts_once_it_is_evidence(reviews: Reviews) -> None:
    id_, log = held(reviews, 1), Log()
    assert id_ is not None
    assert reviews.hand_over(log) == 0
    reviews.decide(id_, Said("approved", "benign", "looks right", "erin"), now=110, until=500)
    decided = reviews.get(id_)
    assert (decided.state, decided.label, decided.by, decided.entry) == ("approved", "benign", "erin", None)
    assert reviews.hand_over(log) == 1
    assert reviews.hand_over(log) == 0
    assert reviews.get(id_).entry == 7
    (event,) = log.events
    assert (event.review, event.change, event.user, event.input) == (id_, "approved", "alice", f"{1:032d}")
    reviews.decide(id_, Said("labelled", "attack"), now=120, until=500)
    relabelled = reviews.get(id_)
    assert (relabelled.state, relabelled.label, relabelled.entry) == ("approved", "attack", 7)
    assert reviews.hand_over(log) == 1
    assert log.events[-1].change == "labelled"


def test_a_ledger_that_fails_leaves_the_decision_for_the_next_time(reviews: Reviews) -> None:
    id_, log = held(reviews, 1), Log()
    assert id_ is not None
    reviews.decide(id_, Said("rejected", "attack"), now=110, until=500)

    def full(_: Review) -> Evidence:
        raise AncileError("the disk is full", value="", remedy="")

    with pytest.raises(AncileError, match="full"):
        reviews.hand_over(full)
    assert reviews.get(id_).entry is None
    assert reviews.hand_over(log) == 1


def test_what_cannot_be_decided_is_told(reviews: Reviews) -> None:
    id_ = held(reviews, 1)
    assert id_ is not None
    yes = Said("approved", "benign")
    with pytest.raises(AncileError, match="no such review"):
        reviews.decide("rev-absent", yes, now=110, until=500)
    with pytest.raises(AncileError, match="not a label"):
        reviews.decide(id_, Said("approved", "good"), now=110, until=500)
    with pytest.raises(AncileError, match="not a label"):
        reviews.decide(id_, Said("approved", "benign", "n" * (MOST_NOTE + 1)), now=110, until=500)
    with pytest.raises(AncileError, match="cannot be decided"):
        reviews.decide(id_, Said("labelled", "benign"), now=110, until=500)
    with pytest.raises(AncileError, match="cannot be decided"):
        reviews.decide(id_, yes, now=200, until=500)
    reviews.decide(id_, yes, now=110, until=500)
    with pytest.raises(AncileError, match="cannot be decided"):
        reviews.decide(id_, yes, now=110, until=500)


def test_old_requests_are_forgotten(reviews: Reviews) -> None:
    id_ = held(reviews, 1)
    assert id_ is not None
    reviews.purge(now=100 + 1000, keep_seconds=1000)
    assert reviews.list()
    reviews.decide(id_, Said("approved", "benign"), now=140, until=500)
    reviews.purge(now=100 + 1001, keep_seconds=1000)
    assert reviews.list()
    reviews.purge(now=140 + 1001, keep_seconds=1000)
    assert reviews.list() == []


def test_decisions_that_agree_in_a_row_add_up_and_one_that_does_not_begins_anew(reviews: Reviews) -> None:
    said = [
        Said("approved", "benign"), Said("approved", "benign"), Said("rejected", "attack"),
        Said("rejected", "attack"), Said("approved", "unsure"), Said("approved", "benign"),
    ]  # fmt: skip
    wanted = [1, 2, -1, -2, 0, 1]
    for number, (one, streak) in enumerate(zip(said, wanted, strict=True)):
        id_ = held(reviews, number)
        assert id_ is not None
        reviews.decide(id_, one, now=110 + number, until=500)
        assert streaks([r for r in reviews.list() if r.decided])["alice", "m", "evidence"] == streak


def test_a_file_of_a_newer_version_and_one_that_is_none_are_told(tmp_path: Path) -> None:
    Reviews(tmp_path / "serve", key=KEY).close()
    with sqlite3.connect(tmp_path / "serve" / DATABASE) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(AncileError, match="newer ancile"):
        Reviews(tmp_path / "serve", key=KEY)
    (tmp_path / "serve" / DATABASE).write_bytes(b"no database" * 100)
    with pytest.raises(AncileError, match="cannot be read"):
        Reviews(tmp_path / "serve", key=KEY)
