"""What holds of every search for the nearest adversarial example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.attacks.ball import Norm
from ancile.attacks.constraint import Constraint
from ancile.attacks.cw import cw
from ancile.attacks.deepfool import deepfool
from ancile.attacks.fmn import fmn
from ancile.attacks.streams import Streams
from ancile.core.errors import AncileError
from tests.attacks.nearest_worlds import boxed_distance, free_distance
from tests.attacks.worlds import FAR, World, digits_world, linear, robust, world

Search = Callable[..., torch.Tensor]
ALL: list[tuple[Search, Norm, dict[str, Any]]] = [
    (fmn, "linf", {"classes": 9}), (fmn, "l2", {"classes": 9}), (fmn, "l1", {"classes": 9}), (fmn, "l0", {}),
    (deepfool, "linf", {"classes": 9}), (deepfool, "l2", {"classes": 9}),
    (cw, "l2", {"classes": 9}),
]  # fmt: skip
every_search = pytest.mark.parametrize(
    ("search", "norm", "given_"),
    [
        pytest.param(
            *case, id=f"{case[0].__name__}-{case[1]}", marks=[pytest.mark.slow] if case[0] is cw else []
        )
        for case in ALL
    ],
)
NEAR = 1.05  # of the optimum
REACH = {"linf": 0.6, "l2": 4.0, "l1": 20.0, "l0": 30.0}  # far enough for most digits


def found(search: Search, w: World, c: Constraint, **settings_: Any) -> torch.Tensor:
    return search(w.model, w.x, w.y, c, w.rng, **settings_)


def plane(classes: int, width: int, seed: int, n: int = 25) -> World:
    rng = np.random.default_rng(seed)
    return linear(rng.normal(size=(classes, width)), 0.1 * rng.normal(size=classes), n=n, seed=seed)


@every_search
@settings(max_examples=12, deadline=None)
@given(classes=st.sampled_from([2, 3, 10]), width=st.integers(2, 30), seed=st.integers(0, 10_000))
def test_on_linear_models_the_distance_is_the_closed_form(
    search: Search, norm: Norm, given_: dict[str, Any], classes: int, width: int, seed: int
) -> None:
    if norm == "l0":
        return  # without bounds one feature is always enough: see the next test
    w = plane(classes, width, seed)
    c = Constraint(norm, 1e3, -FAR, FAR)
    x = found(search, w, c, **given_)
    assert not robust(w, x).any()
    assert (c.distance(x, w.x) <= NEAR * free_distance(w, norm) + 1e-9).all()


@every_search
@settings(max_examples=8, deadline=None)
@given(classes=st.sampled_from([2, 3, 10]), width=st.integers(3, 12), seed=st.integers(0, 10_000))
def test_with_bounds_in_the_way_it_is_what_an_exact_solver_finds(
    search: Search, norm: Norm, given_: dict[str, Any], classes: int, width: int, seed: int
) -> None:
    """Most samples exactly; a class that looks farther without bounds may be nearer with them."""
    w = plane(classes, width, seed, n=12)
    w = w._replace(x=w.x.clip(-0.9, 0.9))
    w = w._replace(y=w.model.logits(w.x).argmax(dim=1))
    best = boxed_distance(w, norm, -1.0, 1.0)
    c = Constraint(norm, 1e3 if norm != "linf" else 2.0, -1.0, 1.0)
    x = found(search, w, c, **given_)
    ratio = np.where(robust(w, x), np.inf, c.distance(x, w.x)) / best
    reachable = np.isfinite(best)
    assert c.holds(x, w.x).all()
    assert robust(w, x)[~reachable].all()
    if reachable.any():
        assert np.median(ratio[reachable]) <= NEAR
        assert (ratio[reachable] >= 1 - 1e-6).all()


@every_search
def test_what_comes_back_changed_is_misread_and_within_reach(
    search: Search, norm: Norm, given_: dict[str, Any]
) -> None:
    w = digits_world(40)
    c = Constraint(norm, REACH[norm])
    x = found(search, w, c)
    changed = (x != w.x).flatten(1).any(dim=1).numpy()
    assert changed.mean() > 0.9
    assert np.array_equal(changed, ~robust(w, x))
    assert c.holds(x, w.x).all()


@every_search
def test_a_misread_sample_comes_back_as_it_is(search: Search, norm: Norm, given_: dict[str, Any]) -> None:
    w = digits_world(10)
    wrong = w._replace(y=(w.y + 1) % 10)
    assert torch.equal(found(search, wrong, Constraint(norm, REACH[norm])), w.x)


@every_search
def test_where_no_adversarial_is_in_reach_the_sample_comes_back(
    search: Search, norm: Norm, given_: dict[str, Any]
) -> None:
    class Sure(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x.sum(dim=1), x.sum(dim=1) + 1.0], dim=1)

    w = world(Sure(), torch.rand(5, 4, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(found(search, w, Constraint(norm, 1.0)), w.x)


@every_search
def test_immovable_features_stay_and_scales_count(search: Search, norm: Norm, given_: dict[str, Any]) -> None:
    w = digits_world(20)
    movable = np.zeros((1, 8, 8), dtype=bool)
    movable[:, 2:6] = True
    scale = np.random.default_rng(0).uniform(0.5, 2.0, (1, 8, 8))
    low, high = np.full((1, 8, 8), -0.1), np.full((1, 8, 8), 1.2)
    c = Constraint(norm, REACH[norm] if norm != "linf" else 0.8, low, high, scale, movable)
    x = found(search, w, c)
    assert c.holds(x, w.x).all()
    assert torch.equal(x[:, :, :2], w.x[:, :, :2])
    assert torch.equal(x[:, :, 6:], w.x[:, :, 6:])
    assert not robust(w, x).all()


@every_search
def test_a_shorter_reach_gives_nothing_that_is_farther(
    search: Search, norm: Norm, given_: dict[str, Any]
) -> None:
    w = digits_world(20)
    for share in (0.1, 0.4):
        c = Constraint(norm, share * REACH[norm])
        x = found(search, w, c)
        assert (c.distance(x, w.x) <= c.eps).all()


@every_search
def test_a_sample_alone_is_found_at_the_same_distance_as_in_a_batch(
    search: Search, norm: Norm, given_: dict[str, Any]
) -> None:
    """But for rounding, to which Adam's first steps, which divide by what they start from, are not deaf."""
    rounding = 0.01 if search is cw else 1e-9
    w = plane(4, 9, 3, n=8)
    c = Constraint(norm, 1e3 if norm != "linf" else 4.0, -2.0, 2.0)
    whole = found(search, w, c)
    for i in range(len(w.x)):
        alone = search(w.model, w.x[i : i + 1], w.y[i : i + 1], c, Streams(0, np.array([i])))
        distance = c.distance(whole[i : i + 1], w.x[i : i + 1])
        assert c.distance(alone, w.x[i : i + 1]) == pytest.approx(distance, rel=rounding)


