"""The figure is right where the right figure is known, and says so where it cannot be trusted."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ancile.assess.evasion import Assessment, Settings
from ancile.assess.run import Samples
from ancile.core.budget import Budget
from ancile.core.errors import AncileError
from ancile.core.report import Report
from ancile.work.clock import Clock, system_clock
from tests.assess.small import assessed, problem


def value(report: Report, name: str, **slice_: str | float) -> float:
    found = report.measure(name, **slice_)
    assert found is not None, name
    return found.value


def statuses(done: Assessment, check: str) -> list[str]:
    return [f.status for f in done.report.findings if f.check == check]


def closed_form(net: torch.nn.Module, samples: Samples, eps: float) -> NDArray[np.bool_]:
    """Right, and no Linf change of eps flips: each margin exceeds eps times the L1 distance of the weights."""
    weight = net.weight.detach().numpy().astype(np.float64)  # type: ignore[operator]
    bias = net.bias.detach().numpy().astype(np.float64)  # type: ignore[operator]
    logits = samples.x @ weight.T + bias
    stands = np.ones(len(samples.y), dtype=bool)
    for other in range(weight.shape[0]):
        margin = logits[np.arange(len(samples.y)), samples.y] - logits[:, other]
        cost = eps * np.abs(weight[samples.y] - weight[other]).sum(axis=1)
        stands &= (other == samples.y) | (margin > cost)
    return np.asarray(stands)


@pytest.mark.parametrize("eps", [0.001, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25])
def test_robust_accuracy_of_a_linear_model_is_the_closed_form(eps: float) -> None:
    net, samples = problem(1)
    done = assessed(net, samples, eps)
    np.testing.assert_array_equal(done.result.robust, closed_form(net, samples, eps))


def test_eps_0_is_the_clean_accuracy_exactly_and_changes_nothing() -> None:
    net, samples = problem(2)
    done = assessed(net, samples, 0.0)
    assert value(done.report, "robust_accuracy") == value(done.report, "clean_accuracy")
    np.testing.assert_array_equal(done.result.x_adv, samples.x)


@pytest.mark.slow
def test_more_eps_never_raises_robust_accuracy() -> None:
    net, samples = problem(3)
    robust = [value(assessed(net, samples, eps).report, "robust_accuracy") for eps in (0.01, 0.05, 0.1, 0.2)]
    assert all(a >= b for a, b in itertools.pairwise(robust))


def test_success_rate_is_over_the_samples_that_were_right() -> None:
    net, samples = problem(4)
    done = assessed(net, samples, 0.05)
    right, broken = int(done.result.correct.sum()), int(done.result.broken.sum())
    rate = done.report.measure("attack_success_rate")
    assert rate is not None
    assert rate.n == right
    assert rate.value == broken / right


def test_every_counted_example_holds_on_a_fresh_pass_inside_the_ball() -> None:
    net, samples = problem(5)
    done = assessed(net, samples, 0.08)
    broken = done.result.broken
    with torch.no_grad():
        labels = net(torch.from_numpy(done.result.x_adv)).argmax(dim=1).numpy()
    assert broken.any()
    assert (labels[broken] != samples.y[broken]).all()
    change = np.abs(done.result.x_adv.astype(np.float64) - samples.x.astype(np.float64))
    assert change.max() <= 0.08


@pytest.mark.slow
def test_the_same_seed_gives_the_same_report_and_the_sampling_does_not_change_a_sample() -> None:
    net, samples = problem(6)
    whole = assessed(net, samples, 0.05)
    again = assessed(net, samples, 0.05)
    half = Samples(samples.ids[20:], samples.x[20:], samples.y[20:])
    np.testing.assert_array_equal(whole.result.x_adv, again.result.x_adv)
    np.testing.assert_allclose(assessed(net, half, 0.05).result.x_adv, whole.result.x_adv[20:], atol=1e-6)


def test_a_function_without_gradients_gets_a_black_box_figure_and_says_so() -> None:
    net, samples = problem(7)

    def scores(x: NDArray[Any]) -> NDArray[Any]:
        with torch.no_grad():
            return np.asarray(net(torch.from_numpy(np.asarray(x, dtype=np.float32))).numpy())

    done = assessed(scores, samples, 0.2)
    assert statuses(done, "evasion-black-box-figure") == ["WARN"]
    assert done.report.parameters["access"] == "scores"
    assert value(done.report, "robust_accuracy") < value(done.report, "clean_accuracy")


class Rounded(torch.nn.Module):
    """Gradients are zero everywhere: the input is rounded on its way in."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the input in steps of 1/64."""
        return torch.as_tensor(self.net(torch.round(x * 64) / 64))


