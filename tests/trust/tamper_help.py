"""Changes behind ancile's back to a ledger's file, by somebody who covers the traces in the schema."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ancile.trust.sqlite_schema import GUARDS
from ancile.trust.tiles import grow
from tests.trust.ledger_help import opened

Statement = tuple[str, tuple[object, ...]]


def tampered(folder: Path, *statements: Statement) -> None:
    """Runs the statements on the file with its guards away, and puts the guards back."""
    with closing(sqlite3.connect(folder / "ledger.db")) as db:
        db.execute("DROP TRIGGER entries_update")
        db.execute("DROP TRIGGER entries_delete")
        for statement, values in statements:
            db.execute(statement, values)
        db.execute(GUARDS["entries_update"])
        db.execute(GUARDS["entries_delete"])
        db.commit()


def leaves(folder: Path) -> list[bytes]:
    with opened(folder, create=False) as ledger:
        return [entry.leaf or b"" for entry in ledger.entries(0, ledger.size())]


def flipped(data: bytes, at: int = -5) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def rewrite(folder: Path, count: int, *, change: Callable[[list[bytes]], None]) -> None:
    """What a skilful attacker without keys does: other leaves, and all tiles made to agree."""
    new = leaves(folder)[:count]
    change(new)
    _, tiles = grow(new, size=0, edge=[], tiles={})
    rows = [("INSERT INTO tiles VALUES (?, ?)", (t.level << 56 | t.n, h)) for t, h in tiles.items()]
    tampered(
        folder,
        ("DELETE FROM tiles", ()),
        *rows,
        *[("UPDATE entries SET leaf = ? WHERE idx = ?", (leaf, n)) for n, leaf in enumerate(new)],
        ("DELETE FROM entries WHERE idx >= ?", (count,)),
        ("DELETE FROM bodies WHERE idx >= ?", (count,)),
        ("DELETE FROM checkpoints WHERE size > ?", (count,)),
    )
