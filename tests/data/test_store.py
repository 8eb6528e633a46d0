"""Versions are kept whole or not at all, and each chunk once."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ancile.core.errors import AncileError
from ancile.data import reading
from ancile.data.adding import Added, add_version, name_of
from ancile.data.store import DATABASE, PACKS, DataStore
from ancile.data.version import Provenance, Version, parse_spelled
from ancile.work.listing import Entry
from tests.cli.terminal import MEASURING

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ancile.data.adding import add_version
from ancile.data.store import DataStore
from ancile.data.version import Provenance
print("ready", flush=True)
with DataStore(Path(sys.argv[1])) as store:
    add_version(store, Path(sys.argv[2]), name="set", provenance=Provenance(), now=datetime.now(UTC))
"""


def noise(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()


def added(store: DataStore, path: Path, **said: str) -> Added:
    return add_version(store, path, name="set", provenance=Provenance(**said), now=NOW)  # type: ignore[arg-type]  # words


def content(store: DataStore, version: Version) -> dict[str, bytes]:
    return {one.path: b"".join(store.read(piece) for piece in one.chunks) for one in version.files}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "home" / "data"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "cat").mkdir(parents=True)
    for number in range(20):
        (folder / "cat" / f"{number} ä.png").write_bytes(noise(300 + number, number))
    (folder / "empty").write_bytes(b"")
    return folder


def test_what_was_added_is_had_back(place: Path, images: Path) -> None:
    with DataStore(place) as store:
        version = added(store, images).kept.version
        held = content(store, version)
    assert held["cat/7%20%C3%A4.png"] == noise(307, 7)
    assert held["empty"] == b""
    assert len(version.files) == 21


