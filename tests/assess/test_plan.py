from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ancile.assess.evasion import Settings
from ancile.assess.plan import BLACK_BOX, curve_step, flat, plan
from ancile.attacks.table import NORMS, row
from ancile.core.strength import Effort
from ancile.models.answers import array_model
from tests.assess.small import assessed, problem

EFFORTS: tuple[Effort, ...] = ("quick", "standard", "thorough")


def test_labels_are_attacked_by_searches_for_labels_where_there_is_one() -> None:
    for effort in EFFORTS:
        assert plan(effort, "labels", "linf")[0].attack == "rays"
        assert plan(effort, "labels", "l2")[0].attack == "hopskipjump"
        assert plan(effort, "scores", "l2", flat=True) == plan(effort, "labels", "l2")
        assert plan(effort, "labels", "l1") == plan(effort, "scores", "linf") == BLACK_BOX[effort]
        assert [one.attack for one in plan(effort, "white-box", "linf", flat=True)] == ["cascade"]


def test_every_step_names_an_attack_of_the_norm_and_a_standard_plan_asks_otherwise_too() -> None:
    for effort in EFFORTS:
        for norm in NORMS:
            steps = plan(effort, "labels", norm)
            assert all(norm in row(one.attack).norms for one in (*steps, curve_step("labels", norm)))
            assert (steps[-1].attack == "square") == (effort != "quick" or norm in ("l1", "l0"))


def test_scores_are_flat_where_most_are_one_hot() -> None:
    hot, soft = np.eye(3)[[0, 1, 2, 1]], np.full((4, 3), 1 / 3)
    assert flat(hot)
    assert flat(np.concatenate([hot, soft[:3]]))
    assert not flat(np.concatenate([hot, soft]))
    assert not flat(np.full((2, 3), np.nan))
    assert not flat(hot[:0])


@pytest.mark.parametrize("kind", ["labels", "one-hot probabilities"])
def test_a_model_that_answers_with_labels_is_broken_by_label_attacks(kind: str) -> None:
    net, samples = problem(7)

    def answer(x: NDArray[Any]) -> NDArray[Any]:
        with torch.no_grad():
            logits = net(torch.from_numpy(np.asarray(x, dtype=np.float32))).numpy()
        labels = logits.argmax(axis=1)
        return np.asarray(labels if kind == "labels" else np.eye(logits.shape[1])[labels])

    model = array_model(answer, samples.x[:16], kind="function", classes=3)
    assert model.traits.access == ("labels" if kind == "labels" else "scores")
    report = assessed(model, samples, 0.2, settings=Settings(effort="quick")).report
    assert report.parameters["attacks"] == ["rays queries=200 goal=inside"]
    clean, robust = report.measure("clean_accuracy"), report.measure("robust_accuracy")
    assert clean is not None
    assert robust is not None
    assert robust.value < clean.value - 0.2
