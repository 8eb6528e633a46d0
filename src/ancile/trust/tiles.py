"""C2SP tlog-tiles v0.1.0: paths, entry bundles, tiles that grow, and subtree hashes read from tiles."""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.trust.merkle import HASH_BYTES, leaf_hash, node_hash

HEIGHT = 8  # tree levels in a tile
WIDTH = 256  # hashes in a full tile
MAX_LEAF_BYTES = 65_535  # a bundle writes each length as big-endian uint16
CACHED_TILES = 1_024  # expanded tiles of 16 KiB: 16 MiB of memory, the paths of 262,144 neighbouring leaves


class Tile(NamedTuple):
    """Where a tile stands: its level (0 holds leaf hashes) and its number in that level."""

    level: int
    n: int


def tile_path(level: int | str, n: int, *, width: int = WIDTH) -> str:
    """``tile/<L>/<N>[.p/<W>]``; a bundle of entries has the level "entries"."""
    groups = [f"{n % 1000:03d}"]
    while n := n // 1000:
        groups.append(f"x{n % 1000:03d}")
    return f"tile/{level}/{'/'.join(reversed(groups))}" + (f".p/{width}" if width < WIDTH else "")


def entry_bundle(leaves: Sequence[bytes]) -> bytes:
    """Up to 256 leaves, each behind its length as big-endian uint16."""
    return b"".join(struct.pack(">H", len(leaf)) + leaf for leaf in leaves)


def parse_bundle(data: bytes) -> list[bytes]:
    """The leaves of an entry bundle; AncileError when a length leads beyond its end or it holds over 256."""
    leaves: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or at > len(data) or len(leaves) == WIDTH:
            raise AncileError(
                "an entry bundle is malformed",
                value=f"{len(data)} bytes, {len(leaves)} entries read",
                remedy="fetch the bundle again; C2SP tlog-tiles says how it is written",
            )
        leaves.append(data[start:at])
    return leaves


class Width(NamedTuple):
    """A tile and how many hashes of it exist at some tree size."""

    tile: Tile
    width: int


def widths(size: int) -> list[Width]:
    """Every tile of a tree of ``size`` leaves, level by level; a tile without hashes is not listed."""
    found, level, hashes = [], 0, size
    while hashes:
        full, rest = divmod(hashes, WIDTH)
        found += [Width(Tile(level, index), WIDTH) for index in range(full)]
        if rest:
            found.append(Width(Tile(level, full), rest))
        level, hashes = level + 1, full
    return found


def partial_tiles(size: int) -> list[Width]:
    """The tiles of a tree of ``size`` leaves that have room for more, at most one a level."""
    hashes = [size >> HEIGHT * level for level in range(size.bit_length() // HEIGHT + 1)]
    return [Width(Tile(level, n >> HEIGHT), n % WIDTH) for level, n in enumerate(hashes) if n % WIDTH]


class Growth(NamedTuple):
    """What appending leaves changes: the edge after it and the new content of each touched tile."""

    edge: list[bytes]
    tiles: dict[Tile, bytes]


def grow(leaves: Sequence[bytes], *, size: int, edge: Sequence[bytes], tiles: Mapping[Tile, bytes]) -> Growth:
    """The tree of ``size`` leaves after appending.

    edge     complete subtrees of the old tree, largest first (``merkle.edge_of``)
    tiles    content of every partial tile of the old tree; full ones are not needed
    Cost: 2 hashes a leaf.
    """
    new_edge, touched = list(edge), dict[Tile, bytearray]()
    for position, leaf in enumerate(leaves, size):
        found, index, level = leaf_hash(leaf), position, 0
        while True:  # found is the hash of the complete subtree (level, index)
            if level % HEIGHT == 0:
                at = Tile(level // HEIGHT, index // WIDTH)
                content = touched.get(at)
                if content is None:
                    content = touched[at] = bytearray(tiles.get(at, b""))
                content += found
            if not index & 1:
                break
            found, index, level = node_hash(new_edge.pop(), found), index >> 1, level + 1
        new_edge.append(found)
    return Growth(new_edge, {at: bytes(content) for at, content in touched.items()})


class Expanded(NamedTuple):
    """A tile with all complete subtrees inside it: ``inside[k]`` are the hashes k levels above its lowest."""

    width: int
    inside: tuple[bytes, ...]


def expanded(hashes: bytes) -> Expanded:
    """A tile's own hashes and those of every complete subtree within its eight levels."""
    inside, row = [hashes], hashes
    for _ in range(HEIGHT - 1):
        pairs = len(row) // (2 * HASH_BYTES)
        row = b"".join(
            node_hash(row[64 * i : 64 * i + 32], row[64 * i + 32 : 64 * i + 64]) for i in range(pairs)
        )
        inside.append(row)
    return Expanded(len(hashes) // HASH_BYTES, tuple(inside))


class Nodes:
    """Hashes of complete subtrees, read from tiles; a bounded number of tiles stays expanded.

    read    a tile's content, at least as wide as the tree that is asked about; it may grow between calls
    """

    def __init__(self, read: Callable[[Tile], bytes], *, capacity: int = CACHED_TILES) -> None:
        self._read = read
        self._capacity = capacity
        self._cache: OrderedDict[tuple[int, int], Expanded] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, level: int, index: int) -> bytes:
        """Hash of the complete subtree (level, index); AncileError when its tile does not hold it."""
        height, inner = divmod(level, HEIGHT)
        place = index << inner  # of its first hash in the tile's lowest level
        key = (height, place >> HEIGHT)
        tile = self._cache.get(key)
        needed = (place & (WIDTH - 1)) + (1 << inner)
        if tile is None or tile.width < needed:
            tile = self._load(key, needed)
        at = (index & ((WIDTH >> inner) - 1)) * HASH_BYTES
        return tile.inside[inner][at : at + HASH_BYTES]

    def _load(self, key: tuple[int, int], needed: int) -> Expanded:
        tile = expanded(self._read(Tile(*key)))
        if tile.width < needed:
            raise AncileError(
                "the ledger lacks hashes of its tree",
                value=f"{tile_path(*key)} holds {tile.width} of {needed}",
                remedy="run `ancile ledger verify` to learn what was changed",
            )
        with self._lock:  # readers of many threads share this
            self._cache[key] = tile
            self._cache.move_to_end(key)
            if len(self._cache) > self._capacity:
                self._cache.popitem(last=False)
        return tile
