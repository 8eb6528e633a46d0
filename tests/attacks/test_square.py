from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

from ancile.attacks.ball import NORMS, Norm
from ancile.attacks.constraint import Constraint
from ancile.attacks.sparse_moves import sparse_share
from ancile.attacks.square import square
from ancile.attacks.streams import Streams
from ancile.core.errors import AncileError
from tests.attacks.worlds import FAR, digits_world, least_margin, linear, robust

Scores = NDArray[np.floating[Any]]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("queries", [1, 2, 37])
def test_queries_are_counted_exactly_and_end_when_a_sample_is_broken(norm: Norm, queries: int) -> None:
    """Each sample carries its number in a feature that cannot move; the scores count the questions about it."""
    asked = np.zeros(40, dtype=int)

    def scores(x: Scores) -> Scores:
        np.add.at(asked, x[:, 0].astype(int), 1)
        best = x[:, 1:].sum(axis=1) - x[:, 0] * 0.05
        return np.stack([best, np.zeros(len(x))], axis=1)

    x = np.full((40, 9), 0.5)
    x[:, 0] = np.arange(40)
    movable = np.arange(9) > 0
    eps = {"linf": 0.3, "l2": 0.9, "l1": 1.8, "l0": 3.0}[norm]
    c = Constraint(norm, eps, 0.0, np.where(movable, 1.0, 100.0), movable=movable)
    found = square(scores, x, np.zeros(40, dtype=np.int64), c, Streams(0, np.arange(40)), queries=queries)
    counted = asked.copy()
    standing = scores(found)[:, 0] >= 0
    assert (counted[standing] == queries).all()
    assert (counted <= queries).all()
    assert (counted >= 1).all()
    assert counted[~standing].size == 0 or counted[~standing].min() < queries or queries == 1


@pytest.mark.parametrize("norm", NORMS)
def test_on_linear_models_square_comes_close_to_the_closed_form_and_never_below(norm: Norm) -> None:
    here = linear(np.random.default_rng(4).normal(size=(2, 16)), np.zeros(2), n=100)
    eps, apart = {"linf": (0.25, 0.0), "l2": (0.9, 0.1), "l1": (2.0, 0.1), "l0": (1.0, 0.0)}[norm]
    bound = 2.0 if norm == "l0" else FAR
    np.clip(here.x.numpy(), -bound, bound, out=here.x.numpy())
    c = Constraint(norm, eps, -bound, bound)
    found = square(here.model.scores, here.x.numpy(), here.y.numpy(), c, here.rng, queries=600)
    standing, should = robust(here, torch.from_numpy(found)), least_margin(here, eps, norm, bound=bound) > 0
    assert (standing >= should).all()
    assert 0 < should.mean() < 1
    assert standing.mean() - should.mean() <= apart


@pytest.mark.parametrize("norm", NORMS)
def test_more_queries_never_leave_a_worse_point(norm: Norm) -> None:
    here = digits_world(20)
    c = Constraint(norm, {"linf": 0.05, "l2": 0.3, "l1": 1.0, "l0": 3.0}[norm])

    def margins(queries: int) -> Scores:
        steps = iter(range(10_000))
        found = square(
            here.model.scores, here.x.numpy(), here.y.numpy(), c, here.rng,
            queries=64, on_step=lambda: next(steps) >= queries,
        )  # fmt: skip
        scores = here.model.scores(found)
        right = scores[np.arange(20), here.y]
        scores[np.arange(20), here.y] = -np.inf
        return np.asarray(right - scores.max(axis=1))

    ladder = [margins(q) for q in (4, 16, 64)]
    assert (ladder[0] >= ladder[1]).all()
    assert (ladder[1] >= ladder[2]).all()


def test_labels_alone_are_enough_to_break_a_random_forest() -> None:
    """One-hot scores: the search walks along equals until a label turns; feature ranges are the units."""
    bunch = load_breast_cancer()
    x, y = bunch.data.astype(np.float32), bunch.target.astype(np.int64)
    forest: Any = RandomForestClassifier(10, random_state=0).fit(x[:400], y[:400])
    held = x[400:][forest.predict(x[400:]) == y[400:]][:60]
    labels = forest.predict(held).astype(np.int64)
    low, high = x.min(axis=0), x.max(axis=0)
    c = Constraint("linf", 0.08, low, high, scale=high - low)

    def one_hot(z: Scores) -> Scores:
        return np.asarray(np.eye(2)[forest.predict(z)])

    streams = Streams(0, np.arange(len(held)))
    by_label = square(one_hot, held, labels, c, streams, queries=60)
    by_score = square(forest.predict_proba, held, labels, c, streams, queries=60)
    assert c.holds(by_label, held).all()
    left = [(forest.predict(found) == labels).mean() for found in (by_label, by_score)]
    assert left[1] <= left[0] < 0.95


