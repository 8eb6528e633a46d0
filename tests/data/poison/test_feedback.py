"""Streams of feedback: what one source may do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.data.poison.feedback import influence


@given(st.integers(0, 10_000), st.floats(0.02, 0.5))
def test_no_source_counts_for_more_than_its_share(seed: int, limit: float) -> None:
    """Whatever is sent, the weights of a source add up to the limit at most, and lie between 0 and 1."""
    rng = np.random.default_rng(seed)
    sources = rng.zipf(2, 100)
    heard = influence(sources, rng.uniform(0, 1e7, 100), rng.random(100) < 0.1, limit=limit, burst=1000)
    assert (heard.weights >= 0).all()
    assert (heard.weights <= 1).all()
    for source in np.unique(sources):
        assert heard.weights[sources == source].sum() <= max(1, limit * 100) + 1e-9


def test_a_source_that_disagrees_with_all_others_waits() -> None:
    """Twenty of thirty rows against the rest put a source into quarantine, and nobody else."""
    sources = np.repeat(np.arange(20), 30)
    disagrees = np.zeros(600, bool)
    disagrees[sources == 7] = np.arange(30) < 20
    disagrees[::50] = True
    heard = influence(sources, np.arange(600, dtype=float) * 1e4, disagrees, limit=0.1)
    assert set(sources[heard.quarantined]) == {7}
    assert heard.reasons == {7: f"disagrees in {disagrees[sources == 7].sum()} of 30 rows"}
    assert heard.weights[sources == 7].sum() == 0


def test_a_burst_waits() -> None:
    """A source that sends 200 rows within an hour waits; one that sends them over months counts."""
    sources = np.repeat([1, 2], 200)
    times = np.concatenate([np.arange(200) * 10.0, np.arange(200) * 86_400.0])
    heard = influence(sources, times, np.zeros(400, bool), limit=1.0)
    assert set(sources[heard.quarantined]) == {1}
    assert heard.reasons == {1: "sent 200 rows within 86400 s"}


@pytest.mark.parametrize("limit", [0.0, -1.0, 1.5, float("nan")])
def test_a_limit_that_makes_no_sense_is_refused(limit: float) -> None:
    """A share is above 0 and at most 1."""
    with pytest.raises(AncileError, match="makes no sense"):
        influence(np.zeros(3, int), np.zeros(3), np.zeros(3, bool), limit=limit)


def test_parts_of_different_length_are_refused() -> None:
    """Each row has a source, a time and a judgement."""
    with pytest.raises(AncileError, match="different length"):
        influence(np.zeros(3, int), np.zeros(2), np.zeros(3, bool))
