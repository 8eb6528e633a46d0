"""A model that lives in a child process, as the parent sees it.

The parent counts, and checks type, shape and size of every answer; what the numbers say is the model's to
answer for. Losses are reckoned here: the child gets the samples, answers with logits, gets the loss's
gradient on them, and answers with its gradient on the samples (the vector-Jacobian product).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec

from ancile.core.extras import needs
from ancile.models.blocks import array_of, block_of
from ancile.models.form import TRIAL_SECONDS, Footprint, Form, Searching
from ancile.models.model import Gradient, Loss, Seen, Traits, Usage, traits_now
from ancile.models.order import Asked, Trial, Tuned
from ancile.models.waiting import Waiting
from ancile.numeric import np
from ancile.work.child import Question
from ancile.work.frames import Frame, decoded
from ancile.work.worker import Worker

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

BATCH_BYTES = 32 << 20  # of samples in one message; keeps the memory of a forward pass in bounds too


class RemoteModel:
    """A ``Model`` in a child process; it is the network of that number there, see ``order.Asked``."""

    def __init__(
        self,
        child: Worker,
        traits: Traits,
        *,
        waiting: Waiting,
        network: int = 0,
        seen: Seen | None = None,
    ) -> None:
        self._child, self._given, self._waiting = child, traits, waiting
        self._asked = msgspec.msgpack.encode(Asked(network=network))
        self._seen = seen or Seen()

    @property
    def traits(self) -> Traits:
        """What is known before the first sample."""
        return self._given

    @property
    def usage(self) -> Usage:
        """Samples that went through so far, counted here."""
        return self._seen.usage

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores (n, classes), float64, for samples (n, *shape). Cost: n queries."""
        found = np.empty((len(x), self._given.classes), dtype=np.float64)
        for part in batches(x):
            found[part] = self._ask("scores", x[part], "float64")
        return found

    def _ask(self, word: str, x: NDArray[np.floating], dtype: str) -> NDArray[np.float64]:
        wanted = (len(x), self._given.classes)
        limit_bytes = math.prod(wanted) * np.dtype(dtype).itemsize
        with self._waiting.answer() as seconds:
            answer = self._child.ask(
                word, self._asked, (block_of(x),), seconds=seconds, limit_bytes=limit_bytes
            )
        self._seen.usage.queries += len(x)
        return array_of(answer, 0, dtype=dtype, axes=wanted).astype(np.float64, copy=False)


class RemoteGradientModel(RemoteModel):
    """A ``GradientModel`` in a child process; its tensors are the parent's, on the CPU."""

    def __init__(
        self,
        child: Worker,
        traits: Traits,
        *,
        dtype: Literal["float32", "float64"],
        waiting: Waiting,
        network: int = 0,
        seen: Seen | None = None,
    ) -> None:
        super().__init__(child, traits, waiting=waiting, network=network, seen=seen)
        self._torch = needs("torch", "torch")
        self._dtype: Literal["float32", "float64"] = dtype

    @property
    def traits(self) -> Traits:
        """What is known; with a note once the child said that a gradient was cut off."""
        return traits_now(self._given, self._seen)

    @property
    def device(self) -> torch.device:
        """The CPU: where the network itself computes is the child's affair."""
        found: torch.device = self._torch.device("cpu")
        return found

    @property
    def dtype(self) -> torch.dtype:
        """Type of the network's inputs."""
        found: torch.dtype = getattr(self._torch, self._dtype)
        return found

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes) without a graph. Cost: n forwards."""
        samples = self._numpy(x)
        found = self._torch.empty((len(samples), self._given.classes), dtype=self.dtype)
        for part in batches(samples):
            wanted = (len(samples[part]), self._given.classes)
            with self._waiting.answer() as seconds:
                answer = self._child.ask(
                    "logits",
                    self._asked,
                    (block_of(samples[part]),),
                    seconds=seconds,
                    limit_bytes=math.prod(wanted) * samples.itemsize,
                )
            found[part] = self._torch.from_numpy(array_of(answer, 0, dtype=self._dtype, axes=wanted))
        self._seen.usage.forwards += len(samples)
        return self._like(found, x)

    def gradient(self, x: torch.Tensor, loss: Loss) -> Gradient:
        """Logits and the gradient of ``loss(logits)``, a scalar summed over samples, on ``x``.

        Cost: n forwards, n backwards. A loss that raises leaves the child as it was.
        """
        samples = self._numpy(x)
        wanted = (len(samples), self._given.classes)
        met: list[torch.Tensor] = []

        def pulled(first: Frame) -> Question:
            met.append(
                self._like(self._torch.from_numpy(array_of(first, 0, dtype=self._dtype, axes=wanted)), x)
            )
            pull = self._numpy(pull_of(loss, met[0]))
            return Question("pull", blocks=(block_of(pull),), limit_bytes=samples.nbytes)

        with self._waiting.answer() as seconds:
            answer = self._child.ask(
                "gradient",
                self._asked,
                (block_of(samples),),
                seconds=seconds,
                limit_bytes=math.prod(wanted) * samples.itemsize,
                then=pulled,
            )
        found = array_of(answer, 0, dtype=self._dtype, axes=samples.shape)
        self._seen.usage.forwards += len(samples)
        self._seen.usage.backwards += len(samples)
        self._seen.cut |= decoded(answer.body, bool)
        return Gradient(met[0], self._like(self._torch.from_numpy(found), x))

    def search_form(
        self, sample: torch.Tensor, *, form: Form | None = None, seconds: float = TRIAL_SECONDS
    ) -> Searching:
        """The model in the fastest form that its process found, or in ``form``; see ``models.form``."""
        trial = msgspec.msgpack.encode(Trial(form=form, seconds=seconds))
        block = block_of(self._numpy(sample))
        with self._waiting.answer(seconds) as allowed:
            answer = self._child.ask("search-form", trial, (block,), seconds=allowed, limit_bytes=0)
        tuned = decoded(answer.body, Tuned)
        model = RemoteGradientModel(
            self._child,
            self._given,
            dtype=self._dtype,
            waiting=self._waiting,
            network=tuned.network,
            seen=self._seen,
        )
        return Searching(model, form or tuned.form)

    def footprint(self, sample: torch.Tensor) -> Footprint:
        """What a gradient takes in the network's process for each of such samples, and what is free there."""
        block = block_of(self._numpy(sample))
        with self._waiting.answer() as seconds:
            answer = self._child.ask("footprint", self._asked, (block,), seconds=seconds, limit_bytes=0)
        return decoded(answer.body, Footprint)

    def _numpy(self, x: torch.Tensor) -> NDArray[np.floating]:
        found: NDArray[np.floating] = x.detach().to(device="cpu", dtype=self.dtype).numpy()
        return found

    def _like(self, found: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return found.to(device=x.device, dtype=x.dtype)


def batches(x: NDArray[np.floating]) -> list[slice]:
    """Slices of samples of at most ``BATCH_BYTES``, at least one sample each."""
    rows = max(1, BATCH_BYTES // max(1, x[:1].nbytes))
    return [slice(at, at + rows) for at in range(0, len(x), rows)]


def pull_of(loss: Loss, logits: torch.Tensor) -> torch.Tensor:
    """The gradient of the loss on the logits; zeros where it does not depend on them."""
    from torch import autograd, enable_grad, zeros_like  # noqa: PLC0415 - an extra

    with enable_grad():
        leaf = logits.detach().requires_grad_()
        value = loss(leaf)
    if not value.requires_grad:
        return zeros_like(leaf)
    (found,) = autograd.grad(value, leaf, allow_unused=True)
    return zeros_like(leaf) if found is None else found
