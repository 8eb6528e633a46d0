"""A store that somebody tampered with neither harms other files nor says what is not so."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from ancile.core.errors import AncileError
from ancile.core.subject import manifest_digest
from ancile.data import version as version_module
from ancile.data.adding import add_version, name_of
from ancile.data.store import DATABASE, PACKS, ROWS, DataStore
from ancile.data.version import DataFile, Piece, Provenance, Version, is_name, parse_spelled

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ancile.core.errors import AncileError
from ancile.data.adding import add_version
from ancile.data.store import DataStore
from ancile.data.version import Provenance
try:
    with DataStore(Path(sys.argv[1])) as store:
        made = add_version(store, Path(sys.argv[2]), name=sys.argv[3], provenance=Provenance(), now=datetime.now(UTC))
    print(made.kept.version.spelled)
except AncileError as reason:
    print("refused:", reason.what)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "home" / "data"


def added(place: Path, path: Path, name: str = "set") -> Version:
    with DataStore(place) as store:
        return add_version(store, path, name=name, provenance=Provenance(), now=NOW).kept.version


def child(place: Path, path: Path, name: str = "set", **more: Callable[[], None]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ADD, str(place), str(path), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)  # type: ignore[call-overload, no-any-return]  # what Popen takes


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/x", "a/../../x", "a//b", ".", "", "%2e%2e/x", "a/%2E%2E/%2e%2e/x", "%2fetc/x", "a%00b"],
)
def test_a_file_of_a_version_lies_below_its_folder(path: str) -> None:
    with pytest.raises(ValueError, match="below its folder"):
        DataFile(path=path, digest=f"sha256:{'0' * 64}", size=1, chunks=(Piece(bytes(32), 1),))


def test_a_version_that_leads_out_of_its_folder_is_told_as_damage(place: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a", "ascii")
    body = msgspec.msgpack.encode(added(place, tmp_path / "a")).replace(b"\xa4path\xa1a", b"\xa4path\xa4../a")
    with sqlite3.connect(place / DATABASE) as db:
        db.execute("UPDATE versions SET body = ?", (body,))
    db.close()
    with DataStore(place) as store, pytest.raises(AncileError, match="damaged"):
        store.find(parse_spelled("set"))


@pytest.mark.parametrize(
    "name", ["../x", "a/../b", "/etc/x", "-q", "x" * 201, "a\u202eb", "a\u200bb", "..", "\ud800"]
)
def test_a_name_that_misleads_is_refused(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(AncileError, match="no name of a version"):
        parse_spelled(f"{name}@1")


@pytest.mark.parametrize("name", ["data/train.csv", "ä-b.csv", "a..b", "a;rm", ".", "x" * 200])
def test_other_names_are_taken(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["-q", "\u202e", "x" * 250, "a b"])
def test_the_name_of_any_path_may_be_one(name: str, tmp_path: Path) -> None:
    assert is_name(name_of(tmp_path / name, tmp_path))


@pytest.mark.parametrize("folder", [PACKS, ROWS])
def test_a_folder_of_the_store_that_is_a_link_is_refused_and_nothing_is_removed(
    place: Path, tmp_path: Path, folder: str
) -> None:
    (tmp_path / "a").write_text("a", "ascii")
    added(place, tmp_path / "a")
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o700)
    (precious / ("0" * 32)).write_text("mine", "ascii")
    if (place / folder).exists():
        (place / folder).rename(tmp_path / "moved")
    (place / folder).symlink_to(precious)
    with pytest.raises(AncileError, match="is a link"):
        DataStore(place)
    assert (precious / ("0" * 32)).read_text("ascii") == "mine"


def test_what_somebody_put_beside_the_packs_stays(place: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a", "ascii")
    with DataStore(place):
        pass
    (place / PACKS / "folder").mkdir()
    (place / PACKS / "notes.txt").write_text("mine", "ascii")
    (place / PACKS / ("0" * 32)).write_text("left by a crash", "ascii")
    added(place, tmp_path / "a")
    held = {one.name for one in (place / PACKS).iterdir()}
    assert {"folder", "notes.txt"} < held
    assert "0" * 32 not in held


@pytest.mark.parametrize("data", [b"garbage" * 1000, b"SQLite format 3\x00" + bytes(5000)])
def test_a_database_that_is_none_is_one_clear_error(place: Path, data: bytes) -> None:
    with DataStore(place):
        pass
    for path in place.glob(f"{DATABASE}*"):
        path.unlink()
    (place / DATABASE).write_bytes(data)
    with pytest.raises(AncileError, match="cannot be read"), DataStore(place) as store:
        store.names()


def test_of_very_many_files_the_evidence_names_the_manifest_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    files = tuple(
        DataFile(path=f"{number}", digest=f"sha256:{number:064x}", size=0, chunks=()) for number in range(100)
    )
    made = Version(
        name="set", number=1, mean=4096, alone=False, files=files, provenance=Provenance(), made=NOW
    )
    whole = made.subject()
    assert len(whole.parts) == 100
    monkeypatch.setattr(version_module, "PARTS_BYTES", 1000)
    assert made.subject().parts == {}
    assert made.subject().digest == whole.digest == manifest_digest(dict(whole.parts))


@pytest.mark.slow
def test_two_at_once_make_two_versions(place: Path, tmp_path: Path) -> None:
    paths = []
    for number in range(4):
        (tmp_path / f"{number}").write_bytes(bytes([number]) * 300_000)
        paths.append(tmp_path / f"{number}")
    running = [child(place, path) for path in paths]
    told = sorted(one.communicate(timeout=120)[0].strip() for one in running)
    assert told == ["set@1", "set@2", "set@3", "set@4"]
    with DataStore(place) as store:
        for kept in store.versions("set"):
            (file,) = kept.version.files
            assert len(b"".join(map(store.read, file.chunks))) == 300_000


@pytest.mark.slow
def test_a_full_disk_keeps_the_versions_before(place: Path, tmp_path: Path) -> None:
    """As the system refuses to let any file grow beyond a mebibyte."""

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    (tmp_path / "small").write_bytes(b"small")
    added(place, tmp_path / "small")
    (tmp_path / "large").write_bytes(np.random.default_rng(0).bytes(5_000_000))
    told = child(place, tmp_path / "large", "large", preexec_fn=full).communicate(timeout=120)[0]
    assert told == "refused: the version could not be kept, and nothing of it was\n"
    with DataStore(place) as store:
        assert store.names() == ["set"]
        assert len(list((place / PACKS).iterdir())) == 1
        assert add_version(store, tmp_path / "large", name="large", provenance=Provenance(), now=NOW).new
