"""How surprising labels are: tails in closed form, and what keeps honest features from being findings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.data.poison.surprise import Held, as_features, deflated, half_way, leading, surprise, tails


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.floats(0.01, 0.99), st.data())
def test_the_tail_of_equal_chances_is_that_of_the_binomial(
    many: int, chance: float, data: st.DataObject
) -> None:
    """The sum of the binomial's terms."""
    least = data.draw(st.integers(1, many))
    from math import comb

    terms = [comb(many, k) * chance**k * (1 - chance) ** (many - k) for k in range(least, many + 1)]
    assert tails(np.full((1, many), chance), least)[0] == pytest.approx(sum(terms), rel=1e-9)


def test_the_tail_of_unequal_chances_is_their_product_where_all_must_happen() -> None:
    """Three independent events."""
    assert tails(np.array([[0.1, 0.2, 0.5]]), 3)[0] == pytest.approx(0.01)


def evidence_of(agreeing: int, odds: float, others: float) -> float:
    """One pattern of 20 rows beside 100 of which rows bear the label as often as they say, moved by ``others``."""
    rng = np.random.default_rng(0)
    items = np.repeat(np.arange(101), 20)
    every = np.full(len(items), odds)
    moved = np.repeat(rng.normal(0, others, 101), 20)
    agrees = rng.random(len(items)) < 1 / (1 + np.exp(-(every + moved)))
    agrees[:20] = np.arange(20) < agreeing
    held = Held(np.arange(len(items)), items, np.zeros(101, np.int64), np.ones(101, bool))
    found = surprise(held, every, agrees, np.zeros(101, np.int64), tries=np.full(101, 2.0))
    return float(found.evidence[0])


def test_evidence_grows_with_what_the_rest_says_against_the_label() -> None:
    """Twenty rows of one label, by rows that say so more and more seldom."""
    found = [evidence_of(20, odds, 0) for odds in (0.0, -1.0, -2.0, -3.0)]
    assert found == sorted(found)
    assert found[-1] > 3
    assert evidence_of(3, -2.0, 0) < 0


def test_where_patterns_move_labels_far_one_more_is_no_surprise() -> None:
    """The spread of the other patterns is what a pattern is measured against."""
    assert evidence_of(20, -1.0, 2.0) < evidence_of(20, -1.0, 0.0) - 2


def test_what_lies_wider_than_chance_is_drawn_in() -> None:
    """Half at 0 and a tenth at 7, ten times as far as chance has them."""
    found = np.concatenate([np.zeros(60), np.linspace(0, 7, 49), np.full(20, 7.0)])
    calm = deflated(found, np.full(len(found), 10), np.ones(len(found), bool))
    assert calm.max() < 1.5
    assert deflated(found[:10], np.full(10, 10), np.ones(10, bool)).tolist() == found[:10].tolist()


def test_a_feature_that_the_rest_supports_is_no_finding() -> None:
    """The same evidence on both sides of the bound."""
    found = as_features(
        np.array([9.0, 9.0, 9.0]), np.array([-1.0, 1.0, 1.0]), np.zeros(3), np.array([1, 1, 0.1])
    )
    assert found.tolist() == [9.0, 2.5, 0.5]


def test_the_bound_lies_between_a_class_and_the_others() -> None:
    """Means of both, and 0 for a class without rows."""
    margin = np.array([[2.0, -2.0, 0.0], [-4.0, 4.0, 0.0]])
    assert half_way(margin, np.array([0, 1])).tolist() == [-1.0, 1.0, 0.0]


def test_the_label_of_a_pattern_is_the_one_beyond_what_rows_say() -> None:
    """Rows that bear the rare class where nothing speaks for it, though as many bear the common one."""
    margin = np.tile([3.0, -3.0], (8, 1))
    held = Held(np.arange(8), np.zeros(8, np.int64), np.zeros(1, np.int64), np.ones(1, bool))
    assert leading(held, np.array([0, 0, 0, 0, 1, 1, 1, 1]), margin).tolist() == [1]
