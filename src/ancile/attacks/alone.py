"""Each attack on its own, in three lines: ``from ancile.attacks import pgd; pgd(net, x, y, eps=0.3)``.

Arrays or tensors in, the same kind out. What is refused is refused in one line before the first pass.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from ancile.attacks.constraint import UNITS, Constraint
from ancile.attacks.streams import Streams
from ancile.attacks.table import ATTACKS, Row, row
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.models.in_process import model_here
from ancile.models.model import GradientModel, Model
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike, NDArray

A = TypeVar("A", "NDArray[np.floating]", "torch.Tensor")

PROBED = 64  # samples that show what a model answers with
USAGE = """

    Called on its own:

    model    a torch.nn.Module, which keeps its mode and parameters; for attacks without gradients also an
             estimator or a function from (n, *shape), of the kind of ``x``, to scores (n, classes)
    x        (n, *shape) a floating-point array or tensor, on any device, in the data's own units
    y        (n,) true labels from 0
    eps      the largest change, in the norm and in the units of ``x``; in L0 a whole number of features
    norm     {norms}
    bounds   low and high of every value: two numbers, or two arrays that broadcast to a sample
    seed     of all draws; a sample's draws depend on the seed and its row alone
    scale    length of one unit of distance in each feature; movable: False where a feature must stay; pixels:
             in L0 count whole pixels. All three as in ``Constraint``
    returns  candidates like ``x``, inside ball and bounds without tolerance
    The settings of the attack itself ({settings}) are given by name.
"""


class Asked(NamedTuple):
    """What a caller of an attack on its own gave beside the settings of the attack."""

    eps: float | None
    norm: str
    bounds: tuple[ArrayLike, ArrayLike]
    seed: int
    scale: ArrayLike | None
    movable: ArrayLike | None
    pixels: bool


@cache
def alone(name: str) -> Callable[..., Any]:
    """The attack of this name as a function of a model, samples and labels; see its docstring."""
    one = row(name)
    inner = one.load()
    settings = _settings(inner)

    def attack(
        model: object,
        x: A,
        y: ArrayLike,
        *,
        eps: float | None = None,
        norm: str = "linf",
        bounds: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
        seed: int = 0,
        scale: ArrayLike | None = None,
        movable: ArrayLike | None = None,
        pixels: bool = False,
        **given: Any,
    ) -> A:
        unknown = sorted(set(given) - set(settings))
        if unknown:
            raise AncileError(
                f"{name} has no such setting",
                value=plain(", ".join(unknown)),
                remedy=f"give some of {', '.join(settings)}",
            )
        return _run(one, model, x, y, Asked(eps, norm, bounds, seed, scale, movable, pixels), given)

    attack.__name__ = attack.__qualname__ = name
    usage = USAGE.format(norms=", ".join(one.norms), settings=", ".join(settings))
    attack.__doc__ = (inner.__doc__ or "").rstrip() + usage
    return attack


def _settings(inner: Callable[..., Any]) -> tuple[str, ...]:
    """Names of the attack's own settings."""
    parameters = inspect.signature(inner).parameters.values()
    return tuple(one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY)


def _run(one: Row, model: object, x: A, y: ArrayLike, asked: Asked, given: dict[str, Any]) -> A:
    samples = _numpy(x)
    _require_samples(samples, x)
    constraint = _constraint(one, asked)
    constraint.fits(samples.shape[1:])
    labels = _labels(y, len(samples))
    if not len(samples):
        return x + 0
    opened = _opened(model, x, samples, classes=int(labels.max()) + 1)
    _require_classes(labels, opened.traits.classes)
    rng = Streams(asked.seed, np.arange(len(samples)))
    if one.needs == "gradients":
        return _with_gradients(one, opened, x, labels, constraint, rng, given)
    found = one.load()(opened.scores, samples, labels, constraint, rng, **given)
    return _like(np.asarray(found), x)


