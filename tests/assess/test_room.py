"""Batches fit a budget of memory; what is found does not hang on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from ancile.assess.evasion import Settings
from ancile.assess.room import MOST, Room, room_for
from ancile.assess.watch import Watched
from ancile.core.budget import Budget
from ancile.core.errors import AncileError
from ancile.models.form import Form
from ancile.models.torch_module import torch_model
from tests.assess.small import assessed, problem

X = torch.rand(10, 5, generator=torch.Generator().manual_seed(0))


class Counted(nn.Module):
    """A network that knows the largest batch it was given."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net, self.largest = nn.Sequential(nn.Linear(5, 32), nn.Tanh(), nn.Linear(32, 3)), [0]

    def __deepcopy__(self, memo: dict[int, object]) -> Counted:
        new = Counted()
        new.largest = self.largest
        return new

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        self.largest[0] = max(self.largest[0], len(x))
        return torch.as_tensor(self.net(x))


def squares(logits: torch.Tensor) -> torch.Tensor:
    return (logits**2).sum() * logits.mean()  # of all samples together


@pytest.mark.parametrize("most", [1, 3, 9])
def test_answers_part_by_part_are_those_of_the_whole(most: int) -> None:
    model = torch_model(Counted().eval(), probe=X.numpy())
    whole, parts = Watched(model), Watched(model, most=most)
    torch.testing.assert_close(parts.logits(X), whole.logits(X))
    np.testing.assert_allclose(parts.scores(X.numpy()), whole.scores(X.numpy()), rtol=1e-5)
    torch.testing.assert_close(parts.gradient(X, squares).gradient, whole.gradient(X, squares).gradient)


@pytest.mark.slow
def test_no_call_is_larger_than_the_budget_and_no_verdict_hangs_on_it() -> None:
    _, samples = problem(1)
    net = Counted().eval()
    with torch.no_grad():
        samples = samples._replace(y=net(torch.from_numpy(samples.x)).argmax(dim=1).numpy())
    room = room_for(torch_model(net, probe=samples.x), samples.x, 10**6)
    assert room is not None
    told: list[Room] = []
    tight = Settings(effort="quick", budget=Budget(memory_bytes=7 * room.sample_bytes))
    net.largest[0] = 0
    small = assessed(
        torch_model(net, classes=3, output="logits"), samples, 0.1, settings=tight, announce=told.append
    )
    assert net.largest[0] == 7
    assert [one.most for one in told] == [7]
    assert small.report.parameters["samples_at_once"] == 7
    assert small.report.parameters["budget_memory_bytes"] == 7 * room.sample_bytes
    assert small.report.parameters["search_form"] == "float32, contiguous, batch 7"
    ample = Settings(effort="quick", form=Form(precision="float32"))
    large = assessed(net, samples, 0.1, settings=ample)
    assert large.report.parameters["samples_at_once"] == MOST
    np.testing.assert_array_equal(small.result.robust, large.result.robust)


def test_a_sample_that_does_not_fit_is_one_error() -> None:
    _, samples = problem(1)
    with pytest.raises(AncileError, match="one sample takes more memory than there is for a batch"):
        assessed(Counted().eval(), samples, 0.1, settings=Settings(budget=Budget(memory_bytes=10)))


def test_a_function_has_no_graph_and_no_limit() -> None:
    _, samples = problem(1, n=10)
    net = Counted().eval()

    def scores(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            return np.asarray(net(torch.from_numpy(x)).numpy())

    assert assessed(scores, samples, 0.1).report.parameters["samples_at_once"] is None


def test_a_room_is_told_in_words() -> None:
    room = Room(2 * 10**9, 10**6, 512)
    assert str(room) == "memory for a batch: 2.0 GB; 1.0 MB a sample, so at most 512 samples at once"
    assert not room.binds
    assert room._replace(most=20).binds