@every_search
def test_answers_that_are_not_finite_are_no_find(search: Search, norm: Norm, given_: dict[str, Any]) -> None:
    class Cracked(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = torch.stack([x.sum(dim=1), 2.2 - x.sum(dim=1)], dim=1)
            return torch.where((x > 0.6).any(dim=1, keepdim=True), logits * float("nan"), logits)

    w = world(Cracked(), torch.full((3, 4), 0.5))
    x = found(search, w, Constraint(norm, 0.5 if norm != "l0" else 4.0))
    logits = w.model.logits(x)
    changed = (x != w.x).any(dim=1)
    assert torch.isfinite(logits).all()
    assert (logits.argmax(dim=1)[changed] != w.y[changed]).all()


@every_search
def test_stopped_early_it_returns_what_it_has(search: Search, norm: Norm, given_: dict[str, Any]) -> None:
    w = digits_world(20)
    c = Constraint(norm, REACH[norm])
    for limit in (0, 1, 4, 15):
        asked = 0

        def stop(limit: int = limit) -> bool:
            nonlocal asked
            asked += 1
            return asked > limit

        x = found(search, w, c, on_step=stop)
        changed = (x != w.x).flatten(1).any(dim=1).numpy()
        assert c.holds(x, w.x).all()
        assert np.array_equal(changed, ~robust(w, x))
        assert limit or not changed.any()


@every_search
def test_more_steps_never_end_farther_on_average(search: Search, norm: Norm, given_: dict[str, Any]) -> None:
    w = digits_world(40)
    c = Constraint(norm, REACH[norm])
    few, many = (
        np.where(robust(w, x), c.eps, c.distance(x, w.x)).mean()
        for x in (found(search, w, c, steps=steps) for steps in (2, 60))
    )
    assert many <= few


@pytest.mark.parametrize("search", [fmn, deepfool, cw])
@pytest.mark.parametrize("bad", [{"steps": 0}, {"classes": 0}])
def test_settings_that_make_no_sense_are_refused(search: Search, bad: dict[str, int]) -> None:
    with pytest.raises(AncileError, match="no steps or classes"):
        found(search, digits_world(2), Constraint("l2", 1.0), **bad)


def test_deepfool_that_turns_back_is_nearer_than_its_short_form() -> None:
    w, c = digits_world(10), Constraint("l2", 8.0)
    whole, short = found(deepfool, w, c), found(deepfool, w, c, classes=1, turns=0)
    assert c.distance(whole, w.x).mean() < c.distance(short, w.x).mean()
    assert not robust(w, short)[(short != w.x).flatten(1).any(dim=1).numpy()].any()
    with pytest.raises(AncileError, match="turns are fewer than none"):
        found(deepfool, w, c, turns=-1)


@pytest.mark.parametrize("search", [deepfool, cw])
def test_a_norm_in_which_it_is_not_defined_is_refused(search: Search) -> None:
    with pytest.raises(AncileError, match="not defined in this norm"):
        found(search, digits_world(2), Constraint("l1", 1.0))


def test_fmn_counts_pixels_where_the_constraint_does() -> None:
    rng = np.random.default_rng(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 3)
    )
    w = world(net, torch.from_numpy(rng.uniform(0, 1, size=(12, 3, 6, 6)).astype(np.float32)))
    c = Constraint("l0", 36.0, pixels=True)
    x = found(fmn, w, c)
    fooled = ~robust(w, x)
    assert fooled.any()
    assert c.distance(x, w.x)[fooled].mean() <= Constraint("l0", 108.0).distance(x, w.x)[fooled].mean()
    assert c.holds(x, w.x).all()


def test_fmn_makes_at_most_the_promised_passes() -> None:
    w = digits_world(30)
    before = w.model.usage.forwards, w.model.usage.backwards
    found(fmn, w, Constraint("l2", 4.0), steps=20, classes=3)
    forwards = (w.model.usage.forwards - before[0]) / 30
    backwards = (w.model.usage.backwards - before[1]) / 30
    assert backwards <= 22
    assert forwards <= 22 + 20


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_fmn_goes_on_from_what_it_found(norm: Norm) -> None:
    w = digits_world(30)
    before = w.model.usage.backwards
    found(fmn, w, Constraint(norm, REACH[norm]), steps=40, classes=3)
    assert (w.model.usage.backwards - before) / 30 >= 40 * 0.5