@pytest.mark.parametrize("block", [64, 4096, 16 << 20])
def test_a_large_file_has_the_digest_of_its_bytes_whatever_the_blocks(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(reading, "BLOCK", block)
    data = noise(100_000)
    (tmp_path / "rows.csv").write_bytes(data)
    with DataStore(place) as store:
        version = added(store, tmp_path / "rows.csv").kept.version
        assert content(store, version) == {"rows.csv": data}
    assert len(version.files[0].chunks) > 10


def test_a_change_costs_what_changed(place: Path, tmp_path: Path) -> None:
    data, path = noise(2_000_000), tmp_path / "rows.csv"
    with DataStore(place) as store:
        path.write_bytes(data)
        assert added(store, path).grown == 2_000_000
        path.write_bytes(data[:700_000] + noise(20_000, 1) + data[720_000:])
        second = added(store, path)
        assert (second.kept.version.number, second.new) == (2, True)
        assert second.grown < 20_000 + 8 * 4096
        assert content(store, store.find(parse_spelled("set@1")).version) == {"rows.csv": data}


def test_the_same_again_is_no_new_version(place: Path, images: Path) -> None:
    with DataStore(place) as store:
        added(store, images)
        again = added(store, images, note="other words")
        assert (again.new, again.grown, again.kept.version.number) == (False, 0, 1)
        assert len(list((place / PACKS).iterdir())) == 1


def test_a_single_file_and_a_folder_of_it_are_two_versions(place: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a").write_bytes(b"a")
    with DataStore(place) as store:
        added(store, tmp_path / "set")
        assert added(store, tmp_path / "set" / "a").kept.version.number == 2


def test_parents_are_named_with_their_number_and_must_be_there(place: Path, images: Path) -> None:
    with DataStore(place) as store:
        added(store, images)
        said = Provenance(parents=("set",))
        child = add_version(store, images / "cat", name="cats", provenance=said, now=NOW)
        assert child.kept.version.provenance.parents == ("set@1",)
        with pytest.raises(AncileError, match="no such version"):
            add_version(store, images, name="x", provenance=Provenance(parents=("set@2",)), now=NOW)


@pytest.mark.parametrize("name", ["", "a b", "a@b", "x\n", "\x1b[31m"])
def test_a_name_that_no_version_could_be_called_by_is_refused(place: Path, images: Path, name: str) -> None:
    with DataStore(place) as store, pytest.raises(AncileError, match="no name of a version"):
        add_version(store, images, name=name, provenance=Provenance(), now=NOW)


@pytest.mark.parametrize("words", ["two\nlines", "\x1b[31m", "x" * 2001])
def test_words_that_do_not_fit_are_refused(place: Path, images: Path, words: str) -> None:
    with DataStore(place) as store, pytest.raises(AncileError, match="does not fit"):
        added(store, images, source=words)


def test_a_set_is_called_by_its_path_in_the_project(tmp_path: Path) -> None:
    inside = tmp_path / "project" / "data" / "a b@c.csv"
    assert name_of(inside, tmp_path / "project") == "data/a_b_c.csv"
    assert name_of(inside, tmp_path / "other") == "a_b_c.csv"


def test_a_chunk_that_is_damaged_or_gone_is_told(place: Path, images: Path) -> None:
    with DataStore(place) as store:
        version = added(store, images).kept.version
        (pack,) = (place / PACKS).iterdir()
        held = pack.read_bytes()
        pack.write_bytes(bytes(len(held)))
        with pytest.raises(AncileError, match="damaged or gone"):
            content(store, version)
        pack.unlink()
        with pytest.raises(AncileError, match="damaged or gone"):
            content(store, version)


def test_a_version_that_cannot_be_read_is_told(place: Path, images: Path) -> None:
    with DataStore(place) as store:
        added(store, images)
    with sqlite3.connect(place / DATABASE) as db:
        db.execute("UPDATE versions SET body = x'00'")
    db.close()
    with DataStore(place) as store, pytest.raises(AncileError, match="damaged"):
        store.find(parse_spelled("set"))


def test_a_store_of_a_newer_program_is_refused(place: Path) -> None:
    with DataStore(place):
        pass
    with sqlite3.connect(place / DATABASE) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(AncileError, match="newer ancile"):
        DataStore(place)


def test_nothing_stays_of_an_addition_that_fails(
    place: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with DataStore(place) as store:
        added(store, images)
        (images / "new").write_bytes(noise(1000, 5))
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            with pytest.raises(AncileError, match="No space left"):
                added(store, images)
        assert len(list((place / PACKS).iterdir())) == 1
        assert [one.version.number for one in store.versions("set")] == [1]
        assert added(store, images).kept.version.number == 2


def test_a_file_that_changes_while_it_is_read_makes_no_version(
    place: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = reading._small

    def meanwhile(descriptor: int, entry: Entry, *given: Any) -> reading.Digested:
        (images / "cat" / "3 ä.png").write_bytes(b"other")
        return plain(descriptor, entry, *given)

    with DataStore(place) as store:
        monkeypatch.setattr(reading, "_small", meanwhile)
        with pytest.raises(AncileError, match="changed while it was read"):
            added(store, images)
        assert store.names() == []


@pytest.mark.slow
def test_kill_9_leaves_the_versions_before_and_a_store_that_works(place: Path, tmp_path: Path) -> None:
    """At moments over the whole length of an addition; ANCILE_SOAK sets how many."""
    path = tmp_path / "rows.bin"
    path.write_bytes(noise(1_000_000))
    with DataStore(place) as store:
        added(store, path)
    moments = int(os.environ.get("ANCILE_SOAK", "6"))
    unmeasured = {name: value for name, value in os.environ.items() if name not in MEASURING}
    for number in range(moments):
        path.write_bytes(noise(3_000_000, number + 1))
        command = [sys.executable, "-c", ADD, str(place), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=unmeasured) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            deadline = time.monotonic() + 0.1 * number / moments
            while child.poll() is None and time.monotonic() < deadline:
                pass
            child.send_signal(signal.SIGKILL)
        with DataStore(place) as store:
            kept = [one.version for one in store.versions("set")]
            assert [one.number for one in kept] == list(range(1, len(kept) + 1))
            assert content(store, kept[0]) == {"rows.bin": noise(1_000_000)}
            assert content(store, added(store, path).kept.version) == {"rows.bin": path.read_bytes()}
            named = len({one.version.number for one in store.versions("set")})
            assert len(list((place / PACKS).iterdir())) == named
