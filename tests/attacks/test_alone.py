"""Each attack in three lines, on networks and functions, with arrays and tensors."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import ancile.attacks
from ancile.attacks import alone as facade
from ancile.attacks.alone import alone
from ancile.attacks.ball import Norm
from ancile.attacks.constraint import Constraint
from ancile.attacks.streams import Streams
from ancile.attacks.table import ATTACKS, Row, row
from ancile.core.errors import AncileError
from tests.attacks.worlds import digits_world, linear

EPS = {"linf": 0.1, "l2": 0.7, "l1": 2.0, "l0": 3}
FEW: dict[str, dict[str, Any]] = {
    "square": {"queries": 30}, "cascade": {"effort": "quick"}, "hopskipjump": {"queries": 60}, "rays": {"queries": 60},
}  # fmt: skip
CASES = [pytest.param(one, norm, id=f"{one.name}-{norm}") for one in ATTACKS for norm in one.norms]
GRADIENTS = [one.name for one in ATTACKS if one.needs == "gradients"]


def settings(one: Row, norm: Norm) -> dict[str, Any]:
    return {"eps": EPS[norm], "norm": norm, **FEW.get(one.name, {})}


@pytest.mark.parametrize(("one", "norm"), CASES)
def test_arrays_and_tensors_come_back_as_they_went_in_and_alike(one: Row, norm: Norm) -> None:
    here = digits_world(8)
    attack, given = getattr(ancile.attacks, one.name), settings(one, norm)
    tensors = attack(here.net, here.x, here.y, **given)
    arrays = attack(here.net, here.x.numpy(), here.y.numpy(), **given)
    assert isinstance(tensors, torch.Tensor)
    assert isinstance(arrays, np.ndarray)
    assert (tensors.dtype, arrays.dtype) == (torch.float32, np.float32)
    assert np.array_equal(tensors.numpy(), arrays)
    assert Constraint(norm, EPS[norm]).holds(tensors, here.x).all()
    assert (tensors != here.x).any()


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_network_keeps_its_mode_its_parameters_and_their_gradients(name: str) -> None:
    here = digits_world(6)
    inner = deepcopy(here.net).eval()
    net = torch.nn.Sequential(inner, torch.nn.Dropout(0.5))
    net.training = True
    held = list(net.parameters())
    held[0].requires_grad = False
    held[0].grad, held[1].grad = None, torch.ones_like(held[1])
    before = [(p.detach().clone(), None if p.grad is None else p.grad.clone()) for p in held]
    getattr(ancile.attacks, name)(net, here.x, here.y, **settings(row(name), row(name).norms[0]))
    assert (net.training, inner.training, net[1].training) == (True, False, True)
    assert [p.requires_grad for p in held] == [False] + [True] * (len(held) - 1)
    for now, (value, grad) in zip(held, before, strict=True):
        assert torch.equal(now, value)
        assert now.grad is None if grad is None else torch.equal(now.grad, grad)  # type: ignore[arg-type]  # compared


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_it_follows_the_network_s_float_type_and_gives_back_the_sample_s(kind: Any) -> None:
    """A float64 network on float16 samples: the result is inside after it was rounded."""
    net = linear(np.random.default_rng(0).normal(size=(3, 6)), np.zeros(3), n=1).net
    x = np.random.default_rng(1).random((20, 6)).astype(kind)
    y = net(torch.from_numpy(x.astype(np.float64))).argmax(dim=1).numpy()
    for norm in ("linf", "l2", "l1"):
        found = alone("pgd")(net, x, y, eps=0.1, norm=norm)
        assert found.dtype == kind
        assert Constraint(norm, 0.1).holds(found, x).all()
    assert (found != x).any()


def test_bounds_seed_scale_and_mask_are_those_of_the_constraint() -> None:
    here = digits_world(6)
    low, high = np.zeros((1, 8, 8)), np.linspace(1.0, 2.0, 64).reshape(1, 8, 8)
    movable = np.arange(64).reshape(1, 8, 8) % 3 > 0
    c = Constraint("linf", 0.1, low, high, scale=high, movable=movable)
    found = alone("pgd")(
        here.net, here.x, here.y, eps=0.1, bounds=(low, high), scale=torch.from_numpy(high), movable=movable, seed=4
    )  # fmt: skip
    inner = row("pgd").load()(here.model, here.x, here.y, c, Streams(4, np.arange(6)))
    assert torch.equal(found, inner)
    again = alone("pgd")(here.net, here.x, here.y, eps=0.1, seed=5)
    assert not torch.equal(again, alone("pgd")(here.net, here.x, here.y, eps=0.1, seed=4))


def test_square_asks_a_function_in_the_caller_s_own_kind_of_array() -> None:
    here = digits_world(5)
    kinds: set[type] = set()

    def scores(x: torch.Tensor) -> torch.Tensor:
        kinds.add(type(x))
        return here.net(x)  # type: ignore[no-any-return]  # a module's answer

    def numbers(x: NDArray[np.float32]) -> NDArray[np.float64]:
        kinds.add(type(x))
        return here.model.scores(x)

    one = alone("square")(scores, here.x, here.y, eps=0.1, queries=20)
    assert kinds == {torch.Tensor}
    other = alone("square")(numbers, here.x.numpy(), here.y.numpy(), eps=0.1, queries=20)
    assert kinds == {torch.Tensor, np.ndarray}
    assert np.allclose(one.numpy(), other)


def test_no_samples_are_no_work() -> None:
    here = digits_world(2)
    found = alone("pgd")(here.net, here.x[:0], here.y[:0], eps=0.1)
    assert found.shape == (0, 1, 8, 8)


def test_each_says_how_it_is_called() -> None:
    for one in ATTACKS:
        attack = getattr(ancile.attacks, one.name)
        assert attack.__name__ == one.name
        assert attack is alone(one.name)
        for word in ("eps", "norm", "bounds", "seed", *one.norms):
            assert word in str(attack.__doc__)


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        ("apgd", {"norm": "l0", "eps": 2}, "apgd is not defined in this norm"),
        ("pgd", {"norm": "l3"}, "pgd is not defined in this norm"),
        ("pgd", {"eps": None}, "eps is missing"),
        ("pgd", {"eps": 30.0}, "eps is beyond the data's range"),
        ("pgd", {"eps": 0.5, "norm": "l0"}, "an l0 eps counts features"),
        ("pgd", {"stepz": 3}, "pgd has no such setting"),
        ("pgd", {"y": [0, 1, 2, 3, 4]}, "the labels do not fit"),
        ("pgd", {"y": np.zeros(6)}, "the labels do not fit"),
        ("pgd", {"y": [0, 1, 2, 3, 4, 10]}, "a label is none of the model's classes"),
        ("pgd", {"y": [0, 1, 2, 3, 4, -1]}, "a label is none of the model's classes"),
        ("pgd", {"x": np.full((6, 1, 8, 8), np.nan, np.float32)}, "the samples are not finite"),
        ("pgd", {"x": np.zeros((6, 1, 8, 8), np.uint8)}, "not an array of floating-point"),
        ("pgd", {"x": np.float32(1.0)}, "not an array of floating-point"),
        ("pgd", {"x": np.zeros((6, 3), np.float32)}, "fails on samples of shape"),
        ("pgd", {"bounds": (np.zeros(3), np.ones(3))}, "low does not fit the samples"),
        ("pgd", {"bounds": (1.0, 0.0)}, "the bounds are not finite"),
        ("pgd", {"bounds": (0.5, 0.5)}, "the bounds leave no room"),
        ("pgd", {"bounds": (np.zeros(2), np.ones(3))}, "the bounds are no pair"),
        ("pgd", {"bounds": (0, 0.5, 1)}, "the bounds are no pair"),
        ("pgd", {"bounds": "01"}, "the bounds are no pair"),
        ("pgd", {"bounds": 1}, "the bounds are no pair"),
        ("pgd", {"eps": "0.1"}, "eps is not a number"),
        ("pgd", {"eps": [0.1, 0.2]}, "eps is not a number"),
        ("pgd", {"eps": float("nan")}, "eps is not a distance"),
        ("pgd", {"seed": -1}, "seed does not fit"),
        ("pgd", {"seed": "a"}, "seed does not fit"),
        ("pgd", {"x": [[0.5] * 64] * 6}, "not an array of floating-point"),
        ("pgd", {"model": lambda x: np.zeros((len(x), 10))}, "pgd needs gradients"),
        ("square", {"model": "net.pt"}, "no model"),
    ],
)
def test_nonsense_is_refused_in_one_line(name: str, change: dict[str, Any], what: str) -> None:
    here = digits_world(6)
    given = {"model": here.net, "x": here.x.numpy(), "y": here.y.numpy(), "eps": 0.1, **change}
    model, x, y = given.pop("model"), given.pop("x"), given.pop("y")
    with pytest.raises(AncileError, match=what) as caught:
        alone(name)(model, x, y, **given)
    assert caught.value.value
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_a_thing_that_cannot_be_asked_is_refused_with_tensors_too() -> None:
    here = digits_world(2)
    with pytest.raises(AncileError, match="no model"):
        alone("square")("net.pt", here.x, here.y, eps=0.1)
    assert facade.alone is alone


@pytest.mark.parametrize("tensor", [True, False])
@pytest.mark.parametrize("name", ["square", "hopskipjump", "rays"])
def test_float64_samples_go_as_float32_to_a_function_that_takes_no_other(name: str, tensor: bool) -> None:
    """What comes back is float64, and inside the float64 ball."""
    here = digits_world(6)
    x = here.x.double() * (1 - 1e-9)

    def scores(given: Any) -> Any:
        return here.net(given) if tensor else here.net(torch.from_numpy(given)).detach().numpy()

    given: Any = x if tensor else x.numpy()
    found: Any = alone(name)(scores, given, here.y.numpy(), eps=0.1, queries=60)
    assert type(found) is type(given)
    assert found.dtype == given.dtype
    assert Constraint("linf", 0.1).holds(found, given).all()
    assert (found != given).any()


def test_a_function_that_takes_no_float_type_says_so_of_the_samples_own() -> None:
    here = digits_world(6)

    def scores(_: Any) -> Any:
        raise RuntimeError("expected Half")

    with pytest.raises(AncileError, match="fails on samples of the data: RuntimeError: expected Half"):
        alone("square")(scores, here.x.double(), here.y, eps=0.1)


@pytest.mark.parametrize("name", ["pgd", "square"])
def test_samples_outside_the_bounds_are_named_by_place_value_and_bounds(name: str) -> None:
    here = digits_world(6)
    x = here.x.clone()
    x[2, 0, 3, 4], x[4, 0, 0, 0] = 1.5, -2.0
    with pytest.raises(AncileError, match="outside the bounds") as caught:
        alone(name)(here.net, x, here.y, eps=0.1)
    assert caught.value.value == "x[2, 0, 3, 4] = 1.5, bounds 0..1; so do 2 of 6 samples"
    assert "from -2 to 1.5" in caught.value.remedy
    alone("fgsm")(here.net, x, here.y, eps=0.1, bounds=(-2, 1.5))


def test_bounds_are_rounded_as_the_samples_are() -> None:
    """0.7 as float32 lies above 0.7 as float64, and is no sample beyond it."""
    here = digits_world(6)
    x = here.x.clamp(max=0.7)
    assert float(x.max()) > 0.7 or float(np.float32(0.7)) < 0.7
    found = alone("fgsm")(here.net, x, here.y, eps=0.1, bounds=(-0.0, 0.7))
    assert (found != x).any()


@pytest.mark.parametrize(("x", "y"), [(np.zeros(64, np.float32), 3), (np.zeros(64, np.float32), [3])])
def test_a_sample_without_the_axis_of_a_batch_is_told_how_to_get_one(x: Any, y: Any) -> None:
    here = digits_world(1)
    with pytest.raises(AncileError, match="labels do not fit") as caught:
        alone("pgd")(here.net, x, y, eps=0.1)
    assert "x[None]" in caught.value.remedy


@pytest.mark.parametrize("name", [one.name for one in ATTACKS])
def test_hints_speak_of_arguments_never_of_flags(name: str) -> None:
    here = digits_world(2)
    x = here.x.numpy()
    changes = ({"bounds": (0.5, 0.5)}, {"eps": -1.0}, {"norm": "l7"}, {"eps": 5.0})
    for change in changes if "linf" in row(name).norms else changes[:3]:
        with pytest.raises(AncileError) as caught:
            alone(name)(here.net, x, here.y, **{"eps": 0.1, "norm": row(name).norms[0], **change})
        assert "--" not in caught.value.remedy


BLIND = [(name, "everywhere") for name in ("pgd", "fgsm", "fmn", "square", "hopskipjump", "rays")]


@pytest.mark.parametrize(("name", "where"), [*BLIND, ("pgd", "off"), ("fmn", "off"), ("square", "off")])
def test_a_model_that_answers_nothing_finite_is_an_error_not_a_sample_that_stands(
    name: str, where: str
) -> None:
    """NaN to every sample, or to whatever is not exactly one of them."""
    here = digits_world(6)
    known = {one.numpy().tobytes() for one in here.x}

    class Blind(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Logits of the samples, else NaN."""
            kept = [where == "off" and one.detach().numpy().tobytes() in known for one in x]
            logits: torch.Tensor = here.net(x)
            return torch.where(torch.tensor(kept)[:, None], logits, torch.nan)

    white = row(name).needs == "gradients"
    asked, given = (Blind(), {}) if white else (Blind().forward, {"queries": 20})
    with pytest.raises(AncileError, match=r"not finite|answers NaN"):
        alone(name)(asked, here.x, here.y, eps=0.1, **given)