def test_a_model_that_hides_its_gradients_is_found_out_by_the_black_box() -> None:
    net, samples = problem(8, n=120)
    done = assessed(Rounded(net), samples, 0.25)
    assert statuses(done, "evasion-lost-gradient") == ["ERROR"]
    assert done.report.outcome == "no_conclusion"


class Dice(torch.nn.Module):
    """Answers with noise, in eval mode too."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits plus noise of their own size."""
        logits = self.net(x)
        return torch.as_tensor(logits + torch.randn_like(logits))


@pytest.mark.slow
def test_a_model_that_draws_lots_is_unsteady() -> None:
    net, samples = problem(9)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert statuses(assessed(Dice(net), samples, 0.05), "evasion-unsteady-model") == ["ERROR"]


def test_scores_that_are_not_finite_give_no_conclusion() -> None:
    net, samples = problem(10)

    def scores(x: NDArray[Any]) -> NDArray[Any]:
        with torch.no_grad():
            found = np.array(net(torch.from_numpy(np.asarray(x, dtype=np.float32))).numpy())
        found[np.asarray(x)[:, 0] > 0.65] = np.nan
        return found

    done = assessed(scores, samples, 0.05)
    assert statuses(done, "evasion-scores-not-finite") == ["ERROR"]
    assert done.report.outcome == "no_conclusion"


def test_a_model_worse_than_the_most_frequent_class_is_called_useless() -> None:
    net, samples = problem(11)
    wrong = Samples(samples.ids, samples.x, (samples.y + 1) % 3)
    done = assessed(net, wrong, 0.05)
    assert statuses(done, "evasion-useless-model") == ["WARN"]


def test_a_label_beyond_the_classes_is_refused_with_the_remedy() -> None:
    net, samples = problem(12)
    with pytest.raises(AncileError, match="beyond the model's classes") as error:
        assessed(net, Samples(samples.ids, samples.x, samples.y + 2), 0.05)
    assert "0 to 2" in error.value.value


def ticking() -> Clock:
    """A clock on which every look takes a second."""
    seconds = itertools.count()
    return Clock(system_clock().now, lambda: float(next(seconds)), lambda: 0.0, lambda: 1)


def test_a_spent_budget_gives_the_report_so_far_and_the_same_run_goes_on(tmp_path: Path) -> None:
    net, samples = problem(13)
    short = Settings(effort="quick", curve=False, budget=Budget(seconds=8))
    stopped = assessed(net, samples, 0.05, settings=short, resume=tmp_path, clock=ticking())
    assert not stopped.report.complete
    assert stopped.report.outcome == "no_conclusion"
    assert statuses(stopped, "evasion-unfinished") == ["ERROR"]
    assert value(stopped.report, "robust_accuracy") >= closed_form(net, samples, 0.05).mean()
    ended = assessed(net, samples, 0.05, resume=tmp_path)
    assert ended.report.parameters["resumed"] is True
    assert ended.report.complete
    np.testing.assert_array_equal(ended.result.robust, closed_form(net, samples, 0.05))


def test_a_budget_that_no_attack_fits_into_gives_no_figure_of_robustness() -> None:
    net, samples = problem(13)
    short = Settings(effort="quick", curve=False, budget=Budget(seconds=3))
    stopped = assessed(net, samples, 0.05, settings=short, clock=ticking())
    assert stopped.report.measure("robust_accuracy") is None
    assert value(stopped.report, "clean_accuracy") > 0.8
    (told,) = [f for f in stopped.report.findings if f.check == "evasion-unfinished"]
    assert "robustness was not evaluated" in told.detail


