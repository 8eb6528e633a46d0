"""The SQLite store: modes, faults with remedies, versions, and files that other programs touched."""

from __future__ import annotations

import errno
import os
import random
import resource
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.trust import sqlite_schema
from ancile.trust.audit import audit
from ancile.trust.ledger import Draft
from ancile.trust.sqlite_schema import SCHEMA, VERSION, access, connected, folder_lock, migrate, sqlite_faults
from ancile.trust.sqlite_store import INLINE_BYTES, open_sqlite
from ancile.trust.store import Row
from tests.trust.ledger_help import AUTHOR, VKEYS, drafts, filled, opened

LONG = bytes(INLINE_BYTES + 1)


def execute(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "ledger.db")) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with opened(tmp_path / "new") as ledger:
            ledger.append([Draft("run", AUTHOR, LONG)])
            files = {path: mode(path) for path in (tmp_path / "new").rglob("*")}
    finally:
        os.umask(old)
    assert mode(tmp_path / "new") == 0o700
    assert {path.name.partition("-")[0] for path in files} >= {"ledger.db", "objects"}
    assert all(bits == (0o700 if path.name == "objects" else 0o600) for path, bits in files.items())


def test_the_file_is_laid_out_as_measured(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        assert db.execute("PRAGMA page_size").fetchone() == (16_384,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute("UPDATE entries SET leaf = x'00'")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute("DELETE FROM entries")
        with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT"):
            db.execute("INSERT INTO entries VALUES (9, 'text')")
    with closing(connected(tmp_path / "ledger.db", mode="rw")) as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert db.execute("PRAGMA secure_delete").fetchone() == (1,)


def test_an_absent_ledger_is_not_made_by_reading(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(AncileError, match="no ledger here"):
            open_sqlite(folder)
    assert list(tmp_path.iterdir()) == []


def test_long_bodies_lie_in_files_and_come_back(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append([Draft("segment", AUTHOR, LONG), Draft("segment", AUTHOR, LONG[:-1])])
        assert len(list((tmp_path / "objects").iterdir())) == 1
        assert [len(ledger.entry(n).body or b"") for n in (0, 1)] == [len(LONG), len(LONG) - 1]


def object_of(folder: Path) -> Path:
    return next((folder / "objects").iterdir())


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(LONG[:-1] + b"x"),
        lambda path: path.write_bytes(b""),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
        lambda path: os.truncate(path, 2**31),
    ],
)
def test_a_damaged_long_body_is_named(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    with opened(tmp_path) as ledger:
        ledger.append([*drafts(2), Draft("segment", AUTHOR, LONG)])
        damage(object_of(tmp_path))
        assert [f.place for f in audit(ledger, vkeys=VKEYS).faults] == ["body of entry 2"]


def test_a_missing_long_body_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append([Draft("segment", AUTHOR, LONG)])
        object_of(tmp_path).unlink()
        with pytest.raises(AncileError, match="an entry is damaged"):
            ledger.entry(0)


def test_files_that_a_crash_left_are_removed_by_the_next_writer(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append([Draft("segment", AUTHOR, LONG)])
    needed = object_of(tmp_path)
    (tmp_path / "objects" / ("0" * 64)).write_bytes(LONG)
    (tmp_path / "objects" / ".writing-abc").write_bytes(LONG)
    with opened(tmp_path) as ledger:
        ledger.append(drafts(1))
    assert list((tmp_path / "objects").iterdir()) == [needed]


def test_what_fails_in_a_transaction_leaves_nothing_behind(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append([Draft("segment", AUTHOR, LONG)])
        with pytest.raises(ZeroDivisionError), ledger.store.transaction() as changes:
            changes.put_checkpoint(1 // 0, note="x", time_ms=0)
        with pytest.raises(AncileError), ledger.store.transaction() as changes:
            changes.append(0, [Row(b"leaf", b"salt", LONG)])
        assert len(list((tmp_path / "objects").iterdir())) == 1
    with opened(tmp_path) as ledger:
        assert ledger.latest_checkpoint() is None
        assert ledger.append(drafts(1)) == range(1, 2)


def test_a_body_that_cannot_be_filed_fails_its_batch_and_no_other(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append(drafts(1))
        (tmp_path / "objects").write_bytes(b"in the way")
        with pytest.raises(AncileError):
            ledger.append([Draft("segment", AUTHOR, LONG)])
        (tmp_path / "objects").unlink()
        assert ledger.append(drafts(1)) == range(1, 2)
        assert audit(ledger, vkeys=VKEYS).is_intact


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "this database is no ledger"),
        (b"no database at all, and long enough to be looked at" * 50, "no ledger, or a damaged one"),
    ],
)
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "ledger.db").write_bytes(content)
    with pytest.raises(AncileError, match=what):
        open_sqlite(tmp_path)
    assert (tmp_path / "ledger.db").read_bytes() == content


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE meta (name TEXT, value TEXT)",
        "CREATE TABLE other (a)",
        "CREATE VIEW meta AS SELECT 'version' AS name, 'one' AS value",
    ],
)
def test_another_programs_database_is_refused(tmp_path: Path, statement: str) -> None:
    execute(tmp_path, statement)
    with pytest.raises(AncileError, match="this database is no ledger"):
        open_sqlite(tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER extra AFTER INSERT ON entries BEGIN DELETE FROM checkpoints; END",
        "CREATE VIEW extra AS SELECT 1",
        "ALTER TABLE entries ADD COLUMN extra BLOB",
        "DROP TABLE tiles",
        "ALTER TABLE tiles RENAME TO tails",
    ],
)
def test_a_ledger_with_foreign_definitions_is_refused(tmp_path: Path, statement: str) -> None:
    filled(tmp_path, 3)
    execute(tmp_path, statement)
    with pytest.raises(AncileError, match="tables were changed"):
        open_sqlite(tmp_path)


