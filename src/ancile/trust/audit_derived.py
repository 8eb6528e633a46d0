"""What an audit derives from a ledger's leaves, and the faults that it meets on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from ancile.trust.key import PublicKey
from ancile.trust.tiles import Tile

MOST_FAULTS = 100  # that a result carries; a reader mends the first and audits again


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
    """A body that is gone, and the entry that says so: its author's id and the reason, as signed."""

    entry: int
    by: int
    author: str = ""
    reason: str = ""


class Claimed(NamedTuple):
    """An erasure whose signature holds, and the digest of the leaf that it speaks of."""

    erased: Erased
    leaf: str


@dataclass
class Derived:
    """What the leaves give, as far as they could be read.

    authors  ids of those who may erase; None: whoever the ledger's own key entries name
    signers  public keys by id, given or met in key entries; an id is the digest of its keys
    """

    authors: frozenset[str] | None = None
    signers: dict[str, PublicKey] = field(default_factory=dict)
    size: int = 0
    edge: list[bytes] = field(default_factory=list)
    partial: dict[Tile, bytes] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)
    wrong_leaves: list[int] = field(default_factory=list)
    wrong_tiles: list[Tile] = field(default_factory=list)
    bodies: int = 0
    missing: dict[int, str] = field(default_factory=dict)  # to the digest of the leaf
    erasures: dict[int, Claimed] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def add(self, place: str, index: int | None, what: str) -> None:
        """Notes a fault, unless there are plenty: a ledger of nothing but faults must not fill memory."""
        if len(self.faults) < 10 * MOST_FAULTS:
            self.faults.append(Fault(place, index, what))