@pytest.mark.slow
def test_a_damaged_or_forged_saved_run_is_ignored_and_a_finished_one_goes(tmp_path: Path) -> None:
    net, samples = problem(14)
    short = Settings(effort="quick", curve=False, budget=Budget(seconds=4))
    assessed(net, samples, 0.05, settings=short, resume=tmp_path, clock=ticking(), seal=b"mine")
    (saved,) = tmp_path.iterdir()
    whole = saved.read_bytes()
    for damage in (b"", b"PK\x03\x04", whole[:-40], whole[:-1] + bytes([whole[-1] ^ 1])):
        saved.write_bytes(damage)
        done = assessed(net, samples, 0.05, resume=tmp_path, seal=b"mine")
        assert done.report.parameters["resumed"] is False
        np.testing.assert_array_equal(done.result.robust, closed_form(net, samples, 0.05))
        assert not list(tmp_path.iterdir())
    saved.write_bytes(whole)
    assert assessed(net, samples, 0.05, resume=tmp_path, seal=b"other").report.parameters["resumed"] is False
    saved.write_bytes(whole)
    assert assessed(net, samples, 0.05, resume=tmp_path, seal=b"mine").report.parameters["resumed"] is True


def test_the_curve_starts_at_the_clean_accuracy_falls_and_meets_the_figure() -> None:
    net, samples = problem(15)
    done = assessed(net, samples, 0.1, settings=Settings(effort="quick"))
    rungs = [m for m in done.report.measures if m.name == "robust_accuracy" and set(m.slice) == {"eps"}]
    values = [m.value for m in rungs]
    assert values[0] == value(done.report, "clean_accuracy")
    assert values == sorted(values, reverse=True)
    at_eps = next(m for m in rungs if m.slice == {"eps": 0.1})
    assert at_eps.value == value(done.report, "robust_accuracy")


def test_measures_are_also_given_for_each_class() -> None:
    net, samples = problem(16)
    done = assessed(net, samples, 0.05, classes=("a", "b", "c"))
    for name in ("abc"[code] for code in np.unique(samples.y)):
        found = done.report.measure("robust_accuracy", **{"class": name})
        assert found is not None
        assert found.n == int((samples.y == "abc".index(name)).sum())


@pytest.mark.parametrize("outputs", [1, 2])
def test_binary_models_with_one_logit_or_two_give_the_same_figure(outputs: int) -> None:
    net, samples = problem(17, classes=2)
    layer = torch.nn.Linear(5, 1)
    with torch.no_grad():
        layer.weight.copy_(net.weight[1:] - net.weight[:1])  # type: ignore[index]
        layer.bias.copy_(net.bias[1:] - net.bias[:1])  # type: ignore[index]
    done = assessed(layer.eval() if outputs == 1 else net, samples, 0.05)
    np.testing.assert_array_equal(done.result.robust, closed_form(net, samples, 0.05))


class Repenting(torch.nn.Module):
    """Right again from the third look at an input on."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net
        self.seen: dict[bytes, int] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits; turned away from their decision at the third look."""
        logits = torch.as_tensor(self.net(x))
        rows = [row.tobytes() for row in x.detach().numpy()]
        for row in rows:
            self.seen[row] = self.seen.get(row, 0) + 1
        turned = torch.tensor([self.seen[row] > 2 for row in rows])[:, None]
        return torch.where(turned, -logits, logits)


def test_a_model_that_takes_its_answers_back_gets_no_conclusion() -> None:
    net, samples = problem(18)
    done = assessed(Repenting(net), samples, 0.1)
    assert done.report.outcome == "no_conclusion"


def test_a_model_that_answers_nan_to_all_but_the_clean_samples_gets_no_conclusion() -> None:
    net, samples = problem(19)
    known = {row.tobytes() for row in samples.x}

    def scores(x: NDArray[Any]) -> NDArray[Any]:
        rows = np.asarray(x, dtype=np.float32)
        with torch.no_grad():
            found = np.array(net(torch.from_numpy(rows)).numpy())
        found[[row.tobytes() not in known for row in rows]] = np.nan
        return found

    done = assessed(scores, samples, 0.1)
    assert statuses(done, "evasion-scores-not-finite") == ["ERROR"]
    assert done.report.outcome == "no_conclusion"


def test_a_budget_of_queries_keeps_back_what_judging_needs() -> None:
    net, samples = problem(20)
    capped = Settings(effort="quick", curve=False, budget=Budget(queries=900))
    done = assessed(net, samples, 0.05, settings=capped)
    assert not done.report.complete
    assert done.report.cost.queries + done.report.cost.forwards <= 900
    few = Settings(effort="quick", curve=False, budget=Budget(queries=100))
    with pytest.raises(AncileError, match="too few queries"):
        assessed(net, samples, 0.05, settings=few)
