"""Ctrl-C, spent budgets and models that raise: the report speaks of what was done, and says so."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ancile.assess.evasion import Assessment, Settings
from ancile.core.budget import Budget
from ancile.core.errors import AncileError
from ancile.models.model import Traits, Usage
from tests.assess.small import assessed, problem

BOX = Settings(effort="quick", curve=False)


class Counted:
    """A linear model of scores that does something at one of its calls."""

    def __init__(self, weight: NDArray[Any], bias: NDArray[Any], at: Callable[[int], None]) -> None:
        self.traits = Traits(kind="function", access="scores", output="logits", classes=len(bias))
        self.usage = Usage()
        self._weight, self._bias, self._at = weight, bias, at
        self.calls = 0

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Logits."""
        self.calls += 1
        self._at(self.calls)
        self.usage.queries += len(x)
        return np.asarray(x @ self._weight.T + self._bias, dtype=np.float64)


def counted(at: Callable[[int], None], seed: int = 0, n: int = 60) -> tuple[Counted, Any]:
    """Such a model with the parameters of a small problem, and the problem's samples."""
    net, samples = problem(seed, n=n)
    weight, bias = (p.detach().numpy() for p in net.parameters())
    return Counted(weight, bias, at), samples


def interrupt_at(call: int) -> Callable[[int], None]:
    """A SIGINT during this call."""

    def at(now: int) -> None:
        if now == call:
            signal.raise_signal(signal.SIGINT)

    return at


def raise_at(wanted: Callable[[int], bool]) -> Callable[[int], None]:
    """An error during these calls."""

    def at(now: int) -> None:
        if wanted(now):
            raise RuntimeError("out of\nmemory")

    return at


def statuses(done: Assessment, check: str) -> list[str]:
    """Statuses of the findings of a check."""
    return [f.status for f in done.report.findings if f.check == check]


def test_an_interrupt_in_the_first_pass_leaves_the_batches_that_were_reached() -> None:
    model, samples = counted(interrupt_at(2), n=600)
    done = assessed(model, samples, 0.1)
    assert done.result.n == 250
    assert not done.report.complete
    assert statuses(done, "evasion-unfinished") == ["ERROR"]
    assert done.report.outcome == "no_conclusion"


def test_an_interrupt_before_anything_was_judged_is_one_error_with_its_remedy() -> None:
    model, samples = counted(interrupt_at(1))
    with pytest.raises(AncileError, match="before the model had judged one batch"):
        assessed(model, samples, 0.1)


def test_a_budget_that_is_spent_in_the_first_pass_is_one_error() -> None:
    model, samples = counted(lambda _: None)
    with pytest.raises(AncileError, match="before the model had judged one batch"):
        assessed(model, samples, 0.1, settings=Settings(effort="quick", budget=Budget(seconds=1e-9)))


def test_an_interrupt_in_the_closing_passes_waits_and_loses_nothing() -> None:
    model, samples = counted(lambda _: None)
    whole = assessed(model, samples, 0.1)
    model, samples = counted(interrupt_at(model.calls - 1))
    done = assessed(model, samples, 0.1)
    np.testing.assert_array_equal(done.result.robust, whole.result.robust)
    assert done.report.complete


def test_a_model_that_raises_once_costs_one_batch_and_is_told() -> None:
    model, samples = counted(raise_at(lambda call: call == 4))
    done = assessed(model, samples, 0.1)
    assert statuses(done, "evasion-model-raised") == ["ERROR"]
    (finding,) = [f for f in done.report.findings if f.check == "evasion-model-raised"]
    assert "RuntimeError: out of memory" in finding.detail.replace("\\n", " ")
    assert not done.report.complete


def test_a_model_that_dies_keeps_what_was_found_until_then(tmp_path: Path) -> None:
    model, samples = counted(lambda _: None)
    whole = assessed(model, samples, 0.1)
    model, samples = counted(raise_at(lambda call: call > 60))
    done = assessed(model, samples, 0.1, resume=tmp_path)
    assert done.report.outcome == "no_conclusion"
    assert set(np.flatnonzero(done.result.broken)) <= set(np.flatnonzero(whole.result.broken))
    assert len(done.result.faults) >= 1
    healed, samples = counted(lambda _: None)
    assert assessed(healed, samples, 0.1, resume=tmp_path).report.complete


def test_a_model_that_raises_from_the_start_is_one_error() -> None:
    model, samples = counted(raise_at(lambda _: True))
    with pytest.raises(AncileError, match="the model raised an error") as error:
        assessed(model, samples, 0.1)
    assert "\n" not in str(error.value)
