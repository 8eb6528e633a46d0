"""What a worker does with a held request follows from what was decided, and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from ancile.core.report import Evidence
from ancile.serve.call import Call
from ancile.serve.caller import Caller
from ancile.serve.config import Role
from ancile.serve.inference import Infer
from ancile.serve.keys import Identity
from ancile.serve.review.config import ReviewConfig
from ancile.serve.review.holding import LARGEST_INPUT, Holding
from ancile.serve.review.shown import page_of
from ancile.serve.review.store import Reviews, Said
from ancile.serve.routes import Route
from ancile.serve.tensors import Tensor
from ancile.serve.verdict import ALLOW, Verdict
from ancile.trust.events import Review, ReviewChange

ONE = Tensor("x", "FP32", np.array([[1.0, 2.0]], np.float32))


class Desk:
    """A worker's side and a person's side of one queue, at a time that is set."""

    def __init__(self, folder: Path, config: ReviewConfig) -> None:
        self.now = 1000.0
        self.people = Reviews(folder, key=bytes(32))
        self.worker = Holding(Reviews(folder, key=bytes(32)), config, lambda: self.now)

    def ask(self, number: int, tensor: Tensor = ONE, *, guard: str = "evidence") -> tuple[str, int]:
        """What becomes of a request: the reaction, and the status where it ends here."""
        self.now += 0.001
        call = _call(number, Verdict("review", guard, "why"))
        ruling = self.worker.rule(call, Infer(None, (tensor,), (), binary=False))
        return ruling.verdict.reaction, ruling.status

    def again(self, number: int) -> tuple[str, str, int] | None:
        """What becomes of it where no guard wants it held: reaction, guard, status."""
        ruling = self.worker.again(_call(number, ALLOW))
        return ruling and (ruling.verdict.reaction, ruling.verdict.guard, ruling.status)

    def decide(self, change: ReviewChange, label: str) -> None:
        """About the one that came last."""
        id_ = self.people.list()[-1].id
        self.people.decide(id_, Said(change, label), now=self.now, until=self.now + 100)
        self.people.hand_over(_entry)
        self.worker.tick()

    def close(self) -> None:
        self.worker.close()
        self.people.close()


def _call(number: int, verdict: Verdict) -> Call:
    caller = Caller(Identity("alice", "analyst"), Role())
    return Call(caller, Route("/infer", "m"), verdict, digest=f"{number:032d}")


def _entry(_: Review) -> Evidence:
    return Evidence(index=3, statement_digest="sha256:" + "0" * 64, checkpoint="note")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "serve", ReviewConfig(each=4, benign=2, attack=2, wait_seconds=50))
    yield made
    made.close()


def test_what_was_decided_holds_for_the_same_input_until_it_ends(desk: Desk) -> None:
    assert desk.ask(1) == desk.ask(1) == ("review", 202)
    desk.decide("approved", "unsure")
    assert desk.ask(1) == ("flag", 0)
    assert desk.ask(2) == ("review", 202)
    desk.decide("rejected", "unsure")
    assert desk.ask(2) == ("deny", 0)
    desk.now += 101
    assert desk.ask(1) == ("review", 202)


def test_what_is_held_for_what_it_is_stays_held_when_the_guard_says_nothing_of_a_repeat(desk: Desk) -> None:
    """And what is held for who asks is answered once the guard has nothing against him."""
    assert desk.again(1) is None
    assert desk.ask(1, guard="trigger") == ("review", 202)
    assert desk.again(1) == ("review", "trigger", 202)
    desk.decide("rejected", "unsure")
    assert desk.again(1) == ("deny", "trigger", 0)
    desk.now += 101
    assert desk.again(1) is None
    assert desk.ask(2, guard="rate") == ("review", 202)
    assert desk.again(2) is None


def test_rejections_in_a_row_throttle_that_guards_next_and_no_other_guards(desk: Desk) -> None:
    for number in (1, 2):
        assert desk.ask(number) == ("review", 202)
        desk.decide("rejected", "attack")
    assert desk.ask(3) == ("throttle", 0)
    assert desk.ask(4, guard="trigger") == ("review", 202)


def test_what_waits_too_long_waits_anew(desk: Desk) -> None:
    assert desk.ask(1) == ("review", 202)
    desk.now += 61
    desk.worker.tick()
    assert desk.ask(1) == ("review", 202)
    assert [one.shown(desk.now) for one in desk.people.list()] == ["expired", "pending"]


def test_a_full_queue_is_told_and_room_is_found_again(desk: Desk) -> None:
    assert [desk.ask(number)[1] for number in range(5)] == [202] * 4 + [503]
    desk.decide("approved", "unsure")
    assert desk.ask(9) == ("review", 202)


def test_inputs_are_kept_as_they_can_be_shown(desk: Desk) -> None:
    half = Tensor("h", "FP16", np.array([[1.5, 2.5]], np.float16))
    texts, others = np.empty((1, 2), dtype=object), np.empty((1, 1), dtype=object)
    texts[0], others[0] = [b"caf\xc3\xa9", b"\x1b[31m"], [b"\xff"]
    large = Tensor("x", "FP32", np.zeros((1, LARGEST_INPUT), np.float32))
    for number, tensor in enumerate((half, Tensor("t", "BYTES", texts), Tensor("t", "BYTES", others), large)):
        assert desk.ask(number, tensor) == ("review", 202)
    pages = [page_of(desk.people, one.id, now=desk.now) for one in desk.people.list()]
    assert [page.inputs[0].values for page in pages[:1]] == ["1.5, 2.5"]
    assert pages[0].inputs[0].datatype == "FP32"
    assert pages[1].inputs[0].values.startswith("caf\u00e9, ")
    assert "\x1b" not in pages[1].inputs[0].values
    assert [page.gone for page in pages[2:]] == ["the input was not kept"] * 2
    assert all(page.neighbours == () for page in pages)


@pytest.mark.parametrize(
    "table",
    [{"pending": -1}, {"each": 0}, {"wait_seconds": 0}, {"keep_days": 0}, {"benign": -1}, {"input": "plain"}],
)
def test_a_table_that_cannot_be_meant_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(table), type=ReviewConfig)
