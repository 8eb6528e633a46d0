"""The audit names the first entry that is wrong, whatever was changed and wherever."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.core.subject import digest_of
from ancile.trust.audit import Audit, audit
from ancile.trust.audit_derived import Erased
from ancile.trust.dsse import sign
from ancile.trust.events import Erasure
from ancile.trust.key import AuthorKey, private_key
from ancile.trust.leaf import leaf_head
from ancile.trust.ledger import Draft
from ancile.trust.merkle import leaf_hash
from ancile.trust.notary import key_event, record_key_event, sign_head
from ancile.trust.sqlite_schema import GUARDS
from ancile.trust.statement import statement_of
from ancile.trust.subjects import entries_about
from ancile.trust.tiles import Nodes, Tile
from tests.trust.ledger_help import (
    AUTHOR,
    ERASER,
    LOG,
    ORIGIN,
    START,
    VKEYS,
    checkpoint,
    drafts,
    erased,
    filled,
    opened,
    signed,
    ticking,
)
from tests.trust.tamper_help import flipped, leaves, rewrite, tampered


def audited(folder: Path, *against: str) -> Audit:
    with opened(folder, create=False) as ledger:
        return audit(ledger, vkeys=VKEYS, against=against, authors=[ERASER.public.text])


def test_an_untouched_ledger_is_intact_and_says_what_it_could_not_judge(tmp_path: Path) -> None:
    note = filled(tmp_path)
    found = audited(tmp_path)
    assert found.is_intact
    assert found.first is None
    assert (found.size, found.covered, found.checkpoints, found.bodies) == (300, 300, 1, 300)
    assert found.not_checked == ("rollback", "split view")
    assert audited(tmp_path, note).not_checked == ()


def test_an_empty_ledger_is_intact(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert audit(ledger.store, vkeys=VKEYS).is_intact


@pytest.mark.parametrize("index", [0, 7, 255, 256, 299])
def test_a_flipped_byte_in_a_leaf_names_its_entry(tmp_path: Path, index: int) -> None:
    filled(tmp_path)
    leaf = leaves(tmp_path)[index]
    tampered(tmp_path, ("UPDATE entries SET leaf = ? WHERE idx = ?", (flipped(leaf), index)))
    found = audited(tmp_path).first
    assert found is not None
    assert (found.place, found.index) == (f"entry {index}", index)


def test_a_changed_time_in_a_leaf_names_its_entry_without_a_checkpoint_too(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append(drafts(10))
    leaf = leaves(tmp_path)[4]
    tampered(tmp_path, ("UPDATE entries SET leaf = ? WHERE idx = 4", (leaf.replace(b"\n17", b"\n16"),)))
    found = audited(tmp_path).first
    assert found is not None
    assert (found.place, found.what) == ("entry 4", "its leaf is not the one that the tree holds")


@pytest.mark.parametrize("tile", [Tile(0, 0), Tile(0, 1), Tile(1, 0)])
def test_a_flipped_byte_in_a_tile_names_the_tile(tmp_path: Path, tile: Tile) -> None:
    filled(tmp_path)
    with opened(tmp_path) as ledger:
        hashes = ledger.store.tile(tile)
    key = tile.level << 56 | tile.n
    tampered(tmp_path, ("UPDATE tiles SET hashes = ? WHERE id = ?", (flipped(hashes), key)))
    found = audited(tmp_path).faults
    assert [fault.place for fault in found] == [f"tile/{tile.level}/00{tile.n}"]


@pytest.mark.parametrize("content", [b"", b"short", bytes(32 * 257)])
def test_a_tile_of_a_wrong_length_is_named(tmp_path: Path, content: bytes) -> None:
    filled(tmp_path)
    tampered(tmp_path, ("UPDATE tiles SET hashes = ? WHERE id = 0", (content,)))
    assert any(fault.place in {"tile/0/000", "entry 300"} for fault in audited(tmp_path).faults)


def test_a_tile_that_belongs_to_no_entry_is_named(tmp_path: Path) -> None:
    filled(tmp_path)
    tampered(tmp_path, ("INSERT INTO tiles VALUES (?, ?)", (2 << 56, bytes(32))))
    assert [fault.place for fault in audited(tmp_path).faults] == ["tile/2/000"]


@pytest.mark.parametrize("key", [-1, -(2**63), 2**63 - 1])
def test_a_tile_of_no_level_is_a_fault_and_no_error(tmp_path: Path, key: int) -> None:
    filled(tmp_path)
    tampered(tmp_path, ("INSERT INTO tiles VALUES (?, ?)", (key, bytes(32))))
    assert all(fault.place.startswith("tile/") for fault in audited(tmp_path).faults)
    assert not audited(tmp_path).is_intact


@pytest.mark.parametrize("index", [-(2**63), -1, 10**12, 2**63 - 2, 2**63 - 1])
def test_an_entry_that_is_far_from_the_others_is_a_fault_and_takes_no_time(
    tmp_path: Path, index: int
) -> None:
    """Nothing counts through the gap before it, and its index never leaves what SQLite can hold."""
    filled(tmp_path)
    leaf = leaves(tmp_path)[0]
    tampered(tmp_path, ("INSERT INTO entries VALUES (?, ?)", (index, leaf)))
    assert audited(tmp_path).first is not None
    with opened(tmp_path, create=False) as ledger:
        assert ledger.size() == (300 if index < 0 else min(index + 1, 2**63 - 1))
        about = entries_about(ledger, digest_of(b"nothing"))
        assert (300 in about.damaged) == (index > 0)
        with suppress(AncileError):
            entries_about(ledger, digest_of(b"nothing"), cache=tmp_path / "cache")


@pytest.mark.parametrize("column", ["salt", "body"])
def test_a_flipped_byte_in_a_body_or_its_salt_names_the_entry(tmp_path: Path, column: str) -> None:
    filled(tmp_path)
    with opened(tmp_path) as ledger:
        entry = ledger.entry(9)
    value = flipped((entry.salt if column == "salt" else entry.body) or b"")
    statement = {"salt": "UPDATE bodies SET salt = ? WHERE idx = 9"}.get(
        column, "UPDATE bodies SET body = ? WHERE idx = 9"
    )
    tampered(tmp_path, (statement, (value,)))
    assert [(f.place, f.index) for f in audited(tmp_path).faults] == [("body of entry 9", 9)]


def test_a_byte_moved_from_the_body_to_the_salt_is_found(tmp_path: Path) -> None:
    """The commitment covers salt and body in one string, so their border must be fixed."""
    filled(tmp_path)
    with opened(tmp_path) as ledger:
        _, salt, body = ledger.entry(9)
    assert salt is not None
    assert body is not None
    tampered(tmp_path, ("UPDATE bodies SET salt = ?, body = ? WHERE idx = 9", (salt + body[:1], body[1:])))
    assert [f.place for f in audited(tmp_path).faults] == ["body of entry 9"]


def test_a_removed_body_is_damage_and_an_erased_one_is_not(tmp_path: Path) -> None:
    filled(tmp_path)
    with opened(tmp_path) as ledger:
        by = erased(ledger, 3)
    assert by == 300
    found = audited(tmp_path)
    assert found.is_intact
    assert found.erased == (Erased(3, 300, ERASER.public.id, "asked to"),)
    tampered(tmp_path, ("DELETE FROM bodies WHERE idx = 5", ()))
    first = audited(tmp_path).first
    assert first is not None
    assert (first.place, first.what) == (
        "body of entry 5",
        "it is missing, and no entry says that it was erased",
    )


def test_an_erased_body_that_is_back_is_found(tmp_path: Path) -> None:
    filled(tmp_path)
    with opened(tmp_path) as ledger:
        _, salt, body = ledger.entry(3)
        erased(ledger, 3)
    tampered(tmp_path, ("INSERT INTO bodies VALUES (3, ?, ?)", (salt, body)))
    assert [f.place for f in audited(tmp_path).faults] == ["body of entry 3"]


def said_erased(folder: Path, index: int, *, author: AuthorKey = ERASER, signer: AuthorKey = ERASER) -> None:
    """A body taken away by somebody with the file, and an entry that says so in an author's name."""
    with opened(folder) as ledger:
        said = Erasure(
            entry=index, leaf=digest_of(ledger.entry(index).leaf), reason="mine", time=START, version="1"
        )
        body = sign(statement_of(said), [signer])
        ledger.erase(index, Draft("erasure", author.public.id_bytes, body))


