"""Several copies of a model answer as one does."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import nn

from ancile.core.errors import AncileError
from ancile.models.form import Form, footprint, search_form
from ancile.models.model import GradientModel
from ancile.models.opener import open_model
from ancile.models.remote import RemoteModel
from ancile.models.replicas import Replicas, replicas
from ancile.models.request import ModelRequest
from ancile.models.torch_module import TorchModule, torch_model
from tests.models import foreign

X = np.random.default_rng(0).uniform(size=(11, 5)).astype(np.float32)
T = torch.from_numpy(X)


def model(seed: int = 0) -> TorchModule:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 3))
    return torch_model(net.eval(), classes=3, output="logits")


def together(logits: torch.Tensor) -> torch.Tensor:
    """A loss in which every sample has a say in each other's gradient."""
    return (logits**2).sum() * logits.mean()


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_copies_answer_as_one_does_and_count_each_sample_once(count: int) -> None:
    one, several = model(), Replicas([model() for _ in range(count)])
    assert (several.traits, several.device, several.dtype) == (one.traits, one.device, one.dtype)
    np.testing.assert_allclose(several.scores(X), one.scores(X), atol=1e-6)
    torch.testing.assert_close(several.logits(T), one.logits(T))
    for own, theirs in zip(several.gradient(T, together), one.gradient(T, together), strict=True):
        torch.testing.assert_close(own, theirs)
    assert several.usage == one.usage


def test_a_search_form_is_of_all_and_counts_with_them() -> None:
    several = Replicas([model(), model()])
    found = search_form(several, T, form=Form(precision="float32"))
    torch.testing.assert_close(found.model.logits(T), several.logits(T))
    assert found.model.usage is several.usage
    assert several.usage.forwards == 2 * len(T)
    assert footprint(several, T) is not None


def test_what_one_copy_or_the_loss_raises_is_raised_and_none_waits_for_ever() -> None:
    class Falls(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Nothing."""
            raise ValueError(f"the cable fell out at {len(x)} samples")

    broken = Replicas([model(), torch_model(Falls(), classes=3, output="logits"), model()])
    with pytest.raises(AncileError, match="the cable fell out"):
        broken.gradient(T, together)
    with pytest.raises(AncileError, match="the cable fell out"):
        broken.scores(X)

    def none(logits: torch.Tensor) -> torch.Tensor:
        raise KeyError("no loss")

    several = Replicas([model(), model()])
    with pytest.raises(KeyError, match="no loss"):
        several.gradient(T, none)
    torch.testing.assert_close(several.logits(T), model().logits(T))


def test_copies_that_differ_are_refused() -> None:
    assert replicas([model(), model()], X).traits.classes == 3
    with pytest.raises(AncileError, match="do not answer alike"):
        replicas([model(), model(1)], X)


@pytest.mark.slow
def test_two_processes_answer_as_one_does(tmp_path: Path) -> None:
    foreign.folder_with(tmp_path, net=foreign.NET)
    x = foreign.images(12)[:, None]
    asked = ModelRequest(reference="net.py:build", base=tmp_path)
    with open_model(asked, x) as opened:
        one = cast("GradientModel", opened.model)  # white-box by its traits
        alone = one.gradient(torch.from_numpy(x), together)
        assert isinstance(one, RemoteModel)
    with open_model(ModelRequest(reference="net.py:build", base=tmp_path, workers=2), x) as opened:
        two = cast("GradientModel", opened.model)
        assert isinstance(two, Replicas)
        spread = two.gradient(torch.from_numpy(x), together)
    torch.testing.assert_close(spread.gradient, alone.gradient)
    torch.testing.assert_close(spread.logits, alone.logits)


def test_an_endpoint_has_no_workers() -> None:
    with pytest.raises(AncileError, match="asked by one process"):
        open_model(ModelRequest(reference="http://127.0.0.1:9/v2/models/m", workers=2), X)