@pytest.mark.slow
def test_the_figure_agrees_with_pgd_on_a_network_that_hides_nothing() -> None:
    """A thousand queries come within a few points of what gradients find on 8 x 8 pixels."""
    from ancile.attacks.pgd import pgd

    here, c = digits_world(60), Constraint("linf", 0.12)
    white = robust(here, pgd(here.model, here.x, here.y, c, here.rng)).mean()
    found = square(here.model.scores, here.x.numpy(), here.y.numpy(), c, here.rng, queries=800)
    assert abs(robust(here, torch.from_numpy(found)).mean() - white) < 0.1


def test_the_l2_search_uses_the_whole_ball() -> None:
    here = digits_world(10)
    c = Constraint("l2", 0.05)
    found = square(here.model.scores, here.x.numpy(), here.y.numpy(), c, here.rng, queries=5)
    assert c.distance(found, here.x.numpy()) == pytest.approx(np.full(10, 0.05), rel=1e-3)


def test_in_l0_pixels_are_changed_whole_and_to_corners_of_the_bounds() -> None:
    x = np.full((5, 3, 6, 6), 0.5)
    seen: list[Scores] = []

    def scores(z: Scores) -> Scores:
        seen.append(z.copy())
        return np.tile([1.0, 0.0], (len(z), 1))

    c = Constraint("l0", 4, pixels=True)
    square(scores, x, np.zeros(5, dtype=np.int64), c, Streams(0, np.arange(5)), queries=20)
    for z in seen:
        changed = (z != x).any(axis=1)
        assert (changed.sum(axis=(1, 2)) == 4).all()
        assert np.isin(z[np.broadcast_to(changed[:, None], z.shape)], [0.0, 1.0]).all()
    assert any((a != b).any() for a, b in pairwise(seen))


def test_the_share_of_swapped_places_falls_as_in_the_authors_code() -> None:
    """Sparse-RS, its p_selection for L0: 0.3, then halved from the first proposal on, to a twentieth."""
    at = [0, 1, 50, 51, 201, 501, 1001, 2001, 4001, 6001, 8001]
    assert [sparse_share(q, 10_000) for q in at] == pytest.approx(
        [0.3 / by for by in (1, 2, 2, 4, 5, 6, 8, 10, 12, 15, 20)]
    )
    assert sparse_share(5, 1000) == 0.3 / 2


@pytest.mark.parametrize("settings", [{"queries": 0}, {"first_share": 0.0}, {"first_share": 1.5}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    here = linear(np.eye(2), np.zeros(2), n=2)
    with pytest.raises(AncileError, match="without queries or windows"):
        square(here.model.scores, here.x.numpy(), here.y.numpy(), Constraint("l2", 0.1), here.rng, **settings)


def test_signs_of_the_start_are_fair() -> None:
    x = np.full((500, 20), 0.5)
    seen: list[Scores] = []

    def scores(z: Scores) -> Scores:
        seen.append(z.copy())
        return np.tile([1.0, 0.0], (len(z), 1))

    square(
        scores,
        x,
        np.zeros(500, dtype=np.int64),
        Constraint("linf", 0.1),
        Streams(0, np.arange(500)),
        queries=1,
    )
    up = int((seen[0] > 0.5).sum())
    assert stats.binomtest(up, seen[0].size).pvalue > 0.01


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("shape", [(3, 0), (3, 1, 0, 4)])
def test_samples_without_features_are_one_clear_error(norm: Norm, shape: tuple[int, ...]) -> None:
    x, y = np.zeros(shape, dtype=np.float32), np.zeros(3, dtype=np.int64)

    def scores(z: Scores) -> Scores:
        return np.tile([1.0, 0.0], (len(z), 1))

    with pytest.raises(AncileError, match="samples without features"):
        square(scores, x, y, Constraint(norm, 1.0), Streams(0, np.arange(3)))


@pytest.mark.parametrize("scale", [None, np.linspace(0.0, 2.0, 64).reshape(8, 8)])
def test_in_l2_what_the_bounds_cut_off_goes_to_other_places_and_nothing_leaves_the_ball(
    scale: NDArray[np.float64] | None,
) -> None:
    """Near a corner of the bounds half of the features can move one way only; the ball is used up all the same."""
    x = np.random.default_rng(0).choice([0.02, 0.5, 0.97], size=(20, 8, 8)).astype(np.float32)
    c = Constraint("l2", 1.0, 0.0, 1.0, scale=scale)
    seen: list[Scores] = []

    def scores(z: Scores) -> Scores:
        seen.append(z.copy())
        return np.stack([np.ones(len(z)), z.sum(axis=(1, 2)) * 1e-3], axis=1)

    square(scores, x, np.zeros(20, dtype=np.int64), c, Streams(0, np.arange(20)), queries=30)
    for z in seen:
        assert c.holds(z, x).all()
        assert (c.distance(z, x) > 0.98).all()
