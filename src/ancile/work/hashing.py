"""Files hashed in threads, each opened and read once: hashlib works without the interpreter's lock.

SHA-256 (FIPS 180-4) always, since it is a file's name here; BLAKE2b (RFC 7693, 64 bytes) from the same bytes
where somebody else's signature names files by it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

CHUNK = 1 << 20  # bytes read at once: a core's cache holds it between the copy and the hash
LOOK_SECONDS = 0.2  # between two words on how far the work has come
# No link is followed, and a pipe without a writer does not hold us: it is refused once it is open
FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW

Progress = Callable[[int, int], None]


class Hashed(NamedTuple):
    """What a file was when it was read; digests in hexadecimal.

    blake2b  empty where it was not asked for
    seen     what tells this file in this state from any other
    """

    sha256: str
    size: int
    seen: Seen
    blake2b: str = ""


class Seen(NamedTuple):
    """Which file it is, and when its bytes were last written; a rewrite of one size changes the times."""

    device: int
    inode: int
    size: int
    written_ns: int
    changed_ns: int


class ChangedError(Exception):
    """A file changed while it was read."""


class NotRegularError(Exception):
    """A pipe, a device, a socket or a folder stands where a file is to be."""


def seen(info: os.stat_result) -> Seen:
    """What is kept of a file's ``stat``."""
    return Seen(info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)


def hash_file(path: Path, *, blake2b: bool = False, told: Callable[[int], None] | None = None) -> Hashed:
    """The digests of a regular file; OSError, NotRegularError or ChangedError where there are none.

    told  is given the number of bytes of each piece that was read
    """
    descriptor = os.open(path, FLAGS)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise NotRegularError
        hashes = [hashlib.sha256()] + [hashlib.blake2b()] * blake2b
        read = 0
        for piece in _pieces(descriptor, min(CHUNK, before.st_size + 1)):
            for one in hashes:
                one.update(piece)
            read += len(piece)
            if told is not None:
                told(len(piece))
            if read > before.st_size:  # somebody writes faster than we read
                raise ChangedError
        if read != before.st_size or seen(os.fstat(descriptor)) != seen(before):
            raise ChangedError
    finally:
        os.close(descriptor)
    digests = [one.hexdigest() for one in hashes]
    return Hashed(digests[0], read, seen(before), digests[1] if blake2b else "")


def _pieces(descriptor: int, size: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(size))
    while length := os.readv(descriptor, [buffer]):
        yield buffer[:length]


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


class _Shared:
    """What the threads of one call share: files that wait, what was found, and the word to stop."""

    def __init__(self, paths: Sequence[Path], sizes: Sequence[int]) -> None:
        # Largest first: the last file to be done is then a small one, and no core waits long
        self.waiting = deque(sorted(range(len(paths)), key=lambda index: -sizes[index]))
        self.found: dict[int, Hashed] = {}
        self.failed: dict[int, Exception] = {}
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self.done = 0

    def told(self, length: int) -> None:
        """Count bytes; InterruptedError once the caller has gone."""
        with self._lock:
            self.done += length
        if self.stopped.is_set():
            raise InterruptedError


def hash_files(
    paths: Sequence[Path],
    sizes: Sequence[int],
    *,
    blake2b: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Hashed | Exception]:
    """For each path its digests, or the OSError, NotRegularError or ChangedError that kept them away.

    sizes     bytes of each file, for the order of work
    workers   threads; as many as there are cores without it
    progress  is told bytes read and bytes in all, now and then, from the calling thread
    """
    shared, total = _Shared(paths, sizes), sum(sizes)

    def work() -> None:
        while not shared.stopped.is_set():
            try:
                index = shared.waiting.popleft()
            except IndexError:
                return
            try:
                shared.found[index] = hash_file(paths[index], blake2b=blake2b, told=shared.told)
            except (OSError, NotRegularError, ChangedError) as reason:
                shared.failed[index] = reason

    count = max(1, min(cores() if workers is None else workers, len(paths)))
    threads = [threading.Thread(target=work, name=f"ancile-hash-{n}") for n in range(count)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            alive = True
            while alive:
                thread.join(LOOK_SECONDS)
                alive = thread.is_alive()
                if progress is not None:
                    progress(min(shared.done, total), total)
    finally:
        shared.stopped.set()  # Ctrl-C: each thread ends within a piece
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    return [shared.found.get(index) or shared.failed[index] for index in range(len(paths))]
