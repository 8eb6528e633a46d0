"""The process that holds keys and ledger: it starts the worker, seals what that records, and ends it.

It has no socket of its own and reads nothing of the network but the worker's journal, as hostile input.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from socket import AF_INET6, create_server, socket
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.serve.segment import KIND, sealed_journals, segments, statement_of, waiting
from ancile.serve.worker import JOURNAL, Failed, Order, Serving
from ancile.trust.dsse import sign
from ancile.trust.key import AuthorKey, NoteKey
from ancile.trust.ledger import Draft, Ledger
from ancile.trust.notary import sign_head
from ancile.trust.private_file import sync_folder

START_SECONDS = 300.0  # a large model on a slow disk, and a reference set to learn from
END_SECONDS = 20.0  # the worker's own drain is half of it
LARGEST_WORD = 1 << 20
POLL_SECONDS = 0.5
SECRET = re.compile("PASS(PHRASE|WORD)|SECRET|TOKEN|CREDENTIAL|KEY", re.IGNORECASE)


class Sealer(NamedTuple):
    """Writes journals into the ledger.

    folder  of the journals
    most    records of a segment
    done    segments that the ledger holds, of journals that could not be removed yet
    policy  digest of what is in force while the journals are written; empty where that cannot be told
    changes puts what was changed of users into the ledger as well
    heard   is called whenever all that could be sealed is
    """

    ledger: Ledger
    author: AuthorKey
    log: NoteKey
    folder: Path
    most: int
    now: Callable[[], datetime]
    done: set[str]
    policy: str = ""
    changes: Callable[[], object] = lambda: None
    heard: Callable[[], object] = lambda: None

    def seal(self, *, dead: bool = False) -> int:
        """Records sealed, each durable under a signed checkpoint before its journal is removed.

        dead  take journals that are still open as well: nobody writes to them any more
        """
        self.changes()
        count = 0
        for path in waiting(self.folder, dead=dead):
            parts = []
            for part in segments(path, most=self.most):
                parts.append(part.journal)
                if part.journal not in self.done:
                    envelope = sign(statement_of(part, policy=self.policy), [self.author])
                    self.ledger.append([Draft(KIND, self.author.public.id_bytes, envelope)])
                    self.done.add(part.journal)
                    count += len(part.lines)
            if parts:
                sign_head(self.ledger, self.log, clock=self.now)
            path.unlink()
            sync_folder(self.folder)
            self.done.difference_update(parts)
        self.heard()
        return count

    def recover(self) -> int:
        """Seal what a run before left behind, and nothing of it twice."""
        if not waiting(self.folder, dead=True):
            return 0
        self.done.update(sealed_journals(self.ledger))
        count = self.seal(dead=True)
        self.done.clear()
        return count


def listening(host: str, port: int) -> socket:
    """A bound socket, or the error that says why there is none."""
    try:
        return create_server((host, port), family=AF_INET6 if ":" in host else 2, backlog=1024)
    except (OSError, OverflowError) as reason:
        told = getattr(reason, "strerror", None) or str(reason)
        raise AncileError(
            "the port cannot be listened at",
            value=plain(f"{host}:{port}: {told}"),
            remedy="choose another with --port, or end the program that has it",
        ) from reason


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables without those whose names speak of secrets: passphrases stay with the keys."""
    return {name: value for name, value in environment.items() if not SECRET.search(name)}


class Worker:
    """The running worker; use it in a ``with``."""

    def __init__(self, order: Order, bound: socket) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ancile.serve.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(bound.fileno(),),
            env=worker_environment(os.environ),
        )
        self._send(msgspec.json.encode(order) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _send(self, data: bytes) -> None:
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.write(data)
                self._process.stdin.flush()

    def word(self) -> Serving:
        """That it serves; AncileError where it says why not, or ends without a word."""
        out = self._process.stdout
        line = b""
        if out is not None and select.select([out], [], [], START_SECONDS)[0]:
            line = out.readline(LARGEST_WORD)
        try:
            said = msgspec.json.decode(line, type=Serving | Failed)
        except msgspec.MsgspecError as reason:
            raise AncileError(
                "the gateway's worker did not start",
                value=f"it ended with {self._process.poll()}",
                remedy="see what it said above",
            ) from reason
        if isinstance(said, Failed):
            raise AncileError(said.what, value=said.value, remedy=said.remedy)
        return said

    def wait(self, stop: threading.Event, tick: Callable[[], None]) -> None:
        """Until ``stop`` is set; AncileError where the worker ends by itself."""
        while not stop.wait(POLL_SECONDS):
            tick()
            if (code := self._process.poll()) is not None:
                raise AncileError(
                    "the gateway's worker ended",
                    value=f"signal {-code}" if code < 0 else f"exit code {code}",
                    remedy="its records are in the ledger; start `ancile serve` again",
                )

    def end(self) -> None:
        """Ask it to drain, and wait for that; it is killed where it takes too long."""
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def supervise(
    order: Order,
    bound: socket,
    sealer: Sealer,
    *,
    told: Callable[[Serving], None],
    say: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT; what was recorded is in the ledger when this returns.

    told  hears once that it serves
    say   hears of what went wrong and is tried again
    """
    stop = threading.Event()
    previous = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    sealing = _Sealing(sealer, say)
    try:
        with Worker(order, bound) as worker:
            bound.close()
            told(worker.word())
            worker.wait(stop, sealing.tick)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        sealer.seal(dead=True)


class _Sealing:
    """Sealing that is tried again where it fails, and says so once; with no room the worker refuses."""

    def __init__(self, sealer: Sealer, say: Callable[[str], None]) -> None:
        self._sealer, self._say = sealer, say
        self._failed = ""
        self._next = 0.0

    def tick(self) -> None:
        if time.monotonic() < self._next:
            return
        try:
            self._sealer.seal()
        except AncileError as error:
            self._next = time.monotonic() + 10 * POLL_SECONDS
            if str(error) != self._failed:
                self._say(f"records wait for the ledger: {error}")
            self._failed = str(error)
        else:
            self._failed = ""


def journal_of(folder: Path) -> Path:
    """Where a worker of this folder writes."""
    return folder / JOURNAL
