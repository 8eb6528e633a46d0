"""The audit of a ledger: everything is derived again from the leaves, nothing stored is believed.

Leaves give hashes, hashes give tiles and roots, roots must be those that the log signed; bodies must match
their leaves' commitments. What somebody without the log's key changed is named by its first entry. A rollback
or a split view by the holder of the key shows only against a checkpoint that was kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.checkpoint import Checkpoint, open_checkpoint
from ancile.trust.leaf import ERASURE, SALT_BYTES, commitment_to, parse_erasure, parse_leaf
from ancile.trust.ledger import Ledger
from ancile.trust.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE, edge_root, leaf_hash
from ancile.trust.store import Reader, Store, Stored
from ancile.trust.tiles import HEIGHT, WIDTH, Tile, grow, partial_tiles, tile_path

MOST_FAULTS = 100  # that a result carries; a reader mends the first and audits again
WITHOUT_KEPT = ("rollback", "split view")


class Fault(msgspec.Struct, frozen=True):
    """Something that is wrong.

    place  "entry 5", "body of entry 5", "tile/0/000", "checkpoint at size 12", "file"
    index  first entry that it concerns; None where it concerns none
    what   in words
    """

    place: str
    index: int | None
    what: str


class Erased(NamedTuple):
    """A body that is gone, and the entry that says so."""

    entry: int
    by: int


class Audit(msgspec.Struct, frozen=True):
    """What an audit found.

    size, root   as derived from the leaves
    covered      entries under a checkpoint whose signatures and root hold
    checkpoints  number of such checkpoints, kept ones included
    bodies       number of bodies that match their commitment
    faults       by entry, at most 100; ``first`` is the one to mend first
    not_checked  what could not be judged with what was given
    """

    size: int
    root: bytes
    covered: int
    checkpoints: int
    bodies: int
    erased: tuple[Erased, ...]
    faults: tuple[Fault, ...]
    not_checked: tuple[str, ...]

    @property
    def is_intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    @property
    def first(self) -> Fault | None:
        """The fault with the lowest entry."""
        return self.faults[0] if self.faults else None


@dataclass
class _Derived:
    """What the leaves give, as far as they could be read."""

    size: int = 0
    edge: list[bytes] = field(default_factory=list)
    partial: dict[Tile, bytes] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)
    wrong_leaves: list[int] = field(default_factory=list)
    wrong_tiles: list[Tile] = field(default_factory=list)
    bodies: int = 0
    missing: set[int] = field(default_factory=set)
    erasures: dict[int, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def add(self, place: str, index: int | None, what: str) -> None:
        """Notes a fault, unless there are plenty: a ledger of nothing but faults must not fill memory."""
        if len(self.faults) < 10 * MOST_FAULTS:
            self.faults.append(Fault(place, index, what))


def audit(ledger: Ledger | Store, *, vkeys: Sequence[str], against: Sequence[str] = ()) -> Audit:
    """The judgement on a ledger, from one state of it; other processes may go on appending.

    vkeys    the log's trusted keys, after a rotation the old ones too
    against  checkpoints of this log that were kept elsewhere: in reports, by a witness
    AncileError when a kept checkpoint is not of this log; a damaged ledger never raises.
    """
    kept = [open_checkpoint(note, vkeys) for note in against]
    store = ledger.store if isinstance(ledger, Ledger) else ledger
    derived = _Derived()
    stored: list[Checkpoint] = []
    try:
        with store.snapshot() as reader:
            stored = _stored_checkpoints(reader, derived, vkeys)
            _derive(reader, derived, sizes={c.size for c in [*stored, *kept]})
            _judge_tiles(reader, derived, stored=stored)
            _judge_surplus(reader, derived)
            for odd in reader.oddities():
                derived.add("file", None, odd)
    except AncileError as reason:
        derived.add("file", derived.size, plain(str(reason)))
    erased = _judge_erasures(derived)
    good = [
        *_judge_checkpoints(derived, stored, elsewhere=False),
        *_judge_checkpoints(derived, kept, elsewhere=True),
    ]
    return Audit(
        size=derived.size,
        root=edge_root(derived.edge),
        covered=max((c.size for c in good), default=0),
        checkpoints=len(good),
        bodies=derived.bodies,
        erased=erased,
        faults=tuple(sorted(derived.faults, key=_order)[:MOST_FAULTS]),
        not_checked=() if kept else WITHOUT_KEPT,
    )


def _order(fault: Fault) -> tuple[int, bool]:
    """Lowest entry first; at one entry, the entry itself before what follows from it."""
    return (MAX_SIZE if fault.index is None else fault.index, not fault.place.startswith("entry"))


def _stored_checkpoints(reader: Reader, derived: _Derived, vkeys: Sequence[str]) -> list[Checkpoint]:
    good = []
    for size, note in reader.checkpoints():
        place = f"checkpoint at size {size}"
        try:
            checkpoint = open_checkpoint(note or "", vkeys)
        except AncileError as reason:
            derived.add(place, None, plain(str(reason)))
            continue
        if checkpoint.size == size:
            good.append(checkpoint)
        else:
            derived.add(place, None, f"it is the checkpoint of size {checkpoint.size}")
    return good


# Leaves and bodies.


def _derive(reader: Reader, derived: _Derived, *, sizes: set[int]) -> None:
    """Walks the entries once; stops where one is missing, for no tree can be derived beyond it."""
    derived.roots[0] = EMPTY_ROOT
    leaves: list[bytes] = []
    for entry in reader.entries(-MAX_SIZE, MAX_SIZE):
        expected = derived.size + len(leaves)
        if entry.index != expected:
            what = f"entry {entry.index} stands in its place"
            derived.add(f"entry {expected}", expected, what)
            break
        leaves.append(entry.leaf or b"")
        _judge_entry(entry, derived)
        if (expected + 1) % WIDTH == 0 or expected + 1 in sizes:
            _flush(reader, derived, leaves)
            leaves = []
    _flush(reader, derived, leaves)
    for tile, _ in partial_tiles(derived.size):
        _compare(reader, derived, tile, derived.partial[tile])


def _judge_entry(entry: Stored, derived: _Derived) -> None:
    place = f"entry {entry.index}"
    if entry.leaf is None:
        derived.add(place, entry.index, entry.trouble)
        return
    try:
        leaf = parse_leaf(entry.leaf)
        _judge_body(entry, derived, commitment=leaf.commitment)
        if leaf.kind == ERASURE and entry.body is not None:
            derived.erasures.setdefault(parse_erasure(entry.body), entry.index)
    except AncileError as reason:
        derived.add(place, entry.index, plain(str(reason)))


def _judge_body(entry: Stored, derived: _Derived, *, commitment: bytes) -> None:
    place = f"body of entry {entry.index}"
    if entry.trouble:
        derived.add(place, entry.index, entry.trouble)
    elif entry.salt is None or entry.body is None:
        derived.missing.add(entry.index)
    elif len(entry.salt) != SALT_BYTES or commitment_to(entry.salt, entry.body) != commitment:
        derived.add(place, entry.index, "it is not what its leaf commits to")
    else:
        derived.bodies += 1


def _judge_erasures(derived: _Derived) -> tuple[Erased, ...]:
    """Bodies that an entry says were erased; a body that is gone without, or there in spite, is a fault."""
    erased = []
    for index in sorted(derived.missing):
        by = derived.erasures.get(index)
        if by is None:
            what = "it is missing, and no entry says that it was erased"
            derived.add(f"body of entry {index}", index, what)
        else:
            erased.append(Erased(index, by))
    for index, by in derived.erasures.items():
        if index not in derived.missing:
            what = f"entry {by} says that it was erased, but it was not"
            derived.add(f"body of entry {index}", index, what)
    return tuple(erased)


# The tree.


def _flush(reader: Reader, derived: _Derived, leaves: list[bytes]) -> None:
    edge, tiles = grow(leaves, size=derived.size, edge=derived.edge, tiles=derived.partial)
    derived.size += len(leaves)
    derived.edge = edge
    derived.roots[derived.size] = edge_root(edge)
    together = derived.partial | tiles
    derived.partial = {tile: together[tile] for tile, _ in partial_tiles(derived.size)}
    for tile in tiles:
        if tile not in derived.partial:
            _compare(reader, derived, tile, tiles[tile])


def _compare(reader: Reader, derived: _Derived, tile: Tile, hashes: bytes) -> None:
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


def _judge_tiles(reader: Reader, derived: _Derived, *, stored: Sequence[Checkpoint]) -> None:
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


def _judge_surplus(reader: Reader, derived: _Derived) -> None:
    """Hashes in the tree beyond the last entry: entries were cut off, or a tile was made longer."""
    surplus = []
    for tile, hashes in reader.tiles():
        width = min(WIDTH, max(0, (derived.size >> HEIGHT * tile.level) - tile.n * WIDTH))
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


# Checkpoints.


def _judge_checkpoints(
    derived: _Derived, checkpoints: Sequence[Checkpoint], *, elsewhere: bool
) -> Iterator[Checkpoint]:
    """The checkpoints that hold; faults for the rest."""
    place = "checkpoint kept elsewhere" if elsewhere else "checkpoint"
    good = 0
    for checkpoint in sorted(checkpoints, key=lambda c: c.size):
        at, size = f"{place} at size {checkpoint.size}", checkpoint.size
        if derived.roots.get(size) == checkpoint.root:
            good = size
            yield checkpoint
        elif size > derived.size:
            word = "rolled back" if elsewhere else "truncated"
            what = f"entries {derived.size} to {size - 1} are missing: the ledger was {word}"
            derived.add(at, derived.size, what)
        elif not any(f.index is not None and good <= f.index < size for f in derived.faults):
            what = f"the log signed another root: entries {good} to {size - 1} were changed"
            split = " or two views of the log exist" if elsewhere else ""
            derived.add(at, good, what + split)
