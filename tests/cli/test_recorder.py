"""Nothing is signed onto a ledger that does not go on from what its log signed last."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.cli.terminal import ASSESS, RULE, Place, clear


def changed(place: Place, change: Callable[[sqlite3.Connection], object]) -> None:
    """Somebody who can write the file takes the triggers away and changes it."""
    with closing(sqlite3.connect(place.folder / ".ancile" / "ledger.db")) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        change(database)
        database.commit()


def forgotten(database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM checkpoints")


def cut_off(database: sqlite3.Connection) -> None:
    """The last entry is gone, the checkpoint over it is not."""
    (last,) = database.execute("SELECT max(idx) FROM entries").fetchone()
    database.execute("DELETE FROM entries WHERE idx = ?", (last,))


@pytest.mark.parametrize("change", [forgotten, cut_off])
@pytest.mark.parametrize("command", [ASSESS, ("gate", "net.py:predict"), ("ledger", "checkpoint")])
def test_nothing_is_added_to_a_ledger_that_does_not_go_on(
    assessed: Place, change: Callable[[sqlite3.Connection], object], command: tuple[str, ...]
) -> None:
    assessed.policy(RULE.format(at_least=0.1))
    changed(assessed, change)
    before = assessed("ledger", "log").out
    clear(assessed(*command))
    assert assessed("ledger", "log").out == before


def test_the_key_signs_for_no_other_log_than_the_pinned_one(assessed: Place) -> None:
    path = assessed.folder / "ancile.toml"
    path.write_text(path.read_text("utf-8").replace("test.example/log", "other.example/log"), "utf-8")
    assert "pins is another one than the key's" in clear(assessed(*ASSESS))
