"""Files scanned by several processes at once, told in the order in which they were asked for.

Each process is given one file at a time over its standard input and answers on its standard output: a length,
then msgpack. Which file a process that dies was at is therefore known, and the others go on.
"""

from __future__ import annotations

import os
import selectors
import signal
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import IO, NamedTuple

import msgspec

from ancile.core.errors import AncileError

LENGTH = struct.Struct("<Q")
BOOT = "import sys; sys.path[:] = sys.argv[1:]; from ancile.scan.files import serve; serve()"
END_SECONDS = 2.0  # until a process whose pipe has ended is gone as well


class Job(NamedTuple):
    """A file that a process is asked to scan; its path as the system has it."""

    path: bytes
    shown: str
    digest: bool


class Answer(NamedTuple):
    """What became of the job of this number: an answer, or why there is none."""

    number: int
    body: bytes
    fault: str = ""


def send(stream: IO[bytes], body: bytes) -> None:
    """A message on a pipe."""
    stream.write(LENGTH.pack(len(body)) + body)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """The next message of a pipe; None where the other side has ended."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    body = stream.read(size)
    return body if len(body) == size else None


class _Worker:
    """A process, and the number of the job that it is at."""

    def __init__(self) -> None:
        self.number = -1
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", BOOT, *(os.path.realpath(one) for one in sys.path if one)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is the parent's alone, which ends its workers
            )
        except OSError as reason:
            raise AncileError(
                "no further process could be started",
                value=reason.strerror or str(reason),
                remedy="free memory, or let other processes end",
            ) from reason
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a process without pipes")
        self._given: IO[bytes] = self._process.stdin
        self.answers: IO[bytes] = self._process.stdout

    def give(self, number: int, job: Job) -> None:
        self.number = number
        with suppress(BrokenPipeError):  # it has died, which its answers tell
            send(self._given, msgspec.msgpack.encode(job))

    def answer(self) -> Answer:
        """Its answer, waited for; where it has died, how."""
        body = receive(self.answers)
        if body is not None:
            return Answer(self.number, body)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        code = self.end()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Answer(self.number, b"", f"the process that read it ended: {how}")

    def end(self) -> int:
        """End it, whatever it is at: its exit code."""
        self._process.kill()
        self.answers.close()
        with suppress(BrokenPipeError):
            self._given.close()
        return self._process.wait()


def spread(jobs: Sequence[Job], workers: int, done: Callable[[], None]) -> Iterator[Answer]:
    """The answers, in the order of the jobs.

    done  called as soon as another one has come
    """
    early: dict[int, Answer] = {}
    wanted = 0
    for one in _answers(jobs, workers):
        done()
        early[one.number] = one
        while wanted in early:
            yield early.pop(wanted)
            wanted += 1


def _answers(jobs: Sequence[Job], workers: int) -> Iterator[Answer]:
    """The answers as they come; a process that died is replaced while there is work."""
    left = deque(enumerate(jobs))
    crew: set[_Worker] = set()
    with selectors.DefaultSelector() as selector:
        try:
            while left or crew:
                while left and len(crew) < workers:
                    worker = _Worker()
                    crew.add(worker)
                    selector.register(worker.answers, selectors.EVENT_READ, worker)
                    worker.give(*left.popleft())
                for key, _ in selector.select():
                    worker = key.data
                    one = worker.answer()
                    if left and not one.fault:
                        worker.give(*left.popleft())
                    else:
                        selector.unregister(key.fileobj)
                        crew.discard(worker)
                        worker.end()
                    yield one
        finally:
            for worker in crew:
                worker.end()
