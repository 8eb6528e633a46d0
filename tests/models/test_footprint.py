"""What a sample takes of memory on its way forth and back."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn

from ancile.models.footprint import SPARE, Alive, sample_bytes
from ancile.models.form import footprint
from ancile.models.model import GradientModel
from ancile.models.network import Network
from ancile.models.opener import open_model
from ancile.models.request import ModelRequest
from ancile.models.torch_module import torch_model
from tests.models import foreign

T = torch.rand(3, 5)


def network(net: nn.Module) -> Network:
    return Network(net.eval().requires_grad_(False), None, torch.device("cpu"), torch.float32, None, None)


def test_tensors_count_while_they_are_alive() -> None:
    alive = Alive()
    with alive:
        first = torch.ones(1000)
        second = first * 2
        del first
        third = second.view(10, 100)  # the same memory
        assert (alive.now, alive.peak) == (4000, 8000)
        del second, third
    assert (alive.now, alive.peak) == (0, 8000)


@pytest.mark.parametrize("wide", [1000, 4000])
def test_a_sample_takes_what_its_activations_do_and_weights_do_not_count(wide: int) -> None:
    """One hidden layer: its values before and after ReLU at the least, their gradients beside them at most."""
    net = network(nn.Sequential(nn.Linear(5, wide), nn.ReLU(), nn.Linear(wide, 3)))
    activations = 2 * 4 * wide
    assert activations <= sample_bytes(net, T) / SPARE <= 2 * activations


def test_a_network_that_raises_tells_nothing() -> None:
    assert sample_bytes(network(nn.Linear(4, 3)), T) == 0


@pytest.mark.slow
def test_the_module_and_its_child_tell_the_same_and_count_no_pass(tmp_path: Path) -> None:
    foreign.folder_with(tmp_path, net=foreign.NET)
    x = foreign.images(6)[:, None]
    with open_model(ModelRequest(reference="net.py:build", base=tmp_path), x) as opened:
        model = cast("GradientModel", opened.model)  # white-box by its traits
        told = footprint(model, torch.from_numpy(x))
        assert told is not None
        assert told.sample_bytes > 0
        assert told.free_bytes > 0
        assert model.usage.forwards == model.usage.queries == 0


def test_a_model_that_cannot_tell_says_so() -> None:
    class Fixed:
        """A model of somebody else's."""

    assert footprint(cast("GradientModel", Fixed()), T) is None


def test_a_module_tells_what_its_machine_has_free() -> None:
    told = torch_model(nn.Linear(5, 3).eval(), probe=T.numpy()).footprint(T)
    assert 0 < told.sample_bytes < told.free_bytes
