"""A model under watch: every answer is looked at, also those that an attack threw away.

What a model of this process raises becomes one error that names it, as it does for one in a child.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.models.form import Form, Precision, Searching, search_form
from ancile.numeric import np

FORM_SAMPLES = 256  # real inputs that forms are tried on

if TYPE_CHECKING:
    import torch

    from ancile.models.model import Gradient, GradientModel, Loss, Model, Traits, Usage
    from ancile.numeric import NDArray


class Watched:
    """The model, and how many of its answers so far were not finite: an attack cannot climb on those."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.not_finite = 0

    @property
    def traits(self) -> Traits:
        """What is known before the first sample."""
        return self._model.traits

    @property
    def usage(self) -> Usage:
        """Samples that went through so far."""
        return self._model.usage

    @property
    def device(self) -> torch.device:
        """Where its inputs must lie."""
        return self._white.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of its inputs."""
        return self._white.dtype

    @property
    def _white(self) -> GradientModel:
        return cast("GradientModel", self._model)

    def search_form(self, x: NDArray[np.float32], form: Form | None = None) -> Searching:
        """The network in the form in which it answers fastest on some of these samples, or in ``form``.

        What that answers is watched by itself, and is no answer of the model's.
        """
        torch = needs("torch", "torch")
        sample = torch.from_numpy(x[:FORM_SAMPLES]).to(device=self.device, dtype=self.dtype)
        with _named():
            found = search_form(self._white, sample, form=form)
        return found._replace(model=Watched(found.model))

    def plain_form(self) -> Searching:
        """The network as it came, watched by itself: where no other form can be tried."""
        precision: Precision = "float64" if str(self.dtype) == "torch.float64" else "float32"
        return Searching(Watched(self._white), Form(precision=precision))

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores (n, classes), looked at."""
        with _named():
            found = np.asarray(self._model.scores(x), dtype=np.float64)
        self._fitting(found.shape, len(x))
        self.not_finite += int((~np.isfinite(found).all(axis=1)).sum())
        return found

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Logits without a graph, looked at."""
        with _named():
            found = self._white.logits(x)
        self._fitting(tuple(found.shape), len(x))
        return self._looked_at(found)

    def gradient(self, x: torch.Tensor, loss: Loss) -> Gradient:
        """Logits, looked at, and the gradient of the loss."""
        with _named():
            found = self._white.gradient(x, loss)
        self._fitting(tuple(found.logits.shape), len(x))
        self._looked_at(found.logits)
        return found

    def _fitting(self, shape: tuple[int, ...], n: int) -> None:
        classes = self._model.traits.classes
        if shape != (n, classes):
            raise AncileError(
                "the model answers in another shape than it declared",
                value=f"{shape} for {n} samples and {classes} classes",
                remedy="return one row of scores for each sample",
            )

    def _looked_at(self, logits: torch.Tensor) -> torch.Tensor:
        self.not_finite += int((~logits.isfinite().all(dim=1)).sum())
        return logits


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except AncileError:
        raise
    except Exception as reason:  # foreign code may raise anything
        raise AncileError(
            "the model raised an error",
            value=plain(f"{type(reason).__name__}: {reason}"),
            remedy="make it answer every finite input within the bounds, then run the same command again",
        ) from reason
