"""A ledger's file that somebody changed: every command ends in an answer, and none of them is a pass."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.cli.terminal import RULE, Place

COMMANDS = (
    ("ledger", "verify"),
    ("gate", "net.py:predict", "--no-record"),
    ("gate", "net.py:predict"),
    ("ledger", "log"),
    ("ledger", "show", "3"),
    ("ledger", "show", "3", "-f", "html"),
    ("ledger", "prove", "3", "-o", "proof"),
    ("ledger", "checkpoint"),
    ("ledger", "export", "site"),
    ("ledger", "backup", "backup.db"),
    ("evidence", "export", "evidence.json"),
    ("keys", "list"),
    ("doctor",),
)
CHANGES = {
    "a tile is cut": "UPDATE tiles SET hashes = x'00' WHERE id = 0",
    "no tile is left": "DELETE FROM tiles",
    "a tile of no level": "INSERT INTO tiles VALUES (-5, x'00')",
    "a tile beyond all": "INSERT INTO tiles VALUES (9223372036854775807, x'00')",
    "a checkpoint of no size": "INSERT INTO checkpoints VALUES (-5, 'x', 0)",
    "a checkpoint beyond all": "INSERT INTO checkpoints VALUES (9223372036854775807, 'x', 0)",
    "a checkpoint with a NUL": "UPDATE checkpoints SET note = 'a' || char(0) || 'b'",
    "a body of no entry": "INSERT INTO bodies VALUES (-1, x'00', x'00')",
    "a body that should be a file": "UPDATE bodies SET body = NULL WHERE idx = 3",
    "an entry far away": "INSERT INTO entries VALUES (9223372036854775807, x'00')",
    "an entry before the first": "INSERT INTO entries VALUES (-3, x'00')",
    "an empty leaf": "DROP TRIGGER entries_update; UPDATE entries SET leaf = x'' WHERE idx = 2",
    "an entry is gone": "DROP TRIGGER entries_delete; DELETE FROM entries WHERE idx = 1",
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_ends_no_command_in_a_traceback_and_no_gate_in_a_pass(
    assessed: Place, change: str
) -> None:
    assessed.policy(RULE.format(at_least=0.1))
    assert assessed("gate", "net.py:predict", "--no-record").code == 0
    path = assessed.folder / ".ancile" / "ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(CHANGES[change])
    codes = [assessed(*command).code for command in COMMANDS]
    assert codes[0] in (1, 2)
    assert codes[1:3] == [2, 2]
    assert all(code in (0, 1, 2) for code in codes)
