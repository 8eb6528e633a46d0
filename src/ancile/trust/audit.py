"""The audit of a ledger: everything is derived again from the leaves, nothing stored is believed.

Leaves give hashes, hashes give tiles and roots, roots must be those that the log signed; bodies must match
their leaves' commitments. What somebody without the log's key changed is named by its first entry. A rollback
or a split view by the holder of the key shows only against a checkpoint that was kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.audit_derived import MOST_FAULTS, Derived, Erased, Fault
from ancile.trust.audit_entries import judge_entry, judge_erasures
from ancile.trust.audit_tree import judge_partial, judge_surplus, judge_tiles, take_leaves
from ancile.trust.checkpoint import Checkpoint, open_checkpoint
from ancile.trust.key import parse_public_key
from ancile.trust.last_signed import last_signed
from ancile.trust.ledger import Ledger
from ancile.trust.merkle import EMPTY_ROOT, MAX_SIZE, edge_root
from ancile.trust.store import Reader, Store
from ancile.trust.tiles import WIDTH

WITHOUT_KEPT = ("rollback", "split view")


class Source(NamedTuple):
    """Where a checkpoint comes from, and what it means when the ledger is shorter or another."""

    place: str
    shorter: str
    other: str


STORED = Source("checkpoint", "truncated", "")
ELSEWHERE = Source("checkpoint kept elsewhere", "rolled back", " or two views of the log exist")
REMEMBERED = Source("checkpoint signed last", "rolled back", " or two views of the log exist")


class Audit(msgspec.Struct, frozen=True):
    """What an audit found.

    size, root   as derived from the leaves
    covered      entries under a checkpoint whose signatures and root hold
    checkpoints  number of such checkpoints, kept ones included
    bodies       number of bodies that match their commitment
    faults       by entry, at most 100; ``first`` is the one to mend first
    not_checked  what could not be judged with what was given
    last_signed  size that this machine remembers to have signed last, and that the ledger continues
    """

    size: int
    root: bytes
    covered: int
    checkpoints: int
    bodies: int
    erased: tuple[Erased, ...]
    faults: tuple[Fault, ...]
    not_checked: tuple[str, ...]
    last_signed: int | None = None

    @property
    def is_intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    @property
    def first(self) -> Fault | None:
        """The fault with the lowest entry."""
        return self.faults[0] if self.faults else None


def audit(
    ledger: Ledger | Store,
    *,
    vkeys: Sequence[str],
    against: Sequence[str] = (),
    authors: Sequence[str] | None = None,
) -> Audit:
    """The judgement on a ledger, from one state of it; other processes may go on appending.

    vkeys    the log's trusted keys, after a rotation the old ones too
    against  checkpoints of this log that were kept elsewhere: in reports, by a witness
    authors  who may erase: ids, or lines ``author:v1:…``; keys of ids are taken from the ledger's own key
             entries. None: whoever those name
    A ledger that remembers what was signed last is held against that too; a bare store is not.
    AncileError when a kept checkpoint is not of this log; a damaged ledger never raises.
    """
    kept = [open_checkpoint(note, vkeys) for note in against]
    store = ledger.store if isinstance(ledger, Ledger) else ledger
    derived = _begun(authors)
    # before the snapshot: another process may sign in between, and then the ledger is longer, never shorter
    marks = _remembered(ledger, derived, vkeys) if isinstance(ledger, Ledger) else []
    stored: list[Checkpoint] = []
    try:
        with store.snapshot() as reader:
            stored = _stored_checkpoints(reader, derived, vkeys)
            _derive(reader, derived, sizes={c.size for c in [*stored, *kept, *marks]})
            judge_tiles(reader, derived, stored=stored)
            judge_surplus(reader, derived)
            for odd in reader.oddities():
                derived.add("file", None, odd)
    except AncileError as reason:
        derived.add("file", derived.size, plain(str(reason)))
    erased = judge_erasures(derived)
    good = [
        *_judge_checkpoints(derived, stored, STORED),
        *_judge_checkpoints(derived, kept, ELSEWHERE),
    ]
    remembered = [c.size for c in _judge_checkpoints(derived, marks, REMEMBERED)]
    return Audit(
        size=derived.size,
        root=edge_root(derived.edge),
        covered=max((c.size for c in good), default=0),
        checkpoints=len(good),
        bodies=derived.bodies,
        erased=erased,
        faults=tuple(sorted(derived.faults, key=_order)[:MOST_FAULTS]),
        not_checked=() if kept else WITHOUT_KEPT,
        last_signed=max(remembered, default=None),
    )


def _begun(authors: Sequence[str] | None) -> Derived:
    lines = [parse_public_key(one) for one in authors or () if not one.startswith("sha256:")]
    ids = [one for one in authors or () if one.startswith("sha256:")] + [key.id for key in lines]
    return Derived(authors=None if authors is None else frozenset(ids), signers={k.id: k for k in lines})


def _remembered(ledger: Ledger, derived: Derived, vkeys: Sequence[str]) -> list[Checkpoint]:
    try:
        note = last_signed(ledger)
        return [] if note is None else [open_checkpoint(note, vkeys)]
    except AncileError as reason:
        derived.add(REMEMBERED.place, None, plain(str(reason)))
        return []


def _order(fault: Fault) -> tuple[int, bool]:
    """Lowest entry first; at one entry, the entry itself before what follows from it."""
    return (MAX_SIZE if fault.index is None else fault.index, not fault.place.startswith("entry"))


def _stored_checkpoints(reader: Reader, derived: Derived, vkeys: Sequence[str]) -> list[Checkpoint]:
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


def _derive(reader: Reader, derived: Derived, *, sizes: set[int]) -> None:
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
        judge_entry(entry, derived)
        if (expected + 1) % WIDTH == 0 or expected + 1 in sizes:
            take_leaves(reader, derived, leaves)
            leaves = []
    take_leaves(reader, derived, leaves)
    judge_partial(reader, derived)


def _judge_checkpoints(
    derived: Derived, checkpoints: Sequence[Checkpoint], source: Source
) -> Iterator[Checkpoint]:
    """The checkpoints that hold; faults for the rest."""
    good = 0
    for checkpoint in sorted(checkpoints, key=lambda c: c.size):
        at, size = f"{source.place} at size {checkpoint.size}", checkpoint.size
        if derived.roots.get(size) == checkpoint.root:
            good = size
            yield checkpoint
        elif size > derived.size:
            what = f"entries {derived.size} to {size - 1} are missing: the ledger was {source.shorter}"
            derived.add(at, derived.size, what)
        elif not any(f.index is not None and good <= f.index < size for f in derived.faults):
            what = f"the log signed another root: entries {good} to {size - 1} were changed"
            derived.add(at, good, what + source.other)
