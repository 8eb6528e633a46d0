"""A long pickle is followed without keeping what nothing in it asks for."""

from __future__ import annotations

import pickle
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats import pickle_walk
from ancile.formats.pickle_machine import Event
from ancile.formats.pickle_memo import SLOTS, Memo, asked_slots
from ancile.formats.pickle_walk import walk

SHARED = [OrderedDict(a=1), "a text that is shared", ("b", 2)]


def told(data: bytes) -> tuple[str, list[str], int]:
    events: list[Event] = []
    end, machine = walk(data, 0, events.append)
    return end.why, [repr(one) for one in events], len(machine.memo)


@given(st.lists(st.one_of(st.integers(), st.text(), st.sampled_from(SHARED)), max_size=40), st.integers(0, 5))
def test_what_is_not_kept_changes_nothing(items: list[object], protocol: int) -> None:
    data = pickle.dumps([*items, *SHARED, items, SHARED], protocol)
    whole = told(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pickle_walk, "MANY", 2)
        patch.setattr(pickle_walk, "ROUND", 3)
        patch.setattr("ancile.formats.pickle_memo.SHORT", 0 if protocol == 0 else 256)
        assert told(data) == whole


def test_slots_that_an_opcode_asks_for_are_found_and_hardly_others() -> None:
    data = b"j\x01\x02\x03\x00g 70_000\ng12x\ng+\nj\x01\x02\x03\x04"
    assert asked_slots(data, 0, len(data)) == {0x030201, 70_000}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ancile.formats.pickle_memo.WINDOW", 3)
        assert asked_slots(data, 0, len(data)) == {0x030201, 70_000}


def test_a_memo_counts_what_it_does_not_keep() -> None:
    memo = Memo({0: 5, SLOTS + 1: 7}, {1000})
    for slot in (1000, 1001, 1001, 300_000, SLOTS + 1, SLOTS + 2):
        memo[slot] = slot
    assert len(memo) == 6
    assert sorted(memo) == [0, 1000, SLOTS + 1, SLOTS + 2]


def test_a_million_texts_that_nobody_asks_for_take_no_memory() -> None:
    data = pickle.dumps([f"text {number}" for number in range(70_000)] * 2)
    _, machine = walk(data, 0, lambda _: None)
    assert len(machine.memo) == 70_001
    kept = sum(1 for _ in machine.memo)
    assert kept >= 69_000  # each is asked for the second time
    _, machine = walk(pickle.dumps([f"text {number}" for number in range(150_000)]), 0, lambda _: None)
    assert sum(1 for _ in machine.memo) < 100_000
