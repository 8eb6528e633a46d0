"""What comes out of a container is the same in memory and in a temporary file."""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.formats import held
from ancile.formats.held import SMALL, Held, Spool, chunks, forget, is_blank, piece, read_whole


def mapped(folder: Path, data: bytes) -> mmap.mmap:
    file = folder / "data"
    file.write_bytes(data)
    with file.open("rb") as opened:
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)


def spooled(*pieces: bytes) -> Held:
    with Spool() as spool:
        for one in pieces:
            spool.write(one)
        assert spool.size == sum(map(len, pieces))
        return spool.held()


@given(st.lists(st.binary(max_size=40)), st.integers(0, 60))
def test_a_spool_gives_what_was_written_whether_it_is_small_or_not(pieces: list[bytes], small: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held, "SMALL", small)
        found = spooled(*pieces)
    assert bytes(found[:]) == b"".join(pieces)
    assert isinstance(found, bytes) == (sum(map(len, pieces)) <= small)


def test_what_is_large_lies_in_a_file_that_nobody_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = spooled(bytes(SMALL), b"end")
    assert isinstance(found, mmap.mmap)
    assert found[-3:] == b"end"
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_error_that_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(held, "_write", full)
    with pytest.raises(AncileError, match="no room for what a container holds") as told:
        spooled(bytes(SMALL), b"more")
    assert told.value.value == f"{tempfile.gettempdir()}: No space left on device"
    assert "TMPDIR" in told.value.remedy


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 300))
def test_chunks_are_the_bytes_between_two_places(data: bytes, start: int, stop: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held, "CHUNK", 7)
        assert b"".join(bytes(one) for one in chunks(data, start, stop)) == data[start:stop]
        assert is_blank(data, start, stop) == (not data[start:stop].strip(b"\0"))


def test_a_piece_of_a_map_stands_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(100_000)
    with mapped(tmp_path, data) as whole:
        for small in (SMALL, 10):
            monkeypatch.setattr(held, "SMALL", small)
            assert bytes(piece(whole, 77, 90_000)[:]) == data[77:90_000]
    assert piece(data, 0, len(data)) is data


def test_what_is_forgotten_reads_as_before(tmp_path: Path) -> None:
    data = os.urandom(1 << 20)
    with mapped(tmp_path, data) as whole:
        forget(whole, 5000, 700_000)
        assert whole[:] == data
    forget(data, 0, 10)


def test_a_file_that_is_longer_or_shorter_than_told_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"12345")
    told = {}
    for size in (4, 5, 6):
        descriptor = os.open(tmp_path / "data", os.O_RDONLY)
        told[size] = read_whole(descriptor, size)
        os.close(descriptor)
    assert told == {4: None, 5: b"12345", 6: None}