def test_nothing_is_appended_where_a_guard_is_missing(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    execute(tmp_path, "DROP TRIGGER entries_delete")
    with opened(tmp_path) as ledger:
        with pytest.raises(AncileError, match="changed by another program"):
            ledger.append(drafts(1))
        assert ledger.size() == 3


def test_nothing_is_appended_to_a_tree_that_does_not_match(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    execute(tmp_path, "UPDATE tiles SET hashes = x'00'")
    with opened(tmp_path) as ledger, pytest.raises(AncileError, match="does not match its entries"):
        ledger.append(drafts(1))


def test_a_newer_version_is_refused_with_the_remedy(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    execute(tmp_path, "UPDATE meta SET value = '2'")
    with pytest.raises(AncileError, match="newer ancile") as caught:
        open_sqlite(tmp_path)
    assert "pip install --upgrade" in caught.value.remedy


def test_an_older_version_is_migrated_on_a_copy(tmp_path: Path) -> None:
    """A step that fails leaves the file as it was; one that works takes its place."""
    note = filled(tmp_path, 3)
    path = tmp_path / "ledger.db"
    before = path.read_bytes()
    good = "CREATE TABLE added (a INTEGER) STRICT"
    for steps in ({VERSION: f"{good}; SELECT nonsense"}, {}):
        with pytest.raises((sqlite3.Error, AncileError)):
            migrate(path, wanted=VERSION + 1, steps=steps)
        with opened(tmp_path) as ledger:
            assert ledger.latest_checkpoint() == note
    migrate(path, wanted=VERSION + 1, steps={VERSION: good})
    assert path.read_bytes() != before
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT value FROM meta").fetchone() == (str(VERSION + 1),)
        assert db.execute("SELECT count(*) FROM added").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM entries").fetchone() == (3,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert mode(path) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ledger.db"]


def test_a_migration_waits_for_no_one_who_reads(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    with opened(tmp_path):
        path = tmp_path / "ledger.db"
        with folder_lock(tmp_path), pytest.raises(AncileError, match="locked"), sqlite_faults(tmp_path):
            migrate(path, wanted=VERSION + 1, steps={VERSION: "SELECT 1"}, wait_seconds=0.01)


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (sqlite3.SQLITE_FULL, "the disk is full"),
        (sqlite3.SQLITE_READONLY, "cannot be written"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "locked by another process"),
        (sqlite3.SQLITE_IOERR_WRITE, "the disk fails"),
        (sqlite3.SQLITE_IOERR_SHMSIZE, "the disk is full"),
        (sqlite3.SQLITE_CORRUPT, "file is damaged"),
        (None, "file is damaged"),
    ],
)
def test_each_fault_of_sqlite_has_a_remedy(tmp_path: Path, code: int | None, what: str) -> None:
    error = sqlite3.OperationalError("text")
    if code is not None:
        error.sqlite_errorcode = code
    with pytest.raises(AncileError, match=what) as caught, sqlite_faults(tmp_path):
        raise error
    assert caught.value.remedy


@pytest.mark.parametrize(("free", "what"), [(0, "the disk is full"), (2**24, "the disk fails")])
def test_an_error_of_the_disk_is_told_from_a_full_one_by_the_room_that_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, what: str
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    disk = os.statvfs(tmp_path)
    changed = os.statvfs_result([*disk[:4], free // disk.f_frsize, *disk[5:]])
    monkeypatch.setattr(os, "statvfs", lambda _: changed)
    with pytest.raises(AncileError, match=what), sqlite_faults(tmp_path):
        raise error


def test_an_error_in_a_folder_that_is_gone_is_one_of_the_disk(tmp_path: Path) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
    with pytest.raises(AncileError, match="the disk fails"), sqlite_faults(tmp_path / "gone"):
        raise error


def test_a_file_beside_the_ledger_that_has_no_room_is_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(AncileError, match="the disk is full"), sqlite_faults(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")


@contextmanager
def no_room() -> Iterator[None]:
    """No file may grow, as on a full disk: SQLite's shared index cannot be made."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("killed", [False, True])
def test_a_full_disk_can_be_read_and_says_what_it_is_to_who_writes(tmp_path: Path, *, killed: bool) -> None:
    """Also where a writer died and left its log of changes."""
    note = filled(tmp_path, 3)
    if killed:
        child = os.fork()
        if child == 0:
            opened(tmp_path).append(drafts(2, first=3))
            os._exit(0)
        os.waitpid(child, 0)
        (tmp_path / "ledger.db-shm").unlink()
    with no_room(), opened(tmp_path, create=False) as ledger:
        found = audit(ledger, vkeys=VKEYS)
        assert (found.is_intact, found.size) == (True, 5 if killed else 3)
        assert ledger.latest_checkpoint() == note
        with pytest.raises(AncileError, match="the disk is full"):
            ledger.append(drafts(1))
    with opened(tmp_path) as ledger:
        assert ledger.append(drafts(1)) == range(found.size, found.size + 1)
        assert audit(ledger, vkeys=VKEYS).is_intact


def test_a_ledger_too_large_for_memory_is_not_read_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, 3)
    monkeypatch.setattr(sqlite_schema, "IN_MEMORY_BYTES", 10)
    with no_room(), pytest.raises(AncileError, match="the disk is full"):
        opened(tmp_path, create=False)


def test_a_damaged_ledger_on_a_full_disk_is_damaged(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    path = tmp_path / "ledger.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:20_000])
    with no_room(), pytest.raises(AncileError, match="damaged"):
        opened(tmp_path, create=False)


def test_a_fault_of_the_system_has_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(AncileError, match="folder fails"), sqlite_faults(tmp_path):
        (tmp_path / "absent").read_bytes()


def test_a_file_that_outgrows_its_limit_is_a_full_disk(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append(drafts(1))
        write = getattr(ledger.store, "_write")  # noqa: B009 - the connection of a store, whatever its class
        pages = write.execute("PRAGMA page_count").fetchone()[0]
        write.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(AncileError, match="the disk is full"):
            ledger.append([Draft("run", AUTHOR, bytes(100_000))])
        write.execute("PRAGMA max_page_count = 1000000")
        assert ledger.append(drafts(1)) == range(1, 2)
        assert audit(ledger, vkeys=VKEYS).is_intact


def as_nobody(work: Callable[[], None]) -> int:
    """Exit status of a forked child without root's rights."""
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65_534)
                os.setuid(65_534)
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the child must not go on with the test run
            os._exit(1)
    return os.waitpid(child, 0)[1]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_folder_that_cannot_be_written_is_read_and_not_appended_to(tmp_path: Path) -> None:
    note = filled(tmp_path / "ledger", 5)
    for path in (tmp_path / "ledger").iterdir():
        path.chmod(0o444)
    (tmp_path / "ledger").chmod(0o555)
    common = Path(tempfile.gettempdir())
    for parent in [tmp_path, *tmp_path.parents]:
        if parent != common and parent.is_relative_to(common):
            parent.chmod(0o755)

    def work() -> None:
        with opened(tmp_path / "ledger", create=False) as ledger:
            assert audit(ledger, vkeys=VKEYS, against=[note]).is_intact
            with pytest.raises(AncileError, match="cannot be written"):
                ledger.append(drafts(1))

    try:
        assert as_nobody(work) == 0
    finally:
        (tmp_path / "ledger").chmod(0o755)


def test_only_a_reader_of_an_unwritable_folder_without_a_log_takes_the_file_as_unchanging() -> None:
    assert access("ro", can_write=False, has_wal=False) == "immutable=1"
    assert access("ro", can_write=False, has_wal=True) == "mode=ro"
    assert access("ro", can_write=True, has_wal=False) == "mode=ro"
    assert access("rw", can_write=False, has_wal=False) == "mode=rw"


def test_a_flipped_byte_anywhere_in_the_file_is_found_or_harmless(tmp_path: Path) -> None:
    """Never a foreign error, and never another content that passes for the old one."""
    note = filled(tmp_path, 20)
    path = tmp_path / "ledger.db"
    whole = path.read_bytes()
    with opened(tmp_path) as ledger:
        before = [ledger.entry(n) for n in range(20)]
    rng = random.Random(2)
    used = [at for at, byte in enumerate(whole) if byte]
    for at in [*range(0, 100, 3), *rng.sample(used, 60)]:
        for leftover in tmp_path.glob("ledger.db-*"):
            leftover.unlink()
        path.write_bytes(whole[:at] + bytes([whole[at] ^ rng.randrange(1, 256)]) + whole[at + 1 :])
        try:
            with opened(tmp_path, create=False) as ledger:
                if audit(ledger, vkeys=VKEYS, against=[note]).is_intact:
                    assert [ledger.entry(n) for n in range(20)] == before
        except AncileError as error:
            assert error.remedy  # noqa: PT017 - either outcome is right


def test_the_schema_is_what_the_file_holds(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        found = dict(db.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall())
    assert found == SCHEMA
