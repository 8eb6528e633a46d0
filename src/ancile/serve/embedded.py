"""A model in this process: ONNX Runtime, one thread a request, inline while it is fast.

The worker that runs it has neither keys nor ledger: the runtime's parser is native code.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.formats.onnx import require_self_contained
from ancile.models.onnx_session import onnx_session
from ancile.models.source import read_once
from ancile.numeric import np
from ancile.serve.backend import Cancel, Done, Outcome
from ancile.serve.inference import Infer
from ancile.serve.refusal import Refused
from ancile.serve.signature import Signature, Spec
from ancile.serve.tensors import BYTES, NAMES, TYPES, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

TENSORS = {
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(float16)": "FP16",
    "tensor(bool)": "BOOL",
    "tensor(string)": BYTES,
    **{f"tensor({kind}{8 * n})": f"{kind.upper()}{8 * n}" for kind in ("int", "uint") for n in (1, 2, 4, 8)},
}
INLINE_SECONDS = 0.002  # a forward pass that holds up all other requests for no longer
THREADS = 2
WAITING = 64  # requests in or before the threads; more are refused
TRIALS = 5


class Embedded:
    """An ONNX model; its name is that of its file."""

    def __init__(self, path: Path, *, loop: asyncio.AbstractEventLoop, expected: str | None = None) -> None:
        source = read_once(path)
        if expected not in (None, source.digest):
            raise AncileError(
                "the model changed after its evidence was looked at",
                value=plain(f"{path}: {source.digest}"),
                remedy="start again when nothing writes to it",
            )
        require_self_contained(source.data)
        self.digest = source.digest
        self._loop = loop
        self._session = onnx_session(source.data, threads=1)
        signature = _signature(self._session, model_name(path))
        self.signatures: Mapping[str, Signature] = {signature.model: signature}
        self._all = [spec.name for spec in signature.outputs]
        self._running = 0
        self._threads = None if self._seconds(signature) <= INLINE_SECONDS else ThreadPoolExecutor(THREADS)

    @property
    def left(self) -> int:
        """Places before the threads."""
        return WAITING - self._running

    def ask(self, infer: Infer, signature: Signature, done: Done) -> Cancel:  # noqa: ARG002 - there is one model
        """Run it now, or in a thread where it is slow."""
        if self._threads is None:
            done(self._run(infer))
            return _nothing
        if self._running >= WAITING:
            done(Refused(503, "the model has too much to do", retry_after=1))
            return _nothing
        self._running += 1
        future = self._loop.run_in_executor(self._threads, self._run, infer)

        def ended(found: asyncio.Future[Outcome]) -> None:
            self._running -= 1
            if not found.cancelled():
                done(found.result())

        future.add_done_callback(ended)

        def cancel() -> None:
            future.cancel()

        return cancel

    def tick(self, now: float) -> None:
        """Nothing is due."""

    def close(self) -> None:
        """End the threads."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, infer: Infer) -> Outcome:
        wanted = [one.name for one in infer.outputs] or self._all
        if not set(wanted) <= set(self._all):
            return Refused(400, "the model has no output of that name")
        given = {one.name: _given(one) for one in infer.inputs}
        try:
            found = self._session.run(wanted, given)
        except Exception:  # noqa: BLE001 - onnxruntime's exceptions share no parent
            return Refused(500, "the model fails on this input")
        return tuple(_tensor(name, array) for name, array in zip(wanted, found, strict=True))

    def _seconds(self, signature: Signature) -> float:
        """Median time of a forward pass on one sample of zeros; 0 where the model takes none."""
        given = tuple(_zeros(spec) for spec in signature.inputs)
        took = []
        for _ in range(TRIALS):
            start = time.perf_counter()
            self._run(Infer(None, given, (), binary=False))
            took.append(time.perf_counter() - start)
        return median(took)


def model_name(path: Path) -> str:
    """The file's name without its suffix, in characters that a path of the protocol has."""
    name = "".join(
        char if char.isascii() and (char.isalnum() or char in "_.-") else "_" for char in path.stem
    )
    return name[:128] or "model"


def _nothing() -> None:
    return


def _signature(session: Any, name: str) -> Signature:
    inputs, outputs = _specs(session.get_inputs()), _specs(session.get_outputs())
    if len(inputs) != len(session.get_inputs()) or not inputs or not outputs:
        shown = ", ".join(f"{one.name} {one.type}" for one in (*session.get_inputs(), *session.get_outputs()))
        raise AncileError(
            "the model takes or gives no plain tensors",
            value=plain(shown),
            remedy="export it with tensors alone; from scikit-learn with options={'zipmap': False}",
        )
    return Signature(name, "onnxruntime_onnx", inputs, outputs)


def _specs(nodes: Any) -> tuple[Spec, ...]:
    """Tensors among the nodes; an axis that is named or unknown has any length."""
    return tuple(
        Spec(one.name, TENSORS[one.type], tuple(axis if isinstance(axis, int) else -1 for axis in one.shape))
        for one in nodes
        if one.type in TENSORS
    )


def _zeros(spec: Spec) -> Tensor:
    shape = tuple(max(axis, 1) for axis in spec.shape)
    if spec.datatype == BYTES:
        return Tensor(spec.name, BYTES, np.full(shape, b"", dtype=object))
    return Tensor(spec.name, spec.datatype, np.zeros(shape, TYPES[spec.datatype]))


def _given(tensor: Tensor) -> NDArray[np.generic]:
    if tensor.datatype != BYTES:
        return tensor.array
    flat = [piece.decode("utf-8", "replace") for piece in tensor.array.ravel().tolist()]
    return np.array(flat, dtype=object).reshape(tensor.array.shape)


def _tensor(name: str, array: NDArray[np.generic]) -> Tensor:
    if array.dtype.kind in "OUS":
        flat = np.empty(array.size, dtype=object)
        flat[:] = [str(piece).encode("utf-8") for piece in array.ravel().tolist()]
        return Tensor(name, BYTES, flat.reshape(array.shape))
    return Tensor(name, NAMES[array.dtype], array)
