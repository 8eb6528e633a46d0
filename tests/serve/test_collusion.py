"""A search that several identities share is told from what they ask of their own, and what is popular is not it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ancile.serve.calibration import calibrate
from ancile.serve.crowds import pairs_of
from ancile.serve.guards.collusion import LINKED, NEWEST, ROUNDED, Crowd, Pairs, collusion
from ancile.serve.guards.sequence import FEW, HALF, HIGHEST, step
from ancile.serve.learned import Learned
from tests.serve.judged import World, asked

WIDTH = 12
KNOWN = Pairs([k / 1000 for k in range(1, 1001)], 1_000_000, 1000, 10.0)


def point(*values: float) -> np.ndarray:
    return np.array(values + (0.0,) * (WIDTH - len(values)), "f4")


def near(at: float) -> np.ndarray:
    """Points on a line, as far apart as their numbers, that differ in all values."""
    return np.full(WIDTH, at / math.sqrt(WIDTH), "f4")


@pytest.mark.parametrize(
    ("distance", "others", "p"), [(0.0005, 100, 0.002), (0.1, 100, 0.0101), (0.1, 500, 0.0505)]
)
def test_a_rank_is_the_expected_number_of_benign_queries_as_near(
    distance: float, others: int, p: float
) -> None:
    """No smaller than one in half of the rows; where the table ends nothing is known to be rare."""
    assert KNOWN.rank(distance, others) == pytest.approx(p, rel=0.02)
    assert KNOWN.rank(2.0, 1) == 1.0
    assert KNOWN.rank(0.9, 10**6) == 1.0


def test_whoever_comes_near_to_another_continues_the_sum_of_what_he_came_near_to() -> None:
    crowd, gain = Crowd(WIDTH), HALF[step(0.002)]
    assert crowd.add(near(0), 1, 0.0, KNOWN) == (False, 0.0)
    expected = 0.0
    for who in range(2, 4):
        expected += gain
        assert crowd.add(near(0.01 * who), who, 0.0, KNOWN)[1] == pytest.approx(expected)
    assert crowd.add(near(0.05), 9, 9.0, KNOWN)[0]
    assert crowd.add(near(0.06), 8, 0.0, KNOWN)[1] == pytest.approx(9.0 + 2 * gain)
    for who in range(10, 40):
        total = crowd.add(near(0.01 * who), who, 0.0, KNOWN)[1]
    assert total == HIGHEST * KNOWN.limit


def test_equal_rows_forms_and_what_is_near_to_ones_own_are_no_evidence() -> None:
    crowd = Crowd(WIDTH)
    crowd.add(near(0), 1, 0.0, KNOWN)
    for who in range(2, 50):
        assert crowd.add(near(0), who, 3.0, KNOWN) == (False, 3.0)
        assert crowd.add(near(0.5 * ROUNDED), who, 3.0, KNOWN) == (False, 3.0)
        form = near(0)
        form[:FEW] += 0.001 * who
        assert crowd.add(form, who, 3.0, KNOWN) == (False, 3.0)
    for turn in range(1, 20):
        assert crowd.add(near(0.01 * turn), 1, 3.0, KNOWN) == (False, 3.0)


def test_a_query_far_from_all_lowers_the_sum_and_begins_anew() -> None:
    crowd = Crowd(WIDTH)
    crowd.add(near(0), 1, 0.0, KNOWN)
    assert crowd.add(near(50), 2, 5.0, KNOWN)[1] == pytest.approx(5.0 + HALF[0])
    assert crowd.add(near(-50), 2, 0.1, KNOWN) == (False, 0.0)
    assert crowd.add(near(50.1), 3, 0.0, KNOWN)[1] == pytest.approx(HALF[step(0.002)])


def test_its_size_does_not_change_and_what_is_near_to_anothers_stands_longer() -> None:
    crowd = Crowd(WIDTH)
    crowd.add(near(0), 1, 0.0, KNOWN)
    crowd.add(near(0.01), 2, 0.0, KNOWN)
    for at in range(2 * NEWEST):
        crowd.add(near(100 + at), 3, 0.0, KNOWN)
    assert crowd.add(near(0.02), 4, 0.0, KNOWN)[1] > HALF[step(0.002)] + 1.0
    assert len(crowd._ring) == len(crowd._owners) == len(crowd._sums) == NEWEST + LINKED


def correlated(rng: np.random.Generator, rows: int) -> np.ndarray:
    mixing = np.random.default_rng(9).normal(size=(WIDTH, WIDTH)) / math.sqrt(WIDTH)
    return np.asarray(rng.normal(size=(rows, WIDTH)) @ mixing, np.float32)


@pytest.mark.slow
def test_a_walk_of_thirty_keys_is_seen_among_others_and_no_benign_caller_is() -> None:
    rng = np.random.default_rng(0)
    x = correlated(rng, 3000)
    benign = calibrate(x[:1500])
    known, crowd, held = pairs_of(x[:1500], benign), Crowd(WIDTH), x[1500:]
    totals: dict[int, float] = {}

    def flagged(row: np.ndarray, who: int) -> bool:
        seen = np.empty(WIDTH, "f4")
        benign.seen(row, seen)
        said, totals[who] = collusion(seen, who, totals.get(who, 0.0), crowd=crowd, known=known)
        return said.reaction == "flag"

    for _ in range(6000):
        assert not flagged(held[rng.integers(len(held))], int(rng.integers(20)))
    first = 0
    for turn in range(60):
        step_of_walk = held[0] + 0.05 * rng.normal(size=WIDTH).astype("f4")
        if flagged(step_of_walk, 100 + turn % 30) and not first:
            first = turn + 1
        for _ in range(3):
            assert not flagged(held[rng.integers(len(held))], int(rng.integers(20)))
    assert 0 < first <= 30


@pytest.mark.slow
def test_the_gateway_flags_keys_that_share_a_walk_and_not_one_that_asks_alone() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 2)).astype("f4")
    benign = calibrate(x)
    world = World(learned=Learned(sequence=benign, collusion=pairs_of(x, benign)))
    keys = [world.caller(f"key {number}") for number in range(100)]
    rows = 0.01 * rng.normal(size=(100, 2))
    said = [world.before(key, asked(tuple(row))).verdict for key, row in zip(keys, rows, strict=True)]
    assert {one.guard for one in said if one.reaction == "flag"} == {"collusion"}
    alone = world.caller("alone")
    for row in 3 + 0.005 * rng.normal(size=(40, 2)):
        assert world.before(alone, asked(tuple(row))).verdict.guard != "collusion"
