"""Records of verdicts on their way into the ledger: a line each in files that only grow.

A line is written before its answer leaves, so a killed process loses none that was answered. What a loss of
power may take is bounded by a rule on the answers: while the oldest record that is not on the disk is older
than the bound, answers wait for the disk. Files that are whole are sealed into the ledger by another process,
and removed; when too much waits for that, every request is refused, and nothing is dropped. An open file is
locked by whoever writes to it, so that nobody takes it for one that a dead process left.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.trust.private_file import make_private_folder, sync_folder

OPEN, WHOLE = ".open", ".whole"
Leave = Callable[[bool], None]  # an answer that may leave, or (False) never may
SHARE = 0.4  # of the bound, after which the disk is asked: what is left is the disk's own time


class Journal:
    """Where a worker writes; one thread, in an event loop.

    folder   of the files
    durable  seconds that a record may be without the disk when an answer leaves; 0: none may
    records  of a file, about: it is closed at the next tick
    seconds  after which a file that holds any is closed
    room     bytes of all files
    """

    def __init__(
        self,
        folder: Path,
        *,
        loop: asyncio.AbstractEventLoop,
        durable: float,
        records: int,
        seconds: float,
        room: int,
    ) -> None:
        make_private_folder(folder)
        self._folder, self._loop = folder, loop
        self._durable, self._most, self._seconds, self._room = durable, records, seconds, room
        self._number, self._start = 0, f"{time.time_ns():020d}-{os.getpid()}"
        self._waiting: list[Leave] = []  # answers, for the sync that begins next
        self._syncing: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._oldest: float | None = None  # record that no sync was asked for, in the loop's time
        self._in_sync: float | None = None  # and the oldest that the running one is for
        self._before = 0  # bytes of files that were there at the last count
        self.broken = ""  # why nothing can be written any more
        self._begin()

    def _begin(self) -> None:
        self._number += 1
        self._path = self._folder / f"{self._start}-{self._number:08d}{OPEN}"
        self._file = os.open(
            self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sync_folder(self._folder)
        self._bytes = self._count = 0
        self._born = self._loop.time()

    @property
    def full(self) -> bool:
        """Whether no further request may be taken."""
        return bool(self.broken) or self._before + self._bytes >= self._room

    def add(self, line: bytes) -> None:
        """Write a record; AncileError where the disk takes none, and then nothing of it is left."""
        if self.broken:
            raise _failed(self.broken)
        try:
            written = os.write(self._file, line)
            if written != len(line):
                os.ftruncate(self._file, self._bytes)
                raise _failed("the disk is full")
        except OSError as reason:
            raise _failed(reason.strerror or "input/output error") from reason
        self._bytes += written
        self._count += 1
        if self._oldest is None:
            self._oldest = self._loop.time()
        if self._timer is None and self._syncing is None:
            self._timer = self._loop.call_later(self._durable * SHARE, self._sync)

    def then(self, answer: Leave) -> None:
        """Let an answer leave: now where the bound allows it, else once all records are on the disk."""
        oldest = self._oldest if self._in_sync is None else self._in_sync
        if oldest is not None and self._loop.time() - oldest >= self._durable:
            self._waiting.append(answer)
        else:
            answer(True)

    def tick(self) -> None:
        """Once a second: count what waits, and close a file that is old or long enough."""
        with suppress(OSError):  # what cannot be counted now, is as it was
            self._before = sum(map(self._size_of, self._folder.iterdir()))
        old = self._loop.time() - self._born >= self._seconds
        if self._count and (old or self._count >= self._most) and self._syncing is None and not self.broken:
            try:
                self._end()
                self._begin()
            except OSError as reason:
                self.broken = reason.strerror or "input/output error"

    def _size_of(self, path: Path) -> int:
        with suppress(FileNotFoundError):  # the other process has sealed it meanwhile
            return 0 if path == self._path else path.stat().st_size
        return 0

    async def close(self) -> None:
        """Put everything on the disk and let the last file be sealed."""
        if self._syncing is not None:
            await asyncio.wait([self._syncing])
        try:
            self._end()
        except OSError as reason:
            self.broken = reason.strerror or "input/output error"

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._file < 0:  # the last one ended, and there was no room for another
            return
        os.fsync(self._file)
        if self._count:
            self._path.rename(self._path.with_suffix(WHOLE))
        else:
            self._path.unlink()
        os.close(self._file)  # after its name says that it is whole: with it the lock goes
        self._file = -1
        sync_folder(self._folder)
        waiting, self._waiting, self._oldest, self._timer = self._waiting, [], None, None
        for answer in waiting:
            answer(True)

    def _sync(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, []
        self._in_sync, self._oldest = self._oldest, None
        self._syncing = self._loop.run_in_executor(None, os.fdatasync, self._file)
        self._syncing.add_done_callback(lambda done: self._synced(done, waiting))

    def _synced(self, done: asyncio.Future[None], waiting: list[Leave]) -> None:
        self._syncing = self._in_sync = None
        reason = None if done.cancelled() else done.exception()
        if reason is not None:
            self.broken = str(reason)
        for answer in waiting:
            answer(not self.broken)
        if self._waiting:
            self._sync()
        elif self._oldest is not None:
            self._timer = self._loop.call_at(self._oldest + self._durable * SHARE, self._sync)


def is_written(path: Path) -> bool:
    """Whether a process that lives writes to this journal."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def journals_of(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Files with these ends, the oldest first; what is no plain file is nobody's journal."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.suffix in suffixes]
    return sorted(path for path in found if stat.S_ISREG(path.lstat().st_mode))


def _failed(why: str) -> AncileError:
    return AncileError("the record cannot be written", value=why, remedy="make room on the disk")
