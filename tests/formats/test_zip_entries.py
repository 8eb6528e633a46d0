"""Both directories of an archive are read, and what differs is told."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.beginnings import is_zip, zip_end
from ancile.formats.zip_entries import content, read_archive

MEMBERS = {"a/data.pkl": b"first " * 50, "b.txt": b"", "deep/c": b"\x00\x01"}


def archive(method: int = zipfile.ZIP_DEFLATED, members: dict[str, bytes] = MEMBERS) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, held in members.items():
            made.writestr(name, held)
    return file.getvalue()


def faults(data: bytes) -> str:
    return "; ".join(one.what for one in read_archive(data).faults)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_members_of_every_method_come_out_as_zipfile_reads_them(method: int) -> None:
    data = archive(method)
    found = read_archive(data)
    assert (found.faults, found.strays) == ((), ())
    assert {one.name: content(data, one, limit_bytes=10**6) for one in found.entries} == {
        name: (held, "") for name, held in MEMBERS.items()
    }


def test_an_archive_is_known_by_its_beginning_or_its_end() -> None:
    assert is_zip(archive()[:4])
    assert zip_end(b"ELF" + archive()) > 0
    assert zip_end(b"no archive") < 0


def test_two_members_of_one_name_are_told_whatever_their_case() -> None:
    twice = archive(members={"data.pkl": b"1", "data.abc": b"2"}).replace(b"data.abc", b"data.pkl")
    assert "two members are called 'data.pkl'" in faults(twice)
    assert "two members are called 'DATA.PKL'" in faults(
        archive(members={"data.pkl": b"1", "DATA.PKL": b"2"})
    )


def test_a_local_header_that_says_otherwise_is_told() -> None:
    data = archive()
    other = data.replace(b"a/data.pkl", b"a/evil.pkl", 1)
    assert "its local header calls it 'a/evil.pkl'" in faults(other)
    assert "names another compression" in faults(data[:8] + b"\x00\x00" + data[10:])
    assert "disagree about encryption" in faults(data[:6] + b"\x01\x00" + data[8:])
    assert "it has no local header" in faults(b"XX" + data[2:])


def test_bytes_before_between_and_behind_are_told() -> None:
    data = archive()
    before = read_archive(b"payload" * 10 + data)
    assert "70 bytes stand before the archive" in "".join(one.what for one in before.faults)
    assert before.strays == ((0, 70),)
    assert read_archive(data + b"tail").strays == ((len(data), len(data) + 4),)


def test_a_member_that_the_directory_leaves_out_is_stray() -> None:
    two, one = archive(members={"x": b"1" * 40, "y": b"2" * 40}), archive(members={"x": b"1" * 40})
    end = two.index(b"PK\x01\x02")
    joined = two[:end] + one[one.index(b"PK\x01\x02") :]
    assert read_archive(joined).strays


@pytest.mark.parametrize(
    ("start", "value", "said"),
    [
        (16, 0xDEAD, "its checksum differs"),
        (24, 7, "8 bytes or more where 7 are told"),
        (10, 99, "does not unpack"),
    ],
)
def test_content_that_is_not_as_told_still_comes_out(start: int, value: int, said: str) -> None:
    data = bytearray(archive(zipfile.ZIP_STORED, {"x": b"12345678"}))
    at = data.index(b"PK\x01\x02") + start
    struct.pack_into("<H" if start == 10 else "<I", data, at, value)
    held, why = content(bytes(data), read_archive(bytes(data)).entries[0], limit_bytes=100)
    assert said in why
    assert held[:7] == b"1234567"


def test_counts_and_places_beyond_the_file_are_told() -> None:
    data = bytearray(archive())
    end = data.rindex(b"PK\x05\x06")
    struct.pack_into("<H", data, end + 10, 9)
    assert "counts 9 members and lists 3" in faults(bytes(data))
    struct.pack_into("<I", data, end + 12, 10**6)
    assert "beyond the file" in faults(bytes(data))
    assert "there is no directory" in faults(b"PK\x03\x04")


def test_zip64_sizes_are_read() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made, made.open("x", "w", force_zip64=True) as member:
        member.write(b"abc")
    data = file.getvalue()
    (entry,) = read_archive(data).entries
    assert content(data, entry, limit_bytes=10) == (b"abc", "")


@pytest.mark.slow
@given(at=st.integers(0, 400), held=st.binary(min_size=1, max_size=12))
def test_damage_is_told_and_never_raised(at: int, held: bytes) -> None:
    data = bytearray(archive(zipfile.ZIP_LZMA))
    data[at : at + len(held)] = held
    for one in read_archive(bytes(data)).entries:
        content(bytes(data), one, limit_bytes=1000)
