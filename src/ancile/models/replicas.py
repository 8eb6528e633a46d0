"""One model in several processes: each call is spread over them, part by part, in the order of the samples.

What a sample is answered does not hang on the split but for rounding, as with another size of batch; draws
are the sample's own. Where the copies run is theirs to know: anything that answers as a ``GradientModel``
may be one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, BrokenBarrierError
from typing import TYPE_CHECKING, TypeVar, cast

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.models.form import TRIAL_SECONDS, Footprint, Form, Searching, footprint, search_form
from ancile.models.model import Gradient, GradientModel, Loss, Model, Traits, Usage
from ancile.models.remote import pull_of
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    Batch = TypeVar("Batch", torch.Tensor, NDArray[np.floating])
Answer = TypeVar("Answer")
ROUNDING = 1e-5  # of the largest score: the same sums on the same machine differ by less


class Replicas:
    """A ``Model``, or ``GradientModel`` where all of them are, of at least one copy that answers alike."""

    def __init__(self, models: Sequence[Model], *, usage: Usage | None = None) -> None:
        self._models = tuple(models)
        self._usage = usage or Usage()

    @property
    def traits(self) -> Traits:
        """As of the first."""
        return self._models[0].traits

    @property
    def usage(self) -> Usage:
        """Samples that went through all of them so far."""
        return self._usage

    @property
    def device(self) -> torch.device:
        """As of the first."""
        return self._white[0].device

    @property
    def dtype(self) -> torch.dtype:
        """As of the first."""
        return self._white[0].dtype

    @property
    def _white(self) -> tuple[GradientModel, ...]:
        return cast("tuple[GradientModel, ...]", self._models)

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores (n, classes), float64. Cost: n queries."""
        asked = zip(self._models, _parts(x, len(self._models)), strict=False)
        found = _at_once([partial(model.scores, part) for model, part in asked])
        self._usage.queries += len(x)
        return np.concatenate(found)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes) without a graph. Cost: n forwards."""
        asked = zip(self._white, _parts(x, len(self._models)), strict=False)
        found = _at_once([partial(model.logits, part) for model, part in asked])
        self._usage.forwards += len(x)
        whole: torch.Tensor = needs("torch", "torch").cat(found)
        return whole

    def gradient(self, x: torch.Tensor, loss: Loss) -> Gradient:
        """Logits and the gradient of ``loss(logits)`` on ``x``; the loss is of all parts together.

        Cost: n forwards, n backwards.
        """
        cat = needs("torch", "torch").cat
        parts = _parts(x, len(self._models))
        met: list[torch.Tensor] = [part[:0] for part in parts]
        pulls: list[torch.Tensor] = []

        def pull() -> None:
            pulls.extend(_parts(pull_of(loss, cat(met)), len(parts)))

        meeting = Barrier(len(parts), action=pull)

        def weighted(place: int, logits: torch.Tensor) -> torch.Tensor:
            met[place] = logits.detach()
            meeting.wait()
            return (logits * pulls[place]).sum()

        def one(place: int) -> Gradient:
            try:
                return self._white[place].gradient(parts[place], lambda logits: weighted(place, logits))
            except BaseException:
                meeting.abort()  # the others would wait for this one
                raise

        found = _at_once([partial(one, place) for place in range(len(parts))])
        self._usage.forwards += len(x)
        self._usage.backwards += len(x)
        return Gradient(cat([each.logits for each in found]), cat([each.gradient for each in found]))

    def search_form(
        self, sample: torch.Tensor, *, form: Form | None = None, seconds: float = TRIAL_SECONDS
    ) -> Searching:
        """All in the form that the first found fastest, or in ``form``."""
        first = search_form(self._white[0], sample, form=form, seconds=seconds)
        rest = [search_form(one, sample, form=first.form).model for one in self._white[1:]]
        return Searching(Replicas([first.model, *rest], usage=self._usage), first.form)

    def footprint(self, sample: torch.Tensor) -> Footprint | None:
        """As of the first: a batch is spread, so that it takes as much as in one."""
        return footprint(self._white[0], sample)


def replicas(models: Sequence[Model], probe: NDArray[np.floating]) -> Replicas:
    """The models as one. Raises AncileError where they do not answer alike on ``probe``."""
    first, *others = (model.scores(probe) for model in models)
    scale = float(np.nanmax(np.abs(first), initial=0.0)) * ROUNDING
    if not all(np.allclose(first, other, rtol=0.0, atol=scale, equal_nan=True) for other in others):
        raise AncileError(
            "the model's processes do not answer alike",
            value=f"{len(models)} workers, on the same {len(probe)} samples",
            remedy="give --weights, so that all have the same; a model that draws lots needs --workers 1",
        )
    return Replicas(models)


def _parts(x: Batch, count: int) -> list[Batch]:
    """At most ``count`` parts of about the same length, none empty unless there are no samples."""
    size = max(1, -(-len(x) // count))
    return [x[at : at + size] for at in range(0, len(x), size)] or [x]


def _at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """What the calls answer, each in a thread of its own; the first reason where one raises."""
    if len(calls) == 1:
        return [calls[0]()]
    with ThreadPoolExecutor(len(calls)) as pool:
        waiting = [pool.submit(call) for call in calls]
    reasons = [found for one in waiting if (found := one.exception()) is not None]
    told = [reason for reason in reasons if not isinstance(reason, BrokenBarrierError)]
    if reasons:
        raise (told or reasons)[0]
    return [one.result() for one in waiting]
