"""A Merkle tree over the different rows of a version, in the order of their digests.

A leaf is 32 bytes of SHA-256 and, in 8 bytes, big-endian, how often it is there. Since they are sorted, two
leaves that adjoin prove that nothing between them is there; whether two adjoin follows from the turns of
their paths alone, whatever number of leaves is claimed.

The file holds the leaves, then the hash of every 256 of them that make a complete subtree.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple, Self

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import np
from ancile.trust.merkle import HASH_BYTES, edge_root, leaf_hash, node_hash

COUNT_BYTES = 8
LEAF_BYTES = HASH_BYTES + COUNT_BYTES
BLOCK = 256  # leaves below one stored hash
HELD = 1 << 20  # digests in memory before they go to their drawers
DRAWERS = 64  # by the first six bits of a digest


class Tree(NamedTuple):
    """What is known of a tree without its file: root, different rows, rows in all."""

    root: bytes
    leaves: int
    rows: int


class Sorter:
    """Digests in any number, given back sorted and counted; beyond a million they wait on the disk."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._drawers: list[IO[bytes]] = []

    def add(self, digests: Iterable[bytes]) -> None:
        """Take some more."""
        waiting = iter(digests)
        while some := list(islice(waiting, HELD - len(self._held))):
            self._held += some
            if len(self._held) == HELD:
                self._put_away()

    def _put_away(self) -> None:
        if not self._drawers:
            self._drawers = [TemporaryFile() for _ in range(DRAWERS)]  # noqa: SIM115 - closed in ``sorted``
        rows = np.frombuffer(b"".join(self._held), np.uint8).reshape(-1, HASH_BYTES)
        self._held = []
        place = rows[:, 0] >> 2
        order = np.argsort(place, kind="stable")
        ends = np.searchsorted(place[order], np.arange(1, DRAWERS + 1))
        for drawer, part in zip(self._drawers, np.split(rows[order], ends[:-1]), strict=True):
            drawer.write(part.tobytes())

    def sorted(self) -> Iterator[bytes]:
        """Leaves, drawer by drawer; the drawers are gone then."""
        if self._drawers:
            self._put_away()
        for drawer in self._drawers:
            with drawer:
                drawer.seek(0)
                yield from _counted(drawer.read())
        if not self._drawers:
            yield from _counted(b"".join(self._held))
        self._held, self._drawers = [], []


def _counted(digests: bytes) -> Iterator[bytes]:
    # As four big-endian numbers the order is that of the bytes; numpy's own bytes end at a NUL
    rows = np.frombuffer(digests, ">u8").reshape(-1, 4)
    rows = rows[np.lexsort(rows.T[::-1])]
    first = np.ones(len(rows), np.bool_)
    first[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    starts = np.flatnonzero(first)
    counts = np.diff(starts, append=len(rows)).astype(">u8")
    data = np.concatenate([rows[starts], counts[:, None]], axis=1).astype(">u8").tobytes()
    for at in range(0, len(data), LEAF_BYTES):
        yield data[at : at + LEAF_BYTES]


def write_tree(leaves: Iterator[bytes], file: IO[bytes]) -> Tree:
    """Write the file of a tree over sorted leaves."""
    blocks: list[bytes] = []
    upper: list[tuple[int, bytes]] = []
    lower: list[tuple[int, bytes]] = []  # below the next block
    size = rows = 0
    while some := list(islice(leaves, BLOCK)):
        whole = b"".join(some)
        file.write(whole)
        size += len(some)
        rows += sum(struct.unpack(f">{f'{HASH_BYTES}xQ' * len(some)}", whole))
        if len(some) == BLOCK:
            blocks.append(_block(some))
            _grow(upper, BLOCK.bit_length() - 1, blocks[-1])
        else:
            for leaf in some:
                _grow(lower, 0, leaf_hash(leaf))
    for one in blocks:
        file.write(one)
    return Tree(edge_root([made for _, made in (*upper, *lower)]), size, rows)


def _block(leaves: list[bytes]) -> bytes:
    """The root over as many leaves as a complete subtree has; in place of calls, since there are so many."""
    sha256 = hashlib.sha256
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        level = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=True)
        ]
    return level[0]


def _grow(edge: list[tuple[int, bytes]], height: int, made: bytes) -> None:
    """Put the root of a complete subtree after those that are there; equals join (RFC 9162, 2.1.1)."""
    while edge and edge[-1][0] == height:
        height, made = height + 1, node_hash(edge.pop()[1], made)
    edge.append((height, made))


class RowTree:
    """The file of a tree, asked for hashes and leaves; use it in a ``with``."""

    def __init__(self, path: Path, tree: Tree) -> None:
        self._tree, self._path = tree, path
        wanted = tree.leaves * LEAF_BYTES + tree.leaves // BLOCK * HASH_BYTES
        try:
            self._file = path.open("rb")
        except OSError as reason:
            raise _damaged(path) from reason
        if self._file.seek(0, 2) != wanted or self.hash(0, tree.leaves) != tree.root:
            self._file.close()
            raise _damaged(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """The leaves from ``start`` up to ``stop``."""
        self._file.seek(start * LEAF_BYTES)
        data = self._file.read((stop - start) * LEAF_BYTES)
        return [data[at : at + LEAF_BYTES] for at in range(0, len(data), LEAF_BYTES)]

    def hash(self, start: int, stop: int) -> bytes:
        """The root over the leaves from ``start``, a multiple of a complete subtree, up to ``stop``."""
        edge: list[tuple[int, bytes]] = []
        for one in self._known(start, stop):
            _grow(edge, *one)
        return edge_root([made for _, made in edge])

    def _known(self, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Stored hashes of whole blocks, then leaves, each with its height."""
        whole = stop // BLOCK if start % BLOCK == 0 else 0
        if whole > start // BLOCK:
            self._file.seek(self._tree.leaves * LEAF_BYTES + start // BLOCK * HASH_BYTES)
            data = self._file.read((whole - start // BLOCK) * HASH_BYTES)
            for at in range(0, len(data), HASH_BYTES):
                yield BLOCK.bit_length() - 1, data[at : at + HASH_BYTES]
            start = whole * BLOCK
        for leaf in self.leaves(start, stop):
            yield 0, leaf_hash(leaf)

    def place(self, digest: bytes) -> int:
        """How many leaves have a smaller digest."""
        low, high = 0, self._tree.leaves
        while low < high:
            middle = (low + high) // 2
            (leaf,) = self.leaves(middle, middle + 1)
            low, high = (middle + 1, high) if leaf[:HASH_BYTES] < digest else (low, middle)
        return low


def _damaged(path: Path) -> AncileError:
    return AncileError(
        "the list of a version's rows is damaged or gone",
        value=plain(str(path)),
        remedy="delete that file: the next proof of a row makes it again",
    )