def _with_gradients(
    one: Row,
    model: Model,
    x: A,
    y: NDArray[np.int64],
    constraint: Constraint,
    rng: Streams,
    given: dict[str, Any],
) -> A:
    """Tensors where the network is, in its float type, and back; what that rounds is projected again."""
    torch = sys.modules["torch"]
    if not hasattr(model, "gradient"):
        others = ", ".join(other.name for other in ATTACKS if other.needs != "gradients")
        raise AncileError(
            f"{one.name} needs gradients",
            value="a model without them",
            remedy=f"give a torch.nn.Module, or use {others}",
        )
    white = cast("GradientModel", model)
    inputs = torch.as_tensor(x).detach().to(device=white.device, dtype=white.dtype, copy=True)
    found = one.load()(white, inputs, torch.from_numpy(y).to(white.device), constraint, rng, **given)
    placed = _like(found, x)
    return placed if inputs.dtype == _dtype(x) else constraint.project(placed, x)


def _opened(model: object, x: A, samples: NDArray[np.floating], *, classes: int) -> Model:
    """The model as one that ancile asks; a function is asked in the caller's own kind of array."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        from ancile.models.torch_module import torch_model  # noqa: PLC0415 - an extra

        return torch_model(model, probe=samples[:PROBED])
    if torch is not None and isinstance(x, torch.Tensor) and callable(model) and not hasattr(model, "scores"):
        asked = model
        model = lambda array: _numpy(asked(_like(array, x)))  # noqa: E731 - the same model, in another kind
    return model_here(model, samples[:PROBED], classes=classes).model


def _constraint(one: Row, asked: Asked) -> Constraint:
    if asked.norm not in one.norms:
        others = [other.name for other in ATTACKS if asked.norm in other.norms]
        raise AncileError(
            f"{one.name} is not defined in this norm",
            value=plain(f"norm={asked.norm}"),
            remedy=f"give norm {', '.join(one.norms)}" + (f", or use {', '.join(others)}" if others else ""),
        )
    if asked.eps is None:
        raise AncileError("eps is missing", value=f"{one.name} without eps", remedy=UNITS)
    if asked.norm == "l0" and asked.eps != round(asked.eps):
        raise AncileError(
            "an l0 eps counts features",
            value=f"eps={asked.eps:g}",
            remedy="give a whole number, the most features that may change",
        )
    low, high = (np.asarray(_numpy(one), dtype=np.float64) for one in asked.bounds)
    return Constraint(
        asked.norm,
        float(asked.eps),
        low,
        high,
        None if asked.scale is None else np.asarray(_numpy(asked.scale), dtype=np.float64),
        None if asked.movable is None else np.asarray(_numpy(asked.movable), dtype=bool),
        asked.pixels,
    )


def _require_samples(samples: NDArray[np.floating], x: object) -> None:
    if not samples.ndim or not np.issubdtype(samples.dtype, np.floating):
        raise AncileError(
            "the samples are not an array of floating-point numbers",
            value=plain(f"{type(x).__name__} of {samples.dtype}, shape {samples.shape}"),
            remedy="give (n, *shape) in float32 or float64; 8-bit images divided by 255",
        )
    bad = int((~np.isfinite(samples.reshape(len(samples), -1))).any(axis=1).sum()) if len(samples) else 0
    if bad:
        raise AncileError(
            "the samples are not finite",
            value=f"{bad} of {len(samples)} hold NaN or infinity",
            remedy="fill in or leave out what is missing",
        )


def _labels(y: ArrayLike, n: int) -> NDArray[np.int64]:
    labels = _numpy(y)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise AncileError(
            "the labels do not fit the samples",
            value=f"labels of {labels.dtype}, shape {labels.shape}, for {n} samples",
            remedy="give one whole number a sample, the true class from 0",
        )
    return labels.astype(np.int64)


def _require_classes(labels: NDArray[np.int64], classes: int) -> None:
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        raise AncileError(
            "a label is none of the model's classes",
            value=f"label {labels[wrong][0]}, the model has {classes} classes",
            remedy=f"give labels from 0 to {classes - 1}",
        )


def _numpy(x: object) -> NDArray[Any]:
    torch = sys.modules.get("torch")
    return x.detach().cpu().numpy() if torch is not None and isinstance(x, torch.Tensor) else np.asarray(x)


def _like(found: object, x: A) -> A:
    """``found`` as an array or tensor of the kind, float type and device of ``x``."""
    if isinstance(x, np.ndarray):
        return _numpy(found).astype(x.dtype, copy=False)
    torch = sys.modules["torch"]
    return cast("A", torch.as_tensor(found).detach().to(device=x.device, dtype=x.dtype))


def _dtype(x: A) -> object:
    torch = sys.modules["torch"]
    return torch.as_tensor(x).dtype
