"""The curve of robust accuracy, from minimal distances: closed forms on linear models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ancile.assess.curve import Near
from ancile.assess.evasion import Assessment, Settings
from ancile.assess.exhibits import distance_table
from ancile.assess.run import Samples
from ancile.attacks.constraint import Constraint
from ancile.core.exhibit import Table
from tests.assess.small import assessed, linear, problem

WITH_CURVE = Settings(effort="quick")


def distances(net: torch.nn.Module, samples: Samples) -> NDArray[np.float64]:
    """(n,) Linf distance to the nearest other class of a linear model, 0 where it is wrong already."""
    weight, bias = (p.detach().numpy().astype(np.float64) for p in net.parameters())
    scores = samples.x.astype(np.float64) @ weight.T + bias
    own = scores[np.arange(len(samples.y)), samples.y][:, None]
    slope = np.abs(weight[samples.y][:, None, :] - weight[None]).sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(slope > 0, (own - scores) / slope, np.inf)
    return np.asarray(np.maximum(found.min(axis=1), 0.0))


def rungs(done: Assessment) -> dict[float, float]:
    """Robust accuracy at each eps."""
    return {
        float(m.slice["eps"]): m.value
        for m in done.report.measures
        if m.name == "robust_accuracy" and set(m.slice) == {"eps"}
    }


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_rung_is_the_closed_form(seed: int) -> None:
    net, samples = problem(seed)
    exact = distances(net, samples)
    found = rungs(assessed(net, samples, 0.06, settings=WITH_CURVE))
    assert len(found) == 7
    for eps, value in found.items():
        assert abs(value - float((exact > eps).mean())) <= 1 / len(exact)


def test_the_median_distance_is_that_of_the_closed_form() -> None:
    net, samples = problem(4)
    exact = distances(net, samples)
    done = assessed(net, samples, 0.05, settings=WITH_CURVE)
    measure = done.report.measure("median_distance")
    assert measure is not None
    assert measure.low is not None
    assert measure.high is not None
    assert measure.value == pytest.approx(float(np.median(exact[exact > 0])), rel=0.02)
    assert measure.low < measure.value < measure.high


def histogram(done: Assessment) -> Table:
    [found] = [
        one
        for one in done.report.exhibits
        if isinstance(one, Table) and one.title == "How far the nearest example lies"
    ]
    return found


@pytest.mark.parametrize("seed", [0, 4])
def test_the_histogram_of_distances_agrees_with_the_curve_the_median_and_the_closed_form(seed: int) -> None:
    net, samples = problem(seed)
    exact = distances(net, samples)
    done = assessed(net, samples, 0.06, settings=WITH_CURVE)
    table, curve = histogram(done), rungs(done)
    assert sum(int(str(row[1])) for row in table.rows) == len(exact)
    beyond = {float(str(row[0]).split()[-1]): row[2] for row in table.rows if " to " in str(row[0])}
    for eps, value in curve.items():
        if eps:
            assert beyond[float(f"{eps:.4g}")] == pytest.approx(value, abs=1e-4)
    assert table.rows[0][2] == pytest.approx(curve[0.0], abs=1e-4)
    measure = done.report.measure("median_distance")
    assert measure is not None
    assert f"median {measure.value:.4g}," in table.note
    for name, share in (("lower quartile", 0.25), ("upper quartile", 0.75)):
        told = float(table.note.partition(f"{name} ")[2].split(",")[0].split(";")[0])
        assert told == pytest.approx(float(np.quantile(exact[exact > 0], share)), rel=0.03)


@pytest.mark.slow
def test_a_model_that_never_changes_its_mind_has_neither_distances_nor_a_curve() -> None:
    rng = np.random.default_rng(0)
    net = linear(np.zeros((2, 3), dtype=np.float32), np.array([1.0, 0.0], dtype=np.float32))
    x = rng.uniform(size=(30, 3)).astype(np.float32)
    samples = Samples(np.arange(30), x, np.zeros(30, dtype=np.int64))
    done = assessed(net, samples, 0.1, settings=WITH_CURVE)
    assert done.report.measure("median_distance") is None
    assert rungs(done) == {}
    assert not any(one.title.startswith("How far") and "lies" in one.title for one in done.report.exhibits)


def test_where_no_example_is_found_the_histogram_says_so() -> None:
    table = distance_table(Near(30, np.full(30, np.inf)), Constraint("linf", 0.1))
    assert table.rows[-1][:2] == ("none found", 30)
    assert "median not found" in table.note
    assert "no example was found for 30." in table.note


def test_costs_are_told_part_by_part_and_add_up() -> None:
    net, samples = problem(5)
    cost = assessed(net, samples, 0.05, settings=WITH_CURVE).report.cost
    assert set(cost.parts) == {"clean", "cascade", "curves", "doubt"}
    for count in ("forwards", "backwards", "queries"):
        assert sum(getattr(part, count) for part in cost.parts.values()) == getattr(cost, count)


def test_what_broke_a_sample_keeps_the_credit_for_it() -> None:
    """The search for the nearest example finds nearer ones of what the cascade broke, and broke none itself."""
    net, samples = problem(0)
    result = assessed(net, samples, 0.06, settings=WITH_CURVE).result
    named = [effect.name for effect in result.state.log]
    assert result.broken.any()
    assert not (result.broken_by == named.index("doubt: nearest examples: fmn")).any()


def scores_of(net: torch.nn.Module) -> object:
    """The network as a function of arrays, without gradients."""

    def answer(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            return np.asarray(net(torch.as_tensor(x)).numpy())

    return answer


@pytest.mark.parametrize("seed", [0, 1])
def test_no_rung_of_a_black_box_contradicts_the_figure(seed: int) -> None:
    """At the eps asked for the curve is the figure, it falls with eps, and costs no more than twice the attack."""
    net, samples = problem(seed)
    done = assessed(scores_of(net), samples, 0.06, settings=WITH_CURVE)
    found, headline = rungs(done), done.report.measure("robust_accuracy")
    assert headline is not None
    assert found[0.06] == headline.value
    assert list(found.values()) == sorted(found.values(), reverse=True)
    parts = done.report.cost.parts
    assert parts["curves"].queries <= 2 * parts["attacks"].queries
