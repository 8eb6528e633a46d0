"""A model under watch: every answer is looked at, also those that an attack threw away.

What a model of this process raises becomes one error that names it, as it does for one in a child.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.models.around import Around
from ancile.models.form import PLAIN_BATCH, Form, Precision, Searching, search_form
from ancile.models.model import Gradient, GradientModel
from ancile.models.remote import pull_of
from ancile.numeric import np

FORM_SAMPLES = 256  # real inputs that forms are tried on

if TYPE_CHECKING:
    import torch

    from ancile.models.model import Loss, Model
    from ancile.numeric import NDArray

    Batch = TypeVar("Batch", torch.Tensor, NDArray[np.floating])


class Watched(Around[GradientModel]):
    """The model, and how many of its answers so far were not finite: an attack cannot climb on those.

    most  samples that it is given at once; None for as many as there are
    """

    def __init__(self, model: Model, *, most: int | None = None) -> None:
        super().__init__(cast("GradientModel", model))  # without gradients nobody asks for them
        self._most = most
        self.not_finite = 0

    def search_form(self, x: NDArray[np.float32], form: Form | None = None) -> Searching:
        """The network in the form in which it answers fastest on some of these samples, or in ``form``.

        What that answers is watched by itself, and is no answer of the model's. Where memory allows few
        samples at once, no other form is tried.
        """
        if self._most is not None and form is None and self._most < FORM_SAMPLES:
            return self.plain_form()
        torch = needs("torch", "torch")
        sample = torch.from_numpy(x[:FORM_SAMPLES]).to(device=self.device, dtype=self.dtype)
        with _named():
            found = search_form(self._model, sample, form=form)
        batch = min(found.form.batch, self._most or found.form.batch)
        kept = msgspec.structs.replace(found.form, batch=batch)
        return Searching(Watched(found.model, most=self._most), kept)

    def plain_form(self) -> Searching:
        """The network as it came, watched by itself: where no other form can be tried."""
        precision: Precision = "float64" if str(self.dtype) == "torch.float64" else "float32"
        batch = min(PLAIN_BATCH, self._most or PLAIN_BATCH)
        return Searching(Watched(self._model, most=self._most), Form(precision=precision, batch=batch))

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores (n, classes), looked at."""
        if self._most is not None and len(x) > self._most:
            return np.concatenate([self.scores(part) for part in self._parts(x)])
        with _named():
            found = np.asarray(self._model.scores(x), dtype=np.float64)
        self._fitting(found.shape, len(x))
        self.not_finite += int((~np.isfinite(found).all(axis=1)).sum())
        return found

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Logits without a graph, looked at."""
        if self._most is not None and len(x) > self._most:
            cat = needs("torch", "torch").cat
            whole: torch.Tensor = cat([self.logits(part) for part in self._parts(x)])
            return whole
        with _named():
            found = self._model.logits(x)
        self._fitting(tuple(found.shape), len(x))
        return self._looked_at(found)

    def gradient(self, x: torch.Tensor, loss: Loss) -> Gradient:
        """Logits, looked at, and the gradient of the loss.

        Of more samples than fit at once part by part, with one more forward a sample: the loss is of all.
        """
        if self._most is not None and len(x) > self._most:
            return self._in_parts(x, loss)
        with _named():
            found = self._model.gradient(x, loss)
        self._fitting(tuple(found.logits.shape), len(x))
        self._looked_at(found.logits)
        return found

    def _in_parts(self, x: torch.Tensor, loss: Loss) -> Gradient:
        torch = needs("torch", "torch")
        logits = self.logits(x)
        pull = pull_of(loss, logits)
        slopes = [
            self.gradient(part, partial(_weighted, weight)).gradient
            for part, weight in zip(self._parts(x), self._parts(pull), strict=True)
        ]
        return Gradient(logits, torch.cat(slopes))

    def _parts(self, x: Batch) -> list[Batch]:
        most = self._most or len(x)
        return [x[at : at + most] for at in range(0, len(x), most)]

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


def _weighted(weight: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return (logits * weight).sum()


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
            remedy="make it answer every finite input within the bounds, then assess it again",
        ) from reason
