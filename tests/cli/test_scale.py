"""``ancile assess --memory`` and ``--workers``: how it is computed, never what comes of it."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from tests.cli.terminal import ASSESS, Place, clear

LAYER = """import torch


def net():
    layer = torch.nn.Linear(2, 3, bias=False)
    layer.weight = torch.nn.Parameter(torch.tensor([[1.0, -1.0], [-1.0, 1.0], [0.2, 0.1]]))
    return layer
"""
NETWORK = ("assess", "layer.py:net", *ASSESS[2:])


@pytest.fixture
def torched(place: Place) -> Place:
    """A project with a network."""
    pytest.importorskip("torch")
    (place.folder / "layer.py").write_text(LAYER, "utf-8")
    return place


@pytest.mark.slow
def test_a_budget_of_memory_is_announced_and_named_in_the_report(torched: Place) -> None:
    ended = torched(*NETWORK, "--memory", "1kB")
    first = ended.err.splitlines()[0]
    assert first.startswith("ancile: memory for a batch: 1.0 kB; ")
    assert first.endswith(" samples at once")
    record = torched.json(*NETWORK, "--memory", "1kB")
    most = record["parameters"]["samples_at_once"]
    assert f"so at most {most} samples" in first
    assert record["parameters"]["budget_memory_bytes"] == 1000


@pytest.mark.slow
def test_a_size_without_a_unit_and_one_that_holds_no_sample_are_one_clear_line(torched: Place) -> None:
    assert "not a size of memory" in clear(torched(*NETWORK, "--memory", "12"))
    assert "one sample takes more memory" in clear(torched(*NETWORK, "--memory", "0.001kB"))


@pytest.mark.slow
def test_two_workers_come_to_the_same_figures_as_one(torched: Place) -> None:
    form = ("--search-form", "float32, contiguous, batch 128")
    alone, spread = (torched.json(*NETWORK, *form, "--workers", count) for count in ("1", "2"))
    assert spread["parameters"]["workers"] == 2
    assert "workers" not in alone["parameters"]
    assert spread["measures"] == alone["measures"]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: ancile[ray]")
def test_workers_on_a_ray_cluster_come_to_the_same_figures_as_one(torched: Place) -> None:
    form = ("--search-form", "float32, contiguous, batch 128", "-f", "json")
    alone = torched.json(*NETWORK, *form[:2])
    ended = torched.process(*NETWORK, *form, "--workers", "2", "--engine", "ray")
    if "timed out during startup" in ended.err:
        pytest.skip("Ray gives up after half a minute, twice: the machine is too busy for it")
    assert ended.code == 0, ended.err
    spread = json.loads(ended.out)
    assert (spread["parameters"]["workers"], spread["parameters"]["engine"]) == (2, "ray")
    assert "engine" not in alone["parameters"]
    assert spread["measures"] == alone["measures"]
