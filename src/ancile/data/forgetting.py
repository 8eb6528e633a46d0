"""Versions whose content is gone for good while names, digests and entries stay: what retention asks for.

Chunks that no other version has are taken out of the packs: what is left of a pack is written to a new one,
and the old one is removed once the new one is on the disk and named. Whoever copied the folder before keeps
a copy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from ancile.data.reading import Chunk
from ancile.data.version import Piece, Version

DROPS = """
CREATE TABLE drops (
    name TEXT NOT NULL, number INTEGER NOT NULL, entry INTEGER, PRIMARY KEY (name, number)
) STRICT, WITHOUT ROWID;
"""


class Drop(NamedTuple):
    """That a version's content is gone, and in which entry that stands; None where nobody recorded it."""

    entry: int | None


def pieces_of(versions: Iterable[Version]) -> dict[bytes, Piece]:
    """Digest to chunk, of all files of versions."""
    return {piece.digest: piece for one in versions for file in one.files for piece in file.chunks}


def touched(db: sqlite3.Connection, gone: Mapping[bytes, Piece]) -> dict[int, list[Piece]]:
    """Packs that hold what goes, each with the chunks that stay."""
    sql = "SELECT pack FROM chunks WHERE digest = ?"
    packs = {int(pack) for digest in gone for (pack,) in db.execute(sql, (digest,))}
    return {
        pack: [
            Piece(bytes(digest), int(size))
            for digest, size in db.execute(
                "SELECT digest, size FROM chunks WHERE pack = ? ORDER BY place", (pack,)
            )
            if digest not in gone
        ]
        for pack in sorted(packs)
    }


def copy_rest(
    rest: Iterable[Sequence[Piece]], read: Callable[[Piece], bytes], add: Callable[[Chunk], None]
) -> None:
    """Give the chunks that stay to a new pack, each checked by its digest."""
    for pieces in rest:
        for piece in pieces:
            add(Chunk(piece.digest, memoryview(read(piece))))
