from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ancile.attacks.losses import (
    choose,
    choose_targeted,
    cross_entropy,
    dlr,
    margin,
    ranked,
    targeted_dlr,
    towards,
)
from ancile.core.errors import AncileError

Z = torch.tensor([[3.0, 1.0, 0.0, -1.0], [0.0, 2.0, 5.0, 1.0]], dtype=torch.float64)
Y = torch.tensor([0, 1])


def test_each_loss_has_its_closed_form() -> None:
    """Right 3 of (3, 1, 0, -1); wrong 5 over right 2 of (0, 2, 5, 1)."""
    assert margin(Z, Y).tolist() == [-2.0, 3.0]
    assert dlr(Z, Y).tolist() == pytest.approx([-2 / 3, 3 / 4])
    assert cross_entropy(Z, Y).tolist() == pytest.approx(
        [float(torch.logsumexp(z, 0) - z[y]) for z, y in zip(Z, Y, strict=True)]
    )
    assert ranked(Z, Y).tolist() == [[1, 2, 3], [2, 3, 0]]
    assert towards(Z, Y, torch.tensor([3, 0])).tolist() == [-4.0, -2.0]
    assert targeted_dlr(Z, Y, torch.tensor([3, 0])).tolist() == pytest.approx([-4 / 3.5, -2 / 4.5])


@given(
    st.integers(2, 6),
    st.floats(0.5, 20),
    st.floats(-30, 30),
    st.integers(0, 2**31),
)
def test_margin_and_dlr_ignore_a_shift_and_dlr_a_scale(
    classes: int, scale: float, shift: float, seed: int
) -> None:
    z = torch.randn(3, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    y = z.argmin(dim=1)
    assert torch.allclose(margin(z + shift, y), margin(z, y), atol=1e-9)
    assert (margin(z, y) > 0).all()
    if classes >= 3:
        assert torch.allclose(dlr(z * scale + shift, y), dlr(z, y), atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "classes", "name"),
    [
        ("ce", 2, "ce"),
        ("margin", 2, "margin"),
        ("dlr", 2, "margin, as dlr needs 3 classes and there are 2"),
        ("dlr", 3, "dlr"),
        ("dlr", 4, "dlr"),
    ],
)
def test_the_loss_is_chosen_by_the_number_of_classes_and_says_so(asked: str, classes: int, name: str) -> None:
    chosen = choose(asked, classes)
    assert chosen.name == name
    z = torch.randn(5, classes, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(chosen.function(z, z.argmax(dim=1))).all()


def test_equal_logits_give_a_finite_dlr() -> None:
    assert torch.isfinite(dlr(torch.zeros(2, 3), torch.tensor([0, 1]))).all()


def test_a_loss_that_there_is_not_is_refused() -> None:
    with pytest.raises(AncileError, match="no such loss"):
        choose("hinge", 3)


@pytest.mark.parametrize(
    ("classes", "name"),
    [
        (2, "targeted margin, as targeted dlr needs 4 classes and there are 2"),
        (3, "targeted margin, as targeted dlr needs 4 classes and there are 3"),
        (4, "targeted dlr"),
    ],
)
def test_the_targeted_loss_is_chosen_by_the_number_of_classes_and_says_so(classes: int, name: str) -> None:
    chosen = choose_targeted(classes)
    assert chosen.name == name
    z = torch.randn(5, classes, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(chosen.function(z, z.argmax(dim=1), z.argmin(dim=1))).all()
