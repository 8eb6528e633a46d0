"""What searches by labels alone promise: counted questions, points that fool, the nearest of them, inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ancile.attacks.ball import Norm
from ancile.attacks.constraint import Constraint
from ancile.attacks.decisions import Asker, along, begin, halved
from ancile.attacks.hopskipjump import hopskipjump
from ancile.attacks.rays import rays
from ancile.attacks.streams import Streams
from ancile.core.errors import AncileError
from tests.attacks.nearest_worlds import free_distance
from tests.attacks.worlds import FAR, World, digits_world, linear, robust

Search = Callable[..., NDArray[np.floating]]
ALL: list[tuple[Search, Norm]] = [(hopskipjump, "linf"), (hopskipjump, "l2"), (rays, "linf")]
every_search = pytest.mark.parametrize(
    ("search", "norm"), [pytest.param(*one, id=f"{one[0].__name__}-{one[1]}") for one in ALL]
)
REACH: dict[str, float] = {"linf": 1.0, "l2": 8.0}


class Counting:
    """Scores of a world, and how many rows were asked about."""

    def __init__(self, w: World) -> None:
        self.w, self.rows = w, 0

    def __call__(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        self.rows += len(x)
        return self.w.model.scores(x)


def found(search: Search, w: World, c: Constraint, **given_: Any) -> torch.Tensor:
    return torch.from_numpy(search(w.model.scores, w.x.numpy(), w.y.numpy(), c, w.rng, **given_))


def asker(w: World, c: Constraint, queries: int, **given_: Any) -> Asker:
    asked = {"goal": "nearest", "stop": None, **given_}
    return Asker.of(w.model.scores, w.x.numpy(), w.y.numpy(), c, queries=queries, **asked)


@every_search
def test_no_more_is_asked_about_a_sample_than_its_budget(search: Search, norm: Norm) -> None:
    """One sample at a time, so that every row is about it."""
    w = digits_world(3)
    for queries in (1, 2, 3, 17, 60, 333):
        for i in range(3):
            one = World(w.net, w.model, w.x[i : i + 1], w.y[i : i + 1])
            counted = Counting(one)
            search(counted, one.x.numpy(), one.y.numpy(), Constraint(norm, 0.5), one.rng, queries=queries)
            assert counted.rows == queries


@pytest.mark.slow
@every_search
def test_more_queries_never_end_farther_and_all_that_is_handed_back_fools(search: Search, norm: Norm) -> None:
    w = digits_world(12)
    c = Constraint(norm, REACH[norm])
    before = np.full(12, np.inf)
    for queries in (60, 300, 900):
        x = found(search, w, c, queries=queries)
        changed = (x != w.x).flatten(1).any(dim=1).numpy()
        assert np.array_equal(changed, ~robust(w, x))
        assert c.holds(x, w.x).all()
        far = np.where(changed, c.distance(x, w.x), np.inf)
        assert (far <= before).all()
        before = far
    assert np.isfinite(before).all()


@every_search
def test_a_goal_inside_the_ball_takes_fewer_questions_and_breaks_as_many(search: Search, norm: Norm) -> None:
    w = digits_world(12)
    c = Constraint(norm, 0.3 if norm == "linf" else 2.0)
    counts: list[int] = []
    stands: list[NDArray[np.bool_]] = []
    for goal in ("nearest", "inside"):
        counted = Counting(w)
        x = torch.from_numpy(search(counted, w.x.numpy(), w.y.numpy(), c, w.rng, queries=600, goal=goal))
        counts.append(counted.rows)
        stands.append(robust(w, x))
        assert c.holds(x, w.x).all()
    assert counts[1] < counts[0]
    assert np.array_equal(stands[0], stands[1])
    assert not stands[0].all()


@every_search
def test_labels_alone_give_what_scores_give(search: Search, norm: Norm) -> None:
    w = digits_world(10)

    def labels(x: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.asarray(np.eye(10)[w.model.scores(x).argmax(axis=1)])

    c = Constraint(norm, REACH[norm])
    x = search(labels, w.x.numpy(), w.y.numpy(), c, w.rng, queries=200)
    assert np.array_equal(x, found(search, w, c, queries=200).numpy())


@every_search
def test_a_misread_sample_comes_back_as_it_is_after_one_question(search: Search, norm: Norm) -> None:
    w = digits_world(5)
    wrong = w._replace(y=(w.y + 1) % 10)
    counted = Counting(wrong)
    x = search(counted, wrong.x.numpy(), wrong.y.numpy(), Constraint(norm, 0.5), wrong.rng, queries=100)
    assert np.array_equal(x, wrong.x.numpy())
    assert counted.rows == 5


@every_search
def test_where_nothing_fools_the_samples_come_back(search: Search, norm: Norm) -> None:
    x = np.random.default_rng(0).random((4, 6))

    def sure(z: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.tile([1.0, 0.0], (len(z), 1))

    y, rng = np.zeros(4, dtype=np.int64), Streams(0, np.arange(4))
    assert np.array_equal(search(sure, x, y, Constraint(norm, 0.5), rng, queries=50), x)


@every_search
def test_stopped_half_way_it_gives_the_nearest_so_far(search: Search, norm: Norm) -> None:
    w = digits_world(8)
    c = Constraint(norm, REACH[norm])
    for limit in (1, 3, 12, 30):
        asked = iter(range(limit))
        x = found(search, w, c, queries=500, on_step=lambda asked=asked: next(asked, None) is None)
        changed = (x != w.x).flatten(1).any(dim=1).numpy()
        assert np.array_equal(changed, ~robust(w, x))


@pytest.mark.slow
@every_search
@settings(max_examples=5, deadline=None)
@given(classes=st.sampled_from([2, 5]), width=st.integers(2, 30), seed=st.integers(0, 1000))
def test_on_linear_models_a_thousand_queries_come_near_the_closed_form(
    search: Search, norm: Norm, classes: int, width: int, seed: int
) -> None:
    """From two features on: on a line a search that starts beyond one boundary never meets the other."""
    rng = np.random.default_rng(seed)
    w = linear(rng.normal(size=(classes, width)), 0.1 * rng.normal(size=classes), n=12, seed=seed)
    x = found(search, w, Constraint(norm, 10.0, -5.0, 5.0), queries=1000)
    best = free_distance(w, norm)
    reached = np.where(robust(w, x), np.inf, Constraint(norm, 10.0, -FAR, FAR).distance(x, w.x))
    assert (reached >= best * (1 - 1e-6)).all()
    near = best < 2.0  # far from the bounds
    if near.any():
        assert np.median(reached[near] / best[near]) <= 1.25


@every_search
def test_what_may_not_move_stays_and_distance_is_in_units(search: Search, norm: Norm) -> None:
    w = digits_world(20)
    movable = np.zeros((1, 8, 8), dtype=bool)
    movable[:, 2:6] = True
    scale = np.random.default_rng(0).uniform(0.5, 2.0, (1, 8, 8))
    c = Constraint(norm, REACH[norm] / 2, np.full((1, 8, 8), -0.1), np.full((1, 8, 8), 1.2), scale, movable)
    x = found(search, w, c, queries=300)
    assert c.holds(x, w.x).all()
    assert torch.equal(x[:, :, :2], w.x[:, :, :2])
    assert torch.equal(x[:, :, 6:], w.x[:, :, 6:])
    assert not robust(w, x).all()


@every_search
@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"queries": 0}, "an attack without queries"),
        ({"goal": "far"}, "an attack without queries, or without a goal"),
        ({"norm": "l0"}, "is not defined in this norm"),
    ],
)
def test_nonsense_is_refused(search: Search, norm: Norm, change: dict[str, Any], what: str) -> None:
    w = digits_world(2)
    given_ = {"norm": norm, **change}
    with pytest.raises(AncileError, match=what):
        found(search, w, Constraint(given_.pop("norm"), 1.0), **given_)


def test_questions_beyond_a_budget_are_its_last_ones() -> None:
    w = digits_world(3)
    one = asker(w, Constraint("linf", 1.0), 2)
    who = np.array([0, 1, 0, 0, 2, 1, 1])
    wrong = Asker.of(
        w.model.scores, w.x.numpy(), (w.y.numpy() + 1) % 10, Constraint("linf", 1.0),
        queries=2, goal="nearest", stop=None,
    )  # fmt: skip
    assert not one.fools(w.x.numpy()[who], who).any()
    assert wrong.fools(w.x.numpy()[who], who).tolist() == [True, True, True, False, True, True, False]
    assert wrong.left.tolist() == [0, 0, 1]
    assert wrong.alive().tolist() == [2]


def test_the_first_points_fool_and_cost_what_they_cost() -> None:
    """A model that is wrong only near the far corner: the sample, the middle and that corner are asked."""
    x = np.full((2, 3), 0.2)

    def corner(z: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.stack([np.full(len(z), 0.5), (z > 0.9).all(axis=1)], axis=1)

    y, c = np.zeros(2, dtype=np.int64), Constraint("l2", 3.0)
    one = Asker.of(corner, x, y, c, queries=100, goal="nearest", stop=None)
    change = begin(one, Streams(0, np.arange(2)))
    assert np.allclose(change, 0.8)
    assert one.left.tolist() == [97, 97]


def test_bisection_ends_at_the_edge() -> None:
    x = np.full((1, 4), 0.25, dtype=np.float64)

    def half(z: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.stack([np.full(len(z), 0.5), z[:, 0]], axis=1)

    norms: tuple[Norm, ...] = ("linf", "l2")
    for norm in norms:
        one = Asker.of(
            half, x, np.zeros(1, dtype=np.int64), Constraint(norm, 1.0), queries=99, goal="nearest", stop=None
        )
        at = halved(one, np.full((1, 4), 0.75), np.zeros(1, dtype=np.intp), rounds=20)
        assert at[0, 0] == pytest.approx(0.25, abs=1e-5)
        assert at[0, 0] > 0.25
        assert one.left[0] == 79


@given(share=st.floats(0, 1), seed=st.integers(0, 100))
def test_on_the_way_the_distance_grows_evenly(share: float, seed: int) -> None:
    change = np.random.default_rng(seed).normal(size=(1, 7))
    for norm, order in (("linf", np.inf), ("l2", 2)):
        far = np.linalg.norm(along(norm, change, np.array([share]))[0], ord=order)
        assert far == pytest.approx(share * np.linalg.norm(change[0], ord=order))


@every_search
@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_samples_or_features_of_no_number_are_no_work(
    search: Search, norm: Norm, shape: tuple[int, int]
) -> None:
    x, y = np.zeros(shape), np.zeros(shape[0], dtype=np.int64)

    def never(z: NDArray[np.floating]) -> NDArray[np.floating]:
        raise AssertionError

    assert search(never, x, y, Constraint(norm, 0.5), Streams(0, np.arange(shape[0]))).shape == shape


@every_search
def test_a_batch_equals_its_samples_one_by_one_bit_for_bit(search: Search, norm: Norm) -> None:
    rng = np.random.default_rng(0)
    weights, x = rng.normal(size=(5, 192)), rng.random((9, 3, 8, 8)).astype(np.float32)

    def scores(z: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.stack([(one * z.reshape(len(z), -1)).sum(axis=1) for one in weights], axis=1)

    y, c = scores(x).argmax(axis=1), Constraint(norm, REACH[norm])
    whole = search(scores, x, y, c, Streams(0, np.arange(9)), queries=300)
    for i in range(9):
        alone = search(scores, x[i : i + 1], y[i : i + 1], c, Streams(0, np.array([i])), queries=300)
        assert np.array_equal(alone[0], whole[i])
    assert (whole != x).any(axis=(1, 2, 3)).all()
