"""The process that holds keys and ledger: it starts the workers, seals what they record, and ends them.

It has no socket of its own and reads nothing of the network but the workers' journals, as hostile input.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from socket import AF_INET6, create_server, socket
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.serve.crew import Crew
from ancile.serve.renewal import Crews, Read
from ancile.serve.segment import KIND, leave, sealed_journals, segments, statement_of, waiting
from ancile.serve.shared.passing import Passing
from ancile.serve.worker import JOURNAL, Serving
from ancile.trust.dsse import sign
from ancile.trust.key import AuthorKey, NoteKey
from ancile.trust.ledger import Draft, Ledger
from ancile.trust.notary import sign_head
from ancile.trust.private_file import locked, sync_folder

POLL_SECONDS = 0.1
SEAL_SECONDS = 0.5
AGAIN_SECONDS = 5.0  # after sealing failed


class Sealer(NamedTuple):
    """Writes journals into the ledger.

    folder  of the journals
    most    records of a segment
    done    segments that the ledger holds, of journals that could not be removed yet
    policy  digest of what is in force while a journal is written; empty where that cannot be told
    changes puts what was changed of users into the ledger as well
    heard   is called whenever all that could be sealed is
    passing where several hosts share a database: journals come from there, or go there with ``away``
    away    whether another host keeps the ledger
    """

    ledger: Ledger
    author: AuthorKey
    log: NoteKey
    folder: Path
    most: int
    now: Callable[[], datetime]
    done: set[str]
    policy: Callable[[Path], str] = lambda _: ""
    changes: Callable[[], object] = lambda: None
    heard: Callable[[], object] = lambda: None
    passing: Passing | None = None
    away: bool = False

    def seal(self, *, dead: bool = False) -> int:
        """Records sealed, each durable under a signed checkpoint before its journal is removed.

        dead  take journals that are still open as well, as far as nobody writes to them any more
        """
        with locked(self.folder):  # of the same home another gateway may seal as well
            return self._sealed(dead=dead)

    def _sealed(self, *, dead: bool) -> int:
        self.changes()
        if self.passing is not None and self.away:
            return self.passing.post(self.folder, dead=dead)
        count = 0
        for path in waiting(self.folder, dead=dead):
            parts = []
            for part in segments(path, most=self.most):
                parts.append(part.journal)
                if part.journal not in self.done:
                    envelope = sign(statement_of(part, policy=self.policy(path)), [self.author])
                    self.ledger.append([Draft(KIND, self.author.public.id_bytes, envelope)])
                    self.done.add(part.journal)
                    count += len(part.lines)
            if parts:
                sign_head(self.ledger, self.log, clock=self.now)
            path.unlink()
            sync_folder(self.folder)
            self.done.difference_update(parts)
        self.heard()
        if self.passing is not None and not dead:  # they are sealed the next time
            self.passing.fetch(self.folder)
        return count

    def recover(self) -> int:
        """Seal what a run before left behind, and nothing of it twice."""
        shares = self.passing is not None and not self.away
        if not shares and not waiting(self.folder, dead=True):
            return 0
        self.done.update(sealed_journals(self.ledger))
        count = self.seal(dead=True)
        if not shares:  # else a journal that was fetched before a crash may come once more
            self.done.clear()
        return count


def listening(host: str, port: int) -> socket:
    """A bound socket, or the error that says why there is none."""
    try:
        host.encode("idna")  # what is no name would leave the socket that was made for it open
        return create_server((host, port), family=AF_INET6 if ":" in host else 2, backlog=1024)
    except (OSError, OverflowError, UnicodeError) as reason:
        told = getattr(reason, "strerror", None) or str(reason)
        raise AncileError(
            "the port cannot be listened at",
            value=plain(f"{host}:{port}: {told}"),
            remedy="choose another with --port, or end the program that has it",
        ) from reason


def supervise(
    first: Read,
    bound: socket,
    sealer: Sealer,
    *,
    count: int,
    told: Callable[[Serving], None],
    say: Callable[[str], None],
    read: Callable[[], Read],
    lend: Callable[[], socket] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; what was recorded is in the ledger when this returns.

    count  of workers
    told   hears once that they serve
    lend   makes the socket that a worker asks for budgets at, where it counts none itself
    say    hears of what went wrong and is tried again
    read   what ``first`` was, read again at SIGHUP
    """
    asked = _Asked()
    said = {signal.SIGTERM: asked.to_stop, signal.SIGINT: asked.to_stop, signal.SIGHUP: asked.hung_up}
    previous = {number: signal.signal(number, lambda *_, do=do: do()) for number, do in said.items()}
    left = lambda pid: leave(sealer.folder, pid)  # noqa: E731 - of one argument
    try:
        made = lambda order: Crew(order, bound, count=count, left=left, say=say, lend=lend)  # noqa: E731 - likewise
        crews = Crews(first, made, say=say)
        sealer = sealer._replace(policy=crews.policy)
        sealing = _Sealing(sealer, say)
        try:
            told(crews.words())
            while not asked.stop:
                if asked.again and not crews.renewing:
                    asked.again = False
                    crews.renew(read)
                crews.look()
                sealing.tick()
                time.sleep(POLL_SECONDS)
        finally:
            bound.close()
            crews.end()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        sealer.seal(dead=True)


class _Asked:
    """What signals ask for.

    Plain values: a handler that comes while its own thread holds the lock of a ``threading.Event`` waits for
    ever.
    """

    def __init__(self) -> None:
        self.stop = self.again = False
        self._terminal = sys.stderr.isatty()

    def to_stop(self) -> None:
        self.stop = True

    def hung_up(self) -> None:
        """To read again; of a terminal that is gone, which sends SIGHUP as well, the end."""
        if self._terminal and not sys.stderr.isatty():
            self.stop = True
        else:
            self.again = True


class _Sealing:
    """Sealing that is tried again where it fails, and says so once; with no room the worker refuses."""

    def __init__(self, sealer: Sealer, say: Callable[[str], None]) -> None:
        self._sealer, self._say = sealer, say
        self._failed = ""
        self._next = 0.0

    def tick(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SEAL_SECONDS
        try:
            self._sealer.seal()
        except AncileError as error:
            self._next = time.monotonic() + AGAIN_SECONDS
            if str(error) != self._failed:
                self._say(f"records wait for the ledger: {error}")
            self._failed = str(error)
        else:
            self._failed = ""


def journal_of(folder: Path) -> Path:
    """Where a worker of this folder writes."""
    return folder / JOURNAL
