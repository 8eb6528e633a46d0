"""What is dropped is gone, what others share stays, and what fails leaves all as it was."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.data import store as store_module
from ancile.data.adding import add_version
from ancile.data.store import DataStore
from ancile.data.version import Provenance, Version

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def content(store: DataStore, version: Version) -> bytes:
    return b"".join(store.read(piece) for piece in version.files[0].chunks)


@pytest.fixture
def versions(tmp_path: Path) -> tuple[Path, list[bytes]]:
    """A store with three versions of a set that share most of their chunks."""
    whole = random.Random(3).randbytes(3 << 20)
    texts = [whole, whole[: 1 << 20] + b"changed" + whole[1 << 20 :], whole[: 2 << 20]]
    path = tmp_path / "rows.bin"
    with DataStore(tmp_path / "data") as store:
        for text in texts:
            path.write_bytes(text)
            add_version(store, path, name="rows", provenance=Provenance(), now=NOW)
    return tmp_path / "data", texts


@pytest.mark.parametrize("gone", [(0,), (1,), (0, 1), (0, 2), (0, 1, 2)])
def test_others_are_whole_and_what_nobody_else_has_is_gone(
    versions: tuple[Path, list[bytes]], gone: tuple[int, ...]
) -> None:
    folder, texts = versions
    with DataStore(folder) as store:
        known = [kept.version for kept in store.versions("rows")]
        before = sum(one.stat().st_size for one in (folder / "packs").iterdir())
        freed = store.drop([known[number] for number in gone])
        for number, version in enumerate(known):
            if number in gone:
                assert store.dropped(version) == (None,)
            else:
                assert store.dropped(version) is None
                assert content(store, version) == texts[number]
        packs = list((folder / "packs").iterdir())
        assert sum(one.stat().st_size for one in packs) == before - freed
        if len(gone) == 3:
            assert not packs
        assert store.drop([known[gone[0]]]) == 0
    with DataStore(folder) as store:
        store.drop_entered(known[gone[0]], 7)
        assert store.dropped(known[gone[0]]) == (7,)


def test_a_drop_that_fails_leaves_all_as_it_was(
    versions: tuple[Path, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, texts = versions

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with DataStore(folder) as store:
        known = [kept.version for kept in store.versions("rows")]
        monkeypatch.setattr(store_module, "sync_folder", full)
        with pytest.raises(AncileError, match="could not be kept"):
            store.drop(known[:2])
        assert all(store.dropped(one) is None for one in known)
        assert [content(store, one) for one in known] == texts
        assert len(list((folder / "packs").iterdir())) == 3


def test_a_damaged_chunk_that_would_be_kept_stops_a_drop(versions: tuple[Path, list[bytes]]) -> None:
    folder, _ = versions
    with DataStore(folder) as store:
        known = [kept.version for kept in store.versions("rows")]
        for pack in (folder / "packs").iterdir():
            pack.write_bytes(b"x" * pack.stat().st_size)
        with pytest.raises(AncileError, match="damaged"):
            store.drop(known[1:2] + known[:1])
        assert store.dropped(known[0]) is None


def test_the_same_files_after_a_drop_are_a_new_version(
    versions: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    folder, texts = versions
    with DataStore(folder) as store:
        last = store.versions("rows")[-1].version
        store.drop([last])
        added = add_version(store, tmp_path / "rows.bin", name="rows", provenance=Provenance(), now=NOW)
        assert (added.new, added.kept.version.number) == (True, 4)
        assert content(store, added.kept.version) == texts[-1]
