"""A model that hangs in one call costs the run its budget and no more; what was found until then stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ancile.assess.evasion import Assessment, Context, Settings, assess_evasion
from ancile.assess.run import Samples
from ancile.attacks.constraint import Constraint
from ancile.core.budget import Budget
from ancile.core.errors import AncileError
from ancile.models import opener, waiting
from ancile.models.opener import open_model
from ancile.models.request import ModelRequest
from tests.assess.small import DATA

X = np.random.default_rng(0).random((40, 4)).astype(np.float32)
Y = (X[:, 0] > 0.5).astype(np.int64)
CODE = """
import time
import numpy as np
calls = 0
def predict(x):
    global calls
    calls += 1
    if calls > {sound}:
        time.sleep(100000)
    return np.stack([1 - x[:, 0], x[:, 0]], axis=1) * 9
"""


def hanging(folder: Path, sound: int, *, budget: float = 2) -> Assessment:
    """An assessment of a function that hangs after so many calls."""
    (folder / "hangs.py").write_text(CODE.format(sound=sound))
    request = ModelRequest(reference="hangs.py:predict", base=folder, budget_seconds=budget)
    with open_model(request, X, classes=2) as opened:
        return assess_evasion(
            opened.model,
            Samples(np.arange(40), X, Y),
            Constraint("linf", 0.1),
            settings=Settings(effort="quick", budget=Budget(seconds=budget)),
            context=Context(subject=opened.subject, data=DATA, available=40, clock=opened.clock),
        )


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "GRACE_SECONDS", 0.5)
    monkeypatch.setattr(waiting, "SLOWER", 0.0)


@pytest.mark.slow
def test_a_model_that_hangs_amid_the_attacks_is_stopped_and_its_clean_accuracy_stands(tmp_path: Path) -> None:
    done = hanging(tmp_path, sound=30)
    assert not done.report.complete
    assert done.report.outcome == "no_conclusion"
    (told,) = [f for f in done.report.findings if f.check == "evasion-model-raised"]
    assert "the model does not answer: " in told.detail
    assert told.detail.endswith(" seconds")
    clean = done.report.measure("clean_accuracy")
    assert clean is not None
    assert clean.value == 1.0


@pytest.mark.slow
def test_what_was_broken_before_a_model_hangs_stays_broken(tmp_path: Path) -> None:
    """The plan of 200 queries is done by then; the second look hangs."""
    done = hanging(tmp_path, sound=215, budget=5)
    assert done.report.outcome == "no_conclusion"
    assert done.result.broken_count > 0
    assert done.result.outside_count == 0


@pytest.mark.slow
def test_a_model_that_hangs_before_it_was_judged_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first pass, and while it is opened."""
    with pytest.raises(AncileError, match="the model does not answer: 3 seconds"):
        hanging(tmp_path, sound=1)
    monkeypatch.setattr(opener, "LEAST_OPEN_SECONDS", 1.0)
    with pytest.raises(AncileError, match="the model does not answer: 3 seconds"):
        hanging(tmp_path, sound=0)
