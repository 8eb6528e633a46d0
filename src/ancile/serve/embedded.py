"""A model in this process, one thread a request, inline while it is fast.

The worker that runs it has neither keys nor ledger: what reads it is native code.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.formats.identify import identify
from ancile.formats.source import Source
from ancile.models.source import read_once
from ancile.numeric import np
from ancile.serve.backend import Cancel, Done, Outcome
from ancile.serve.inference import Infer
from ancile.serve.refusal import Refused
from ancile.serve.signature import Signature, Spec
from ancile.serve.tensors import BYTES, TYPES, Tensor

INLINE_SECONDS = 0.002  # a forward pass that holds up all other requests for no longer
THREADS = 2
WAITING = 64  # requests in or before the threads; more are refused
TRIALS = 5
THREADS_VARIABLE = "OMP_NUM_THREADS"
PROCESSES_VARIABLE = "JOBLIB_MULTIPROCESSING"


class Answering(NamedTuple):
    """A model that was opened: what it takes and gives, and what answers a request with the outputs named."""

    signature: Signature
    run: Callable[[Infer, list[str]], tuple[Tensor, ...]]


class Embedded:
    """A model of this process; its name is that of its file.

    expected   digest of the bytes that may be loaded
    reference  data that shows the shape of a sample, where the model's file does not say
    """

    def __init__(
        self,
        path: Path,
        *,
        loop: asyncio.AbstractEventLoop,
        expected: str | None = None,
        reference: str | None = None,
    ) -> None:
        source = read_once(path)
        if expected not in (None, source.digest):
            raise AncileError(
                "the model changed after its evidence was looked at",
                value=plain(f"{path}: {source.digest}"),
                remedy="start again when nothing writes to it",
            )
        self.digest = source.digest
        self._loop = loop
        signature, self._answer = _opened(source, reference)
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
        try:
            return self._answer(infer, wanted)
        except Exception:  # noqa: BLE001 - what the libraries raise shares no parent
            return Refused(500, "the model fails on this input")

    def _seconds(self, signature: Signature) -> float:
        """Median time of a forward pass on one sample of zeros; 0 where the model takes none."""
        given = tuple(_zeros(spec) for spec in signature.inputs)
        took = []
        for _ in range(TRIALS):
            start = time.perf_counter()
            self._run(Infer(None, given, (), binary=False))
            took.append(time.perf_counter() - start)
        return median(took)


def _opened(source: Source, reference: str | None) -> Answering:
    """The model by what its bytes are, whatever the file is called."""
    name, kind = model_name(source.path), identify(source.data)
    if kind == "onnx":
        from ancile.serve.embedded_onnx import onnx_answering  # noqa: PLC0415 - others need no onnxruntime

        return onnx_answering(source.data, name)
    # One thread a request: a library that starts as many as there are cores takes them from other requests.
    os.environ.setdefault(THREADS_VARIABLE, "1")
    os.environ.setdefault(PROCESSES_VARIABLE, "0")
    from ancile.serve.embedded_scores import scores_answering  # noqa: PLC0415 - an extra of its own each

    return scores_answering(source, name, reference)


def model_name(path: Path) -> str:
    """The file's name without its suffix, in characters that a path of the protocol has."""
    name = "".join(
        char if char.isascii() and (char.isalnum() or char in "_.-") else "_" for char in path.stem
    )
    return name[:128] or "model"


def _nothing() -> None:
    return


def _zeros(spec: Spec) -> Tensor:
    shape = tuple(max(axis, 1) for axis in spec.shape)
    if spec.datatype == BYTES:
        return Tensor(spec.name, BYTES, np.full(shape, b"", dtype=object))
    return Tensor(spec.name, spec.datatype, np.zeros(shape, TYPES[spec.datatype]))
