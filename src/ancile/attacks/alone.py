"""Each attack on its own, in three lines: ``from ancile.attacks import pgd; pgd(net, x, y, eps=0.3)``.

Arrays or tensors in, the same kind out. What is refused is refused in one line before the first pass.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ancile.attacks.asked import (
    Asked,
    array_of,
    constraint_of,
    labels_of,
    require_classes,
    require_inside,
    require_samples,
    whole_of,
)
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

    from ancile.attacks.ball import Ball
    from ancile.attacks.constraint import Constraint

A = TypeVar("A", "NDArray[np.floating]", "torch.Tensor")

PROBED = 64  # samples that show what a model answers with
USAGE = """

    Called on its own:

    model    a torch.nn.Module, which keeps its mode and parameters; for attacks without gradients also an
             estimator or a function from (n, *shape), of the kind of ``x``, to scores (n, classes)
    x        (n, *shape) a floating-point array or tensor, on any device, in the data's own units, inside the
             bounds. A model that takes another float type gets that, and the result is rounded into the ball
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
    samples = array_of(x)
    require_samples(samples, x)
    constraint = constraint_of(one, asked, samples.shape[1:])
    labels = labels_of(y, samples)
    rng = Streams(whole_of("seed", asked.seed), np.arange(len(samples)))
    if not len(samples):
        return x + 0
    require_inside(samples, constraint)
    opened, taken = _opened(model, x, samples, classes=int(labels.max()) + 1)
    require_classes(labels, opened.traits.classes)
    if one.needs == "gradients":
        return _with_gradients(one, opened, x, labels, constraint, rng, given)
    heard = _Heard(opened)
    found = _like(np.asarray(one.load()(heard.scores, taken, labels, constraint, rng, **given)), x)
    heard.require_some()
    return found if taken.dtype == samples.dtype else constraint.project(found, x)


class _Heard:
    """The model's answers, and how many of them decided anything: scores that are not finite do not."""

    def __init__(self, model: Model) -> None:
        self._model, self._asked, self._finite = model, 0, 0

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        found = self._model.scores(x)
        self._asked += len(x)
        self._finite += int(np.isfinite(found).all(axis=1).sum())
        return found

    def require_some(self) -> None:
        """Refuse to give back samples as if they had been attacked."""
        if self._asked and not self._finite:
            raise _unanswered(self._asked)


def _unanswered(count: int) -> AncileError:
    return AncileError(
        "the model answers with scores that are not finite",
        value=f"to all {count} samples that the attack asked about",
        remedy="call it on x and on x + eps yourself: NaN and infinity decide for no class",
    )


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
    if constraint.eps and torch.equal(found, inputs):
        _require_answers(white, constraint.ball(inputs), rng)
    placed = _like(found, x)
    return placed if inputs.dtype == _dtype(x) else constraint.project(placed, x)


def _require_answers(model: GradientModel, ball: Ball[torch.Tensor], rng: Streams) -> None:
    """Refuse a model that answers nothing finite around samples none of which an attack could change."""
    from ancile.attacks.starts import random_start  # noqa: PLC0415 - torch is an extra

    logits = model.logits(random_start(ball, rng, step=0, purpose="answers"))
    if not logits.isfinite().all(dim=1).any():
        raise _unanswered(len(logits))


def _opened(
    model: object, x: A, samples: NDArray[np.floating], *, classes: int
) -> tuple[Model, NDArray[np.floating]]:
    """The model, and the samples in a float type that it takes: their own, else float32."""
    try:
        return _model(model, x, samples, classes=classes), samples
    except AncileError:
        if samples.dtype == np.float32:
            raise
        single = samples.astype(np.float32)
        try:
            return _model(model, _like(single, x, keep=False), single, classes=classes), single
        except AncileError:
            pass
        raise


def _model(model: object, x: A, samples: NDArray[np.floating], *, classes: int) -> Model:
    """The model as one that ancile asks; a function is asked in the caller's own kind of array."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        from ancile.models.torch_module import torch_model  # noqa: PLC0415 - an extra

        return torch_model(model, probe=samples[:PROBED])
    if torch is not None and isinstance(x, torch.Tensor) and callable(model) and not hasattr(model, "scores"):
        asked = model
        return model_here(
            lambda array: array_of(asked(_like(array, x))), samples[:PROBED], classes=classes
        ).model
    return model_here(model, samples[:PROBED], classes=classes).model


def _like(found: object, x: A, *, keep: bool = True) -> A:
    """``found`` as an array or tensor like ``x``, on its device; in its float type where that is kept."""
    if isinstance(x, np.ndarray):
        return array_of(found).astype(x.dtype, copy=False) if keep else array_of(found)
    torch = sys.modules["torch"]
    placed = torch.as_tensor(found).detach().to(device=x.device)
    return cast("A", placed.to(x.dtype) if keep else placed)


def _dtype(x: A) -> object:
    torch = sys.modules["torch"]
    return torch.as_tensor(x).dtype
