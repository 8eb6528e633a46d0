"""The audit of the tree: tiles as the leaves give them against tiles as stored."""

from __future__ import annotations

from collections.abc import Sequence

from ancile.trust.audit_derived import MOST_FAULTS, Derived
from ancile.trust.checkpoint import Checkpoint
from ancile.trust.merkle import HASH_BYTES, edge_root, leaf_hash
from ancile.trust.store import Reader
from ancile.trust.tiles import HEIGHT, WIDTH, Tile, grow, partial_tiles, tile_path


def take_leaves(reader: Reader, derived: Derived, leaves: list[bytes]) -> None:
    """Grows the tree by these leaves, and compares each tile that became full with the stored one."""
    edge, tiles = grow(leaves, size=derived.size, edge=derived.edge, tiles=derived.partial)
    derived.size += len(leaves)
    derived.edge = edge
    derived.roots[derived.size] = edge_root(edge)
    together = derived.partial | tiles
    derived.partial = {tile: together[tile] for tile, _ in partial_tiles(derived.size)}
    for tile in tiles:
        if tile not in derived.partial:
            _compare(reader, derived, tile, tiles[tile])


def _compare(reader: Reader, derived: Derived, tile: Tile, hashes: bytes) -> None:
    """A tile as derived against the same as stored; in level 0 each difference is that of one entry."""
    found = reader.tile(tile)
    if found.startswith(hashes):  # hashes of entries that are not there are judged with the whole tree
        return
    places = range(0, len(hashes), HASH_BYTES)
    differ = [at for at in places if hashes[at : at + HASH_BYTES] != found[at : at + HASH_BYTES]]
    if tile.level == 0 and len(found) >= len(hashes):
        derived.wrong_leaves += [tile.n * WIDTH + at // HASH_BYTES for at in differ]
    else:
        derived.wrong_tiles.append(tile)


def judge_partial(reader: Reader, derived: Derived) -> None:
    """Compares the tiles at the right edge."""
    for tile, _ in partial_tiles(derived.size):
        _compare(reader, derived, tile, derived.partial[tile])


def judge_tiles(reader: Reader, derived: Derived, *, stored: Sequence[Checkpoint]) -> None:
    """Says which of leaf and tile is wrong where they differ: the one that a checkpoint contradicts."""
    proven = max((c.size for c in stored if derived.roots.get(c.size) == c.root), default=0)
    for index in derived.wrong_leaves[:MOST_FAULTS]:
        if index < proven:
            what = f"its hash of entry {index} is not the one that the checkpoint at size {proven} covers"
            derived.add(tile_path(0, index // WIDTH), index, what)
        else:
            derived.add(f"entry {index}", index, _about(reader, index))
    for tile in derived.wrong_tiles:
        start, stop = tile.n << HEIGHT * (tile.level + 1), (tile.n + 1) << HEIGHT * (tile.level + 1)
        if not any(max(start, proven) <= index < stop for index in derived.wrong_leaves):
            derived.add(tile_path(*tile), start, "it is not what its entries hash to")


def judge_surplus(reader: Reader, derived: Derived) -> None:
    """Hashes in the tree beyond the last entry: entries were cut off, or a tile was made longer."""
    surplus = []
    for tile, hashes in reader.tiles():
        known = derived.size >> HEIGHT * tile.level if tile.level >= 0 else 0
        width = min(WIDTH, max(0, known - tile.n * WIDTH))
        if hashes is None or len(hashes) != width * HASH_BYTES:
            surplus.append((tile, len(hashes or b"") // HASH_BYTES))
    told = max((tile.n * WIDTH + width for tile, width in surplus if tile.level == 0), default=0)
    if told > derived.size and not any(f.index == derived.size for f in derived.faults):
        what = f"it is missing; the tree goes on to entry {told - 1}: the ledger was truncated"
        derived.add(f"entry {derived.size}", derived.size, what)
    for tile, _ in surplus:
        if told <= derived.size and tile not in derived.wrong_tiles:
            derived.add(tile_path(*tile), None, "it holds hashes that belong to no entry")


def _about(reader: Reader, index: int) -> str:
    """What is known of a leaf that differs from the tree."""
    for entry in reader.entries(index, index + 1):
        place = _place_of(reader, leaf_hash(entry.leaf or b""))
        if place is not None:
            return f"the leaf of entry {place} stands in its place: entries were reordered"
    return "its leaf is not the one that the tree holds"


def _place_of(reader: Reader, found: bytes) -> int | None:
    """Where the tree holds this leaf hash."""
    for tile, hashes in reader.tiles():
        at = (hashes or b"").find(found) if tile.level == 0 else -1
        if at >= 0 and at % HASH_BYTES == 0:
            return tile.n * WIDTH + at // HASH_BYTES
    return None