def test_an_erasure_needs_the_signature_of_an_author_who_may(tmp_path: Path) -> None:
    """Somebody who can write the file can make a key, but not sign with one that is trusted."""
    filled(tmp_path, 20)
    thief = private_key("author", "thief")
    said_erased(tmp_path, 3, author=thief, signer=thief)
    said_erased(tmp_path, 4, signer=thief)
    faults = {fault.place: fault.what for fault in audited(tmp_path).faults}
    assert "may not erase" in faults["entry 20"]
    assert "does not hold" in faults["entry 21"]
    assert faults["body of entry 3"] == "it is missing, and no entry says that it was erased"
    assert "body of entry 4" in faults


def test_an_erasure_of_another_log_does_not_fit(tmp_path: Path) -> None:
    """Leaves are unique, so a signed erasure of an entry with the same index elsewhere is no excuse."""
    for name in ("one", "two"):
        filled(tmp_path / name, 5)
    with opened(tmp_path / "one") as ledger:
        body = ledger.entry(erased(ledger, 3)).body or b""
    with opened(tmp_path / "two") as ledger:
        ledger.erase(3, Draft("erasure", ERASER.public.id_bytes, body))
    assert [f.place for f in audited(tmp_path / "two").faults] == ["body of entry 3"]


def test_keys_of_erasing_authors_are_found_in_the_ledger(tmp_path: Path) -> None:
    """A verifier has only ids: the key entries carry the keys, and an id is the digest of its keys."""
    with opened(tmp_path) as ledger:
        for key in (ERASER, LOG):
            event = key_event(key.public, now=START)
            record_key_event(ledger, event, author=ERASER, log=LOG, clock=ticking())
        ledger.append([Draft("key", AUTHOR, b"no statement"), *drafts(2)])
        erased(ledger, 3)
        assert audit(ledger, vkeys=VKEYS).is_intact
        assert audit(ledger, vkeys=VKEYS, authors=[ERASER.public.id]).is_intact
        assert not audit(ledger, vkeys=VKEYS, authors=[]).is_intact


