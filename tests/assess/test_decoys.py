"""Classes that always come second and never first lead no attack astray."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ancile.assess.decoys import decoys
from ancile.assess.run import Samples, State
from tests.assess.doubted import Masked, job_of
from tests.assess.small import assessed, linear, problem

LURES = 12
EPS = 0.05


def lured(net: torch.nn.Module, features: int) -> Masked:
    """The network with classes closely behind its first, by a gap that slopes where nothing else does."""
    way = torch.cos(torch.arange(float(features)) * 1.7)

    def after(logits: torch.Tensor) -> torch.Tensor:
        slope = torch.sigmoid(after.x.flatten(1) @ way)[:, None] * torch.linspace(0.5, 1.5, LURES)  # type: ignore[attr-defined]  # what before keeps
        return torch.cat([logits, logits.amax(dim=1, keepdim=True) - 0.05 - 0.5 * slope], dim=1)

    def before(x: torch.Tensor) -> torch.Tensor:
        after.x = x  # type: ignore[attr-defined]  # likewise
        return x

    return Masked(net, before=before, after=after)


def test_lures_are_told_from_classes() -> None:
    net, samples = problem(2, features=40)
    everyone, fresh = np.arange(len(samples.y)), State.fresh(samples.x, 3)
    assert not len(decoys(job_of(net, samples, EPS), fresh, everyone))
    found = decoys(job_of(lured(net, 40), samples, EPS), State.fresh(samples.x, 3 + LURES), everyone)
    assert found.tolist() == list(range(3, 3 + LURES))


def test_of_many_classes_those_that_come_second_once_are_no_lures() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0.3, 0.7, size=(30, 200)).astype(np.float32)
    samples = Samples(np.arange(30, dtype=np.int64), x, x.argmax(axis=1))
    net = linear(np.eye(200, dtype=np.float32), np.zeros(200, dtype=np.float32))
    assert not len(decoys(job_of(net, samples, EPS), State.fresh(x, 200), np.arange(30)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_lures_change_no_figure(seed: int) -> None:
    net, samples = problem(seed, features=40)
    bare, behind = (assessed(one, samples, EPS) for one in (net, lured(net, 40)))
    robust = [one.report.measure("robust_accuracy") for one in (bare, behind)]
    assert all(robust)
    assert [one and one.value for one in robust[1:]] == [one and one.value for one in robust[:1]]
