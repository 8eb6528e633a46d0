from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ancile.attacks.streams import Streams, philox
from ancile.core.errors import AncileError

# Random123 1.14, tests/kat_vectors, philox 4x32 10: counter, key, answer
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_gives_the_published_answers(counter: str, key: str, answer: str) -> None:
    k0, k1 = words(key)
    drawn = philox(np.array(words(counter), dtype=np.uint64)[:, None], (k0, k1))
    assert drawn[:, 0].tolist() == words(answer)


def test_the_three_known_answers_come_out_of_one_call_as_well() -> None:
    counters = np.array([words(KNOWN[0][0]), words(KNOWN[0][0])], dtype=np.uint64).T
    assert philox(counters, (0, 0)).T.tolist() == [words(KNOWN[0][2])] * 2


@given(st.permutations(range(6)), st.integers(0, 2**64 - 1), st.sampled_from(["uniform", "signs", "normal"]))
def test_a_sample_draws_the_same_in_any_order_and_batch(order: list[int], seed: int, kind: str) -> None:
    ids = np.array([0, 1, 17, 2**31, 2**40, 2**62], dtype=np.int64)
    whole = getattr(Streams(seed, ids), kind)("start", 37, step=3)
    place = np.array(order)
    assert np.array_equal(getattr(Streams(seed, ids[place]), kind)("start", 37, step=3), whole[place])
    alone = getattr(Streams(seed, ids).take(place[:1]), kind)("start", 37, step=3)
    assert np.array_equal(alone[0], whole[place[0]])


def test_a_longer_draw_begins_with_the_shorter_one() -> None:
    s = Streams(1, np.arange(4))
    assert np.array_equal(s.uniform("a", 100)[:, :9], s.uniform("a", 9))


def test_seed_sample_purpose_and_step_each_change_every_draw() -> None:
    first = Streams(1, np.array([5])).uniform("a", 8, step=2)
    others = [
        Streams(2, np.array([5])).uniform("a", 8, step=2),
        Streams(1, np.array([6])).uniform("a", 8, step=2),
        Streams(1, np.array([5])).uniform("b", 8, step=2),
        Streams(1, np.array([5])).uniform("a", 8, step=3),
    ]
    assert all((first != other).all() for other in others)


def test_draws_follow_their_distributions() -> None:
    """Kolmogorov-Smirnov and chi-square on 40,000 draws; the seed is fixed, so the outcome is too."""
    s = Streams(7, np.arange(400))
    uniform = s.uniform("u", 100).ravel()
    assert 0 < uniform.min() < uniform.max() < 1
    assert stats.kstest(uniform, "uniform").pvalue > 0.01
    assert stats.kstest(s.normal("n", 100).ravel(), "norm").pvalue > 0.01
    counts = np.bincount(s.integers("i", 100, 10).ravel(), minlength=10)
    assert stats.chisquare(counts).pvalue > 0.01
    signs = s.signs("s", 100)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert stats.binomtest(int((signs > 0).sum()), signs.size).pvalue > 0.01


def test_each_sample_may_have_a_range_of_its_own() -> None:
    high = np.array([[1], [2], [1000]])
    drawn = Streams(3, np.arange(3)).integers("i", 500, high)
    assert (drawn >= 0).all()
    assert (drawn < high).all()
    assert drawn[1].max() == 1
    assert drawn[2].max() > 900


def test_the_number_of_streams_is_the_number_of_samples() -> None:
    assert len(Streams(0, np.arange(7)).take(np.array([True, False] * 3 + [True]))) == 4


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_beyond_64_bits_is_refused(seed: int) -> None:
    with pytest.raises(AncileError, match="64 bits"):
        Streams(seed, np.arange(1))
