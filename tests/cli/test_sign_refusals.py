"""What a scan refused is not signed: not as a second signer, and not where somebody hides the refusal."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from ancile.core.subject import digest_of
from ancile.trust.ledger import open_ledger
from ancile.trust.subjects import FILE, entries_about
from tests.cli.terminal import Place, clear

HOSTILE = b"cos\nsystem\n(Vtrue\ntR."
REFUSED = "the latest scan of these bytes says block, and nothing is signed"


@pytest.fixture
def refused(home: Place) -> Place:
    """A model that a scan in the ledger calls block."""
    (home.folder / "model").mkdir()
    (home.folder / "model" / "bad.pkl").write_bytes(HOSTILE)
    assert home("scan", "model").code == 1
    return home


def test_nobody_cosigns_what_their_own_scan_refused(refused: Place) -> None:
    """Whatever the first signer let pass."""
    second = Place(refused.folder / "second")
    second.folder.mkdir()
    assert second("init", "--unencrypted-key", "--origin", "second.example/log").code == 0
    assert refused("sign", "model", "--allow-failed-scan").code == 0
    cosign = ("sign", "../model", "--cosign", "../model.ancile.json")
    assert second("scan", "../model").code == 1
    assert clear(second(*cosign)).startswith(REFUSED)
    assert second(*cosign, "--allow-failed-scan").code == 0


def test_a_refusal_cannot_be_hidden_in_the_cache(refused: Place) -> None:
    """The index of the ledger is a hint: an entry that was taken out of it is missed there."""
    folder = refused.folder / ".ancile"
    with open_ledger(folder, clock=lambda: datetime.now(UTC)) as ledger:
        assert entries_about(ledger, digest_of(HOSTILE), cache=folder / "cache").entries
        with closing(sqlite3.connect(folder / "cache" / FILE)) as index, index:
            index.execute("DELETE FROM subjects")
        assert not entries_about(ledger, digest_of(HOSTILE), cache=folder / "cache").entries
    assert clear(refused("sign", "model")).startswith(REFUSED)


def test_a_refusal_that_cannot_be_read_any_more_is_one(refused: Place) -> None:
    with closing(sqlite3.connect(refused.folder / ".ancile" / "ledger.db")) as database, database:
        database.execute("UPDATE bodies SET body = x'00' WHERE idx = 2")
    assert clear(refused("sign", "model")).startswith("an entry of the ledger cannot be read")
    assert refused("sign", "model", "--allow-failed-scan").code == 0


def test_ones_own_refusal_counts_where_the_policy_names_others_alone(refused: Place) -> None:
    config = refused.folder / "ancile.toml"
    text = re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", config.read_text("utf-8"))
    config.write_text(text, "utf-8")
    assert clear(refused("sign", "model")).startswith(REFUSED)
