"""What every opened model answers, whatever made it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

Access = Literal["white-box", "scores", "labels"]
Output = Literal["logits", "probabilities", "labels"]


@dataclass(slots=True)
class Usage:
    """Samples that went through a model so far."""

    forwards: int = 0
    backwards: int = 0
    queries: int = 0


@dataclass(slots=True)
class Seen:
    """What a model counted and met so far, together with the forms in which it is searched.

    cut  whether a gradient was asked for and no path led from the scores to the input
    """

    usage: Usage = field(default_factory=Usage)
    cut: bool = False


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What is known of a model before the first sample.

    access   what an attacker gets: gradients, scores, or labels alone
    output   what ``scores`` holds: logits, probabilities, or one-hot labels
    classes  at least 2; a single logit is seen as two classes with scores (0, logit), a single
             probability p as (1 - p, p)
    shape    of one sample where the model fixes it, None where it does not or where an axis is free
    """

    kind: str
    access: Access
    output: Output
    classes: int
    shape: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()


def traits_now(given: Traits, seen: Seen) -> Traits:
    """What is known by now: with a note once a gradient was found to be cut off."""
    if not seen.cut:
        return given
    note = "no gradient path leads from the scores to the input: gradients are zeros"
    return replace(given, notes=(*given.notes, note))


class Model(Protocol):
    """A classifier that answers with scores.

    Samples are arrays in the data's own units and layout; what the network wants (scaling, channel order,
    normalisation) happens inside.
    """

    @property
    def traits(self) -> Traits:
        """What is known before the first sample."""
        ...

    @property
    def usage(self) -> Usage:
        """Samples that went through so far."""
        ...

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores (n, classes), float64, for samples (n, *shape); non-finite ones are passed on."""
        ...


class Gradient(NamedTuple):
    """One pass forth and back: the logits met on the way and the gradient on the input."""

    logits: torch.Tensor
    gradient: torch.Tensor


Loss = Callable[["torch.Tensor"], "torch.Tensor"]


class GradientModel(Model, Protocol):
    """A model whose gradients are to be had; tensors follow its device and dtype."""

    @property
    def device(self) -> torch.device:
        """Where its inputs must lie."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Type of its inputs."""
        ...

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes) without a graph. Cost: n forwards."""
        ...

    def gradient(self, x: torch.Tensor, loss: Loss) -> Gradient:
        """Logits and the gradient of ``loss(logits)``, a scalar summed over samples, on ``x``.

        Parameters are left alone. Cost: n forwards, n backwards.
        """
        ...
