"""The child's main loop: opens one model as ordered, then answers with scores, logits and gradients.

Foreign code runs in this process; of a fault the parent is told what, value and remedy, nothing else.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Literal, cast

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.models.blocks import array_of, block_of
from ancile.models.form import Footprint, footprint, search_form
from ancile.models.kinds import open_kind
from ancile.models.order import Asked, Opened, Order, Trial, Tuned
from ancile.models.outside import outside
from ancile.models.touched import files_touched
from ancile.numeric import np
from ancile.work.frames import Block, ClosedError, Frame, decoded, receive, send

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from ancile.models.model import GradientModel, Model

LARGEST_BYTES = 1 << 40  # the parent is not hostile
WORDS = ("scores", "logits", "gradient", "search-form", "footprint")
FLOATS = ("float32", "float64")


class AbandonedError(Exception):
    """The parent asks for something else before it sent what a gradient needs."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame.word)
        self.frame = frame


def serve(channel: socket.socket) -> None:
    """Answer what the parent asks until it is gone."""
    Host(channel).run()


class Host:
    """One model, and the channel on which it is asked."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._networks: list[Model] = []  # the model, then the forms in which it is searched
        self._number = 0  # of the request that waits for an answer; a gradient takes two

    def run(self) -> None:
        """Answer until the parent is gone."""
        waiting: Frame | None = None
        while True:
            try:
                frame = waiting or receive(self._channel, limit_bytes=LARGEST_BYTES)
                waiting = None
                send(self._channel, self._answer(frame))
            except AbandonedError as other:
                waiting = other.frame
            except ClosedError:
                return

    def _answer(self, frame: Frame) -> Frame:
        self._number = frame.number
        try:
            return self._work(frame)
        except (ClosedError, AbandonedError):
            raise
        except AncileError as known:
            fault = known
        except (Exception, SystemExit) as reason:  # noqa: BLE001 - the outer door: foreign code runs here
            fault = outside(reason) or AncileError(
                "the model's code fails",
                value=f"{type(reason).__name__}: {reason}",
                remedy="call it on such samples yourself to see where",
            )
        words = (fault.what, fault.value, fault.remedy)
        safe = tuple(plain(word, 600) for word in words)
        return Frame(self._number, "fault", msgspec.msgpack.encode(safe))

    def _work(self, frame: Frame) -> Frame:
        if frame.word == "open":
            return self._open(frame)
        if not self._networks or frame.word not in WORDS:
            raise AncileError("the model cannot answer that", value=frame.word, remedy="open a model first")
        samples = _samples(frame)
        if frame.word == "search-form":
            return self._search_form(frame, samples)
        asked = self._networks[decoded(frame.body, Asked).network]
        if frame.word == "scores":
            found = block_of(asked.scores(samples))
            return Frame(frame.number, "scores", blocks=(found,))
        white = cast("GradientModel", asked)
        if frame.word == "footprint":
            told = footprint(white, _tensor(white, samples)) or Footprint(sample_bytes=0, free_bytes=0)
            return Frame(frame.number, "footprint", msgspec.msgpack.encode(told))
        if frame.word == "logits":
            found = _block(white.logits(_tensor(white, samples)))
            return Frame(frame.number, "logits", blocks=(found,))
        return self._gradient(white, _tensor(white, samples))

    def _open(self, frame: Frame) -> Frame:
        order = decoded(frame.body, Order)
        *parts, probe = frame.blocks
        samples = _samples(Frame(0, "", blocks=(probe,)))
        with files_touched(besides=(order.path, *order.covered)) as touched:
            ready = open_kind(order, [bytes(part.data) for part in parts], samples)
        self._networks, traits = [ready.model], ready.model.traits
        opened = Opened(
            kind=ready.kind,
            access=traits.access,
            output=traits.output,
            classes=traits.classes,
            shape=traits.shape,
            notes=tuple(plain(note, 390) for note in (*ready.notes, *traits.notes)[:16]),
            dtype=_dtype(ready.model),
            touched=tuple(plain(name, 390) for name in touched),
        )
        return Frame(frame.number, "opened", msgspec.msgpack.encode(opened))

    def _search_form(self, frame: Frame, samples: NDArray[np.floating]) -> Frame:
        white, trial = cast("GradientModel", self._networks[0]), decoded(frame.body, Trial)
        found = search_form(white, _tensor(white, samples), form=trial.form, seconds=trial.seconds)
        self._networks.append(found.model)
        tuned = Tuned(network=len(self._networks) - 1, form=found.form)
        return Frame(frame.number, "search-form", msgspec.msgpack.encode(tuned))

    def _gradient(self, model: GradientModel, x: torch.Tensor) -> Frame:
        """Logits out, their cotangent in, the vector-Jacobian product out; under two numbers."""

        def loss(logits: torch.Tensor) -> torch.Tensor:
            send(self._channel, Frame(self._number, "logits", blocks=(_block(logits),)))
            frame = receive(self._channel, limit_bytes=LARGEST_BYTES)
            if frame.word != "pull":
                raise AbandonedError(frame)
            self._number = frame.number
            return (logits * _tensor(model, _samples(frame)).detach()).sum()

        found = model.gradient(x, loss).gradient
        cut = bool(getattr(model, "graph_broken", False))
        return Frame(self._number, "gradient", msgspec.msgpack.encode(cut), (_block(found),))


def _samples(frame: Frame) -> NDArray[np.floating]:
    dtype = frame.blocks[0].shape.dtype
    if dtype not in FLOATS:
        raise AncileError("samples are no floats", value=dtype, remedy="give float32 or float64")
    return cast("NDArray[np.floating]", array_of(frame, 0, dtype=dtype, axes=None))


def _tensor(model: GradientModel, x: NDArray[np.floating]) -> torch.Tensor:
    from torch import from_numpy  # noqa: PLC0415 - only models of torch come here

    return from_numpy(x).to(device=model.device, dtype=model.dtype)


def _block(tensor: torch.Tensor) -> Block:
    return block_of(tensor.detach().cpu().numpy())


def _dtype(model: Model) -> Literal["float32", "float64"]:
    return "float64" if str(getattr(model, "dtype", "")) == "torch.float64" else "float32"
