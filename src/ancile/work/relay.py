"""What a worker elsewhere does for a process here: it holds one ``Child`` and passes on questions.

Both sides speak in bytes; what comes is checked as a child's own frames are. Nothing here knows Ray.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from ancile.core.errors import AncileError
from ancile.work.child import Child
from ancile.work.frames import Block, Frame, Shape, decoded


class ChildOrder(msgspec.Struct, frozen=True, kw_only=True):
    """How to start a child, as ``Child`` has it; paths as the file system's own bytes."""

    module: str
    code: tuple[bytes, ...] = ()
    readable: tuple[bytes, ...] = ()
    denied: tuple[bytes, ...] = ()

    @classmethod
    def of(
        cls,
        module: str,
        *,
        code: Sequence[Path] = (),
        readable: Sequence[Path] = (),
        denied: Sequence[Path] = (),
    ) -> ChildOrder:
        """The order for a child with these arguments."""
        told = (tuple(map(os.fsencode, paths)) for paths in (code, readable, denied))
        return cls(module=module, **dict(zip(("code", "readable", "denied"), told, strict=True)))

    def start(self) -> Child:
        """The child, on this machine."""
        code, readable, denied = (
            tuple(Path(os.fsdecode(one)) for one in paths)
            for paths in (self.code, self.readable, self.denied)
        )
        return Child(self.module, code=code, readable=readable, denied=denied)


class Parcel(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A frame without its number, as bytes that need no shared memory."""

    word: str
    body: bytes
    shapes: tuple[Shape, ...]
    data: tuple[bytes, ...]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker answers: a frame, or why there is none; and what it and its child took so far."""

    parcel: Parcel | None = None
    fault: tuple[str, str, str] | None = None
    died: bool = False
    cpu_seconds: float = 0.0
    peak_bytes: int = 0


class Relay:
    """One worker: a child process where it runs, told what to do in bytes."""

    def __init__(self) -> None:
        self._child: Child | None = None

    def open(self, order: bytes) -> bytes:
        """Start the child; the answer's body says how it is confined."""

        def start() -> Parcel:
            self._child = decoded(order, ChildOrder).start()
            return Parcel("confined", msgspec.msgpack.encode(self._child.confined), (), ())

        return self._reply(start)

    def ask(self, question: bytes, seconds: float, limit_bytes: int) -> bytes:
        """What the child answers to a question."""

        def answered() -> Parcel:
            if self._child is None:
                raise AncileError("the worker has no model", value="ask before open", remedy="open it first")
            asked = frame_of(decoded(question, Parcel))
            return parcel_of(
                self._child.ask(
                    asked.word, asked.body, asked.blocks, seconds=seconds, limit_bytes=limit_bytes
                )
            )

        return self._reply(answered)

    def close(self) -> None:
        """End the child with all that it started."""
        if self._child is not None:
            self._child.close()

    def _reply(self, work: Callable[[], Parcel]) -> bytes:
        parcel, fault = None, None
        try:
            parcel = work()
        except AncileError as known:
            fault = (known.what, known.value, known.remedy)
        child = self._child
        reply = Reply(
            parcel=parcel,
            fault=fault,
            died=child is not None and child.has_died(),
            cpu_seconds=time.process_time() + (child.cpu_seconds() if child else 0.0),
            peak_bytes=child.peak_bytes() if child else 0,
        )
        return msgspec.msgpack.encode(reply)


def parcel_of(frame: Frame) -> Parcel:
    """The frame as a parcel; its blocks are copied."""
    shapes = tuple(block.shape for block in frame.blocks)
    return Parcel(frame.word, frame.body, shapes, tuple(bytes(block.data) for block in frame.blocks))


def frame_of(parcel: Parcel) -> Frame:
    """The parcel as a frame; AncileError where its blocks are not of the sizes that it tells."""
    if [len(one) for one in parcel.data] != [shape.size_bytes() for shape in parcel.shapes]:
        raise broken("blocks of other sizes than they say")
    blocks = (Block(shape, bytearray(one)) for shape, one in zip(parcel.shapes, parcel.data, strict=True))
    return Frame(0, parcel.word, parcel.body, tuple(blocks))


def broken(found: str) -> AncileError:
    """The error for a worker that does not answer as it should."""
    return AncileError(
        "a worker on the Ray cluster breaks the protocol",
        value=found,
        remedy="install the same version of ancile on each of the cluster's machines",
    )
