"""What a reference set says, and what it cannot say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ancile.core.errors import AncileError
from ancile.serve.reference import references
from ancile.serve.signature import Signature, Spec
from tests.cli.terminal import Place, clear


def model(*shape: int, datatype: str = "FP32", inputs: int = 1) -> dict[str, Signature]:
    specs = tuple(Spec(f"x{n}", datatype, (-1, *shape)) for n in range(inputs))
    return {"m": Signature("m", "stub", specs, ())}


@pytest.fixture
def flat(tmp_path: Path) -> str:
    """1000 samples of six values between 0 and 1, the first of them always 0."""
    x = np.random.default_rng(0).uniform(size=(1000, 6)).astype(np.float32)
    x[:, 0] = 0.0
    np.savez(tmp_path / "flat.npz", x=x, y=np.arange(1000) % 2)
    return str(tmp_path / "flat.npz")


def test_without_a_reference_set_nothing_is_known() -> None:
    found = references(None, model(6))
    assert found.signatures == model(6)
    assert found.learned == {}


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(6,), (2, 3)])
def test_bounds_are_those_of_the_set_and_half_of_their_span_beyond(flat: str, shape: tuple[int, ...]) -> None:
    found = references(flat, model(*shape))
    bounds = found.signatures["m"].inputs[0].bounds
    assert bounds is not None
    assert bounds.low.shape == shape
    assert (bounds.low.ravel()[0], bounds.high.ravel()[0]) == (0.0, 0.0)
    assert bounds.low.ravel()[1:] == pytest.approx(-0.5, abs=0.05)
    assert bounds.high.ravel()[1:] == pytest.approx(1.5, abs=0.05)
    benign = found.learned["m"].sequence
    assert benign is not None
    assert benign.width == 6


@pytest.mark.parametrize(
    ("signatures", "words"),
    [
        (model(6) | {"other": model(6)["m"]}, "for one model"),
        (model(6, inputs=2), "no array for an input"),
        (model(6, datatype="INT64"), "no array for an input"),
        (model(7), "are not the model's"),
        (model(-1, 3), "are not the model's"),
    ],
)
def test_a_set_that_does_not_belong_to_the_model_is_refused(
    flat: str, signatures: dict[str, Signature], words: str
) -> None:
    with pytest.raises(AncileError, match=words):
        references(flat, signatures)


def test_users_are_listed_for_programs(home: Place) -> None:
    assert "nobody has a key yet" in home("user", "list").err
    assert home("user", "add", "alice", "--role", "analyst").out.startswith("ancile_")
    (found,) = json.loads(home("user", "list", "--format", "json").out)
    assert (found["name"], found["role"], found["keys"], found["revoked"]) == ("alice", "analyst", 1, 0)
    assert "1 key of alice lets in no more" in home("user", "revoke", "alice").err
    assert "no such user" in clear(home("user", "revoke", "bob"))
    assert "0 keys, 1 revoked" in home("user", "list").out


def test_no_verdicts_are_told(home: Place) -> None:
    assert "no verdicts" in home("ledger", "log", "--kind", "verdict").err
