"""Digests of files are those of their bytes, whatever the number of threads."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.work.hashing import CHUNK, ChangedError, Hashed, NotRegularError, hash_file, hash_files


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_a_file_has_the_digests_of_its_bytes(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    told: list[int] = []
    found = hash_file(tmp_path / "a", blake2b=True, told=told.append)
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.blake2b == hashlib.blake2b(data).hexdigest()
    assert (found.size, sum(told)) == (size, size)


# Each example starts threads, and CPython 3.11 now and then fails to trace one for coverage
@settings(max_examples=20)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=12), st.integers(1, 5))
def test_threads_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: list[bytes], workers: int
) -> None:
    folder = tmp_path_factory.mktemp("files")
    paths = [folder / str(number) for number in range(len(data))]
    for path, content in zip(paths, data, strict=True):
        path.write_bytes(content)
    found = hash_files(paths, [len(one) for one in data], workers=workers)
    assert [one.sha256 for one in found if isinstance(one, Hashed)] == [
        hashlib.sha256(one).hexdigest() for one in data
    ]


def test_a_link_a_pipe_and_a_folder_have_no_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    found = hash_files([tmp_path / name for name in ("a", "link", "pipe", "folder")], [1, 0, 0, 0], workers=2)
    assert [type(one) for one in found] == [Hashed, OSError, NotRegularError, NotRegularError]


@pytest.mark.parametrize("change", ["append", "truncate", "rewrite"])
def test_a_file_that_changes_while_it_is_read_has_no_digest(tmp_path: Path, change: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(3 * CHUNK))

    def meanwhile(_: int) -> None:
        with path.open("r+b") as file:
            if change == "append":
                file.seek(0, os.SEEK_END)
                file.write(b"more")
            elif change == "truncate":
                file.truncate(CHUNK)
            else:
                file.write(b"other")

    with pytest.raises(ChangedError):
        hash_file(path, told=meanwhile)


def test_progress_comes_to_the_whole(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(bytes(CHUNK))
    told: list[tuple[int, int]] = []
    hash_files([tmp_path / name for name in "abc"], [CHUNK] * 3, progress=lambda *one: told.append(one))
    assert told[-1] == (3 * CHUNK, 3 * CHUNK)
    assert told == sorted(told)


def test_whoever_is_told_may_stop_the_work(tmp_path: Path) -> None:
    """An interrupt in the calling thread ends the others: none is left behind, however much is to be read."""
    with (tmp_path / "a").open("wb") as file:
        file.truncate(1 << 36)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hash_files([tmp_path / "a"], [1 << 36], progress=interrupt)
    assert not [one for one in threading.enumerate() if one.name.startswith("ancile-hash")]
