"""Files read once: the digests of the whole and of its chunks from the same bytes, each in a thread."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from ancile.data.cutting import Sizes, cuts
from ancile.work.hashing import FLAGS, ChangedError, NotRegularError, seen
from ancile.work.listing import Entry, changed, unreadable

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of what is written meanwhile, not of what is read
BLOCK = 16 << 20  # bytes: some dozen chunks, so that threads have work while others wait


class Chunk(NamedTuple):
    """A piece of a file: SHA-256 and bytes."""

    digest: bytes
    data: memoryview


class Digested(NamedTuple):
    """What a file turned out to be: ``sha256:<hex>`` and bytes."""

    digest: str
    size: int


@contextmanager
def opened(entry: Entry) -> Iterator[int]:
    """The descriptor of a file as it was listed; AncileError where it is another one, or becomes one."""
    try:
        descriptor = os.open(entry.path, FLAGS)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode) or seen(before) != entry.seen:
                raise ChangedError
            yield descriptor
            if seen(os.fstat(descriptor)) != entry.seen:
                raise ChangedError
        finally:
            os.close(descriptor)
    except (ChangedError, NotRegularError) as reason:
        raise changed(str(entry.path)) from reason
    except OSError as reason:
        if reason.errno in NO_ROOM:
            raise
        raise unreadable(str(entry.path), reason) from reason


def read_chunks(
    entry: Entry,
    sizes: Sizes,
    take: Callable[[Chunk], None],
    *,
    told: Callable[[int], None] | None = None,
) -> Digested:
    """Give every chunk of a file to ``take``, in order; the digest and size of the whole.

    take  may raise: nothing more is read then
    told  is given the number of bytes of each piece that was taken
    """
    with opened(entry) as descriptor:
        if entry.seen.size <= sizes.least:
            return _small(descriptor, entry, take, told)
        whole, parts = hashlib.sha256(), _Parts(sizes)
        with ExitStack() as stack:
            # One thread each, so that each sees the blocks in their order
            hashing, cutting = (stack.enter_context(ThreadPoolExecutor(1)) for _ in range(2))
            before: tuple[Future[None], Future[list[Chunk]]] | None = None
            read, last = 0, False
            while not last:
                block = _block(descriptor)
                read, last = read + len(block), len(block) < BLOCK
                now = hashing.submit(whole.update, block), cutting.submit(parts.of, block, last=last)
                if before is not None:  # taken while the threads have the next block
                    _taken(before, take, told)
                before = now
            if before is not None:
                _taken(before, take, told)
        if read != entry.seen.size:
            raise ChangedError
    return Digested(f"sha256:{whole.hexdigest()}", read)


def _taken(
    block: tuple[Future[None], Future[list[Chunk]]],
    take: Callable[[Chunk], None],
    told: Callable[[int], None] | None,
) -> None:
    hashed, parts = block
    hashed.result()
    for chunk in parts.result():
        take(chunk)
        if told is not None:
            told(len(chunk.data))


def _block(descriptor: int) -> memoryview:
    """The next bytes, a whole block unless the file ends."""
    whole = memoryview(bytearray(BLOCK))
    filled = 0
    while filled < BLOCK and (length := os.readv(descriptor, [whole[filled:]])):
        filled += length
    return whole[:filled]


class _Parts:
    """Chunks of blocks that follow each other; what comes after the last cut waits for the next block."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._rest = memoryview(b"")

    def of(self, block: memoryview, *, last: bool) -> list[Chunk]:
        data = memoryview(b"".join((self._rest, block))) if self._rest else block
        found, start = [], 0
        for end in cuts(data, self._sizes, last=last):
            piece = data[start:end]
            found.append(Chunk(hashlib.sha256(piece).digest(), piece))
            start = end
        self._rest = data[start:]
        return found


def _small(
    descriptor: int, entry: Entry, take: Callable[[Chunk], None], told: Callable[[int], None] | None
) -> Digested:
    """A file of one chunk: its digest is that of the whole; of an empty one there is none."""
    data = os.read(descriptor, entry.seen.size + 1)
    if len(data) != entry.seen.size:
        raise ChangedError
    digest = hashlib.sha256(data).digest()
    if data:
        take(Chunk(digest, memoryview(data)))
        if told is not None:
            told(len(data))
    return Digested(f"sha256:{digest.hex()}", len(data))
