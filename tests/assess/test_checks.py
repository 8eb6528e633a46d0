"""What is told of a ball that fits the data badly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.assess.checks import faint, uneven
from ancile.attacks.constraint import Constraint


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_an_eps_meant_for_another_scale_is_told(norm: str) -> None:
    """0.1 for values of 0 to 255: meant for 0 to 1."""
    (told,) = faint(Constraint(norm, 0.1, low=0.0, high=255.0))  # type: ignore[arg-type]  # a norm
    assert told.startswith("eps 0.1 is 0.039 % of the range, 0 to 255")


@given(st.floats(1 / 255, 1))
def test_an_eps_of_one_step_of_8_bits_and_more_is_not(eps: float) -> None:
    assert faint(Constraint("linf", eps)) == ()
    assert faint(Constraint("linf", 255 * eps, high=255.0)) == ()


def test_one_feature_in_which_eps_counts_is_enough() -> None:
    high = np.array([1.0, 1e6])
    assert faint(Constraint("linf", 0.1, low=np.zeros(2), high=high)) == ()
    assert len(uneven(Constraint("linf", 0.1, low=np.zeros(2), high=high))) == 1
    assert len(faint(Constraint("linf", 1e-4, low=np.zeros(2), high=high, scale=high))) == 1


def test_no_change_at_all_and_a_number_of_features_are_no_small_eps() -> None:
    assert faint(Constraint("linf", 0.0)) == ()
    assert faint(Constraint("l0", 1.0, high=1e6)) == ()
    assert faint(Constraint("linf", 0.1, low=np.zeros(2), high=np.array([0.0, 1.0]))) == ()