def test_an_erasure_by_a_key_that_nobody_has_or_with_another_statement_is_named(tmp_path: Path) -> None:
    filled(tmp_path, 5)
    with opened(tmp_path) as ledger:
        body = sign(statement_of(key_event(ERASER.public, now=START)), [ERASER])
        ledger.erase(2, Draft("erasure", ERASER.public.id_bytes, body))
        found = audit(ledger, vkeys=VKEYS).first
        assert found is not None
        assert found.what == "it is missing, and no entry says that it was erased"
        faults = audit(ledger, vkeys=VKEYS, authors=[ERASER.public.id]).faults
        assert any("nobody can check this erasure" in fault.what for fault in faults)
    assert any("no erasure" in fault.what for fault in audited(tmp_path).faults)


def remembered(folder: Path, size: int) -> None:
    """A ledger whose checkpoints at half and at all of its size were signed on this machine."""
    with opened(folder) as ledger:
        for _ in range(2):
            ledger.append(drafts(size // 2))
            sign_head(ledger, LOG, clock=ticking())


def test_a_rollback_shows_against_what_this_machine_signed_last(tmp_path: Path) -> None:
    remembered(tmp_path, 300)
    assert audited(tmp_path).last_signed == 300
    rewrite(tmp_path, 150, change=lambda _: None)
    found = audited(tmp_path)
    assert [(f.place, f.index) for f in found.faults] == [("checkpoint signed last at size 300", 150)]
    assert "rolled back" in found.faults[0].what
    assert found.last_signed is None
    (tmp_path / "keys" / "last-signed").unlink()
    assert audited(tmp_path).is_intact


def test_a_memory_that_the_log_never_signed_is_named(tmp_path: Path) -> None:
    remembered(tmp_path, 4)
    path = tmp_path / "keys" / "last-signed"
    path.write_bytes(path.read_bytes().replace(b"\n4\n", b"\n5\n"))
    assert [f.place for f in audited(tmp_path).faults] == ["checkpoint signed last"]


def test_swapped_entries_are_named_as_reordered(tmp_path: Path) -> None:
    filled(tmp_path)
    all_leaves = leaves(tmp_path)
    tampered(
        tmp_path,
        ("UPDATE entries SET leaf = ? WHERE idx = 4", (all_leaves[11],)),
        ("UPDATE entries SET leaf = ? WHERE idx = 11", (all_leaves[4],)),
    )
    found = [f for f in audited(tmp_path).faults if f.place.startswith("entry")]
    assert [f.index for f in found] == [4, 11]
    assert found[0].what == "the leaf of entry 11 stands in its place: entries were reordered"


@pytest.mark.parametrize("left", [0, 1, 255, 256, 299])
def test_truncation_names_the_first_missing_entry(tmp_path: Path, left: int) -> None:
    filled(tmp_path)
    tampered(
        tmp_path,
        ("DELETE FROM entries WHERE idx >= ?", (left,)),
        ("DELETE FROM bodies WHERE idx >= ?", (left,)),
    )
    found = audited(tmp_path).first
    assert found is not None
    assert (found.place, found.index) == (f"entry {left}", left)
    assert "truncated" in found.what


@pytest.mark.parametrize("index", [0, 5, 298])
def test_a_missing_entry_in_the_middle_is_named(tmp_path: Path, index: int) -> None:
    filled(tmp_path)
    tampered(tmp_path, ("DELETE FROM entries WHERE idx = ?", (index,)))
    found = audited(tmp_path).first
    assert found is not None
    assert (found.place, found.index) == (f"entry {index}", index)


def test_an_entry_below_zero_is_found(tmp_path: Path) -> None:
    filled(tmp_path, 10)
    tampered(tmp_path, ("INSERT INTO entries VALUES (-3, ?)", (b"x",)))
    found = audited(tmp_path).first
    assert found is not None
    assert found.what == "entry -3 stands in its place"


def later(found: list[bytes]) -> None:
    found[40] = found[40].replace(b"\n17", b"\n18")


def test_a_rewritten_tree_is_found_against_the_signed_root(tmp_path: Path) -> None:
    filled(tmp_path)
    rewrite(tmp_path, 300, change=later)
    found = audited(tmp_path)
    assert [(f.place, f.index) for f in found.faults] == [("checkpoint at size 300", 0)]
    assert found.covered == 0


def test_a_clean_rollback_shows_only_against_a_checkpoint_kept_elsewhere(tmp_path: Path) -> None:
    note = filled(tmp_path)
    with opened(tmp_path) as ledger:
        ledger.store_checkpoint(signed(ledger, 200))
    rewrite(tmp_path, 200, change=lambda _: None)
    assert audited(tmp_path).is_intact
    found = audited(tmp_path, note).faults
    assert [(f.place, f.index) for f in found] == [("checkpoint kept elsewhere at size 300", 200)]
    assert "rolled back" in found[0].what


def test_a_split_view_by_the_key_holder_shows_against_a_kept_checkpoint(tmp_path: Path) -> None:
    note = filled(tmp_path)
    rewrite(tmp_path, 299, change=later)
    with opened(tmp_path) as ledger:
        ledger.append(drafts(1))
        ledger.store_checkpoint(signed(ledger))
    assert audited(tmp_path).is_intact
    found = audited(tmp_path, note).faults
    assert [f.place for f in found] == ["checkpoint kept elsewhere at size 300"]
    assert "two views" in found[0].what


def test_a_kept_checkpoint_of_another_log_is_the_users_error(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    with pytest.raises(AncileError, match="no trusted key"):
        audited(tmp_path, checkpoint(3, bytes(32), origin="example.com/other"))


def test_a_flipped_byte_in_a_stored_checkpoint_names_it(tmp_path: Path) -> None:
    note = filled(tmp_path)
    tampered(tmp_path, ("UPDATE checkpoints SET note = ?", (note.replace("\n300\n", "\n301\n"),)))
    assert [f.place for f in audited(tmp_path).faults] == ["checkpoint at size 300"]


def test_a_checkpoint_under_another_size_or_of_a_longer_log_is_found(tmp_path: Path) -> None:
    note = filled(tmp_path)
    tampered(tmp_path, ("INSERT INTO checkpoints VALUES (5, ?, 0)", (note,)))
    assert [f.place for f in audited(tmp_path).faults] == ["checkpoint at size 5"]
    longer = checkpoint(301, bytes(32))
    tampered(tmp_path, ("UPDATE checkpoints SET note = ?, size = 301 WHERE size = 5", (longer,)))
    assert [(f.place, f.index) for f in audited(tmp_path).faults] == [("checkpoint at size 301", 300)]


def test_values_of_wrong_types_are_faults_and_never_crash(tmp_path: Path) -> None:
    """A file may claim our schema and hold text where blobs belong; SQLite believes its bytes."""
    filled(tmp_path, 5)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        strict = dict(db.execute("SELECT name, sql FROM sqlite_schema WHERE sql LIKE '%STRICT'").fetchall())
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = replace(sql, ' STRICT', '') WHERE sql LIKE '%STRICT'")
        db.commit()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        db.execute("DROP TRIGGER entries_update")
        db.execute("UPDATE entries SET leaf = CAST(leaf AS TEXT) WHERE idx = 2")
        db.execute("UPDATE bodies SET salt = 5 WHERE idx = 3")
        db.execute("UPDATE bodies SET body = 'text' WHERE idx = 4")
        db.execute("UPDATE tiles SET hashes = 'text'")
        db.execute("UPDATE checkpoints SET note = x'ff'")
        db.execute(GUARDS["entries_update"])
        db.execute("PRAGMA writable_schema = ON")
        for name, sql in strict.items():
            db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, name))
        db.commit()
    places = [f.place for f in audited(tmp_path).faults]
    assert {"entry 2", "body of entry 3", "body of entry 4", "checkpoint at size 5"} <= set(places)


def test_a_dropped_guard_is_named_after_the_entries(tmp_path: Path) -> None:
    filled(tmp_path, 5)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        db.execute("DROP TRIGGER entries_update")
        db.execute("INSERT INTO bodies VALUES (77, x'', x'')")
        db.commit()
    assert [f.what for f in audited(tmp_path).faults] == [
        "entries_update is missing",
        "a body for entry 77, which does not exist",
    ]


def test_a_ledger_of_nothing_but_faults_gives_a_bounded_result(tmp_path: Path) -> None:
    filled(tmp_path, 1100)
    tampered(tmp_path, ("UPDATE bodies SET body = x'00'", ()))
    found = audited(tmp_path)
    assert len(found.faults) == 100
    assert found.first is not None
    assert found.first.index == 0


def test_a_malformed_leaf_by_the_key_holder_is_named(tmp_path: Path) -> None:
    """The tree agrees with it and the log signed it, yet ancile would not have written it."""
    filled(tmp_path, 5)

    def shortened(found: list[bytes]) -> None:
        found[2] = leaf_head("report", time_ms=1, author=AUTHOR)

    rewrite(tmp_path, 5, change=shortened)
    new = [leaf_hash(leaf) for leaf in leaves(tmp_path)]
    with opened(tmp_path) as ledger:
        assert Nodes(ledger.store.tile)(0, 2) == new[2]
        tampered(
            tmp_path, ("UPDATE checkpoints SET note = ?", (checkpoint(5, ledger.root(5), origin=ORIGIN),))
        )
    found = audited(tmp_path).faults
    assert found[0].place == "entry 2"
    assert "malformed" in found[0].what
