"""Zip archives that readers disagree about, or that hold more than they say, are refused."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.formats import zips
from ancile.formats.zips import members, unpack


def archive(*named: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as made:
        warnings.simplefilter("ignore")
        for name, content in named:
            made.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_come_out_as_they_went_in(method: int) -> None:
    data = archive(("a/b", b"one" * 100), ("ä", b""), method=method)
    found = members(data)
    assert {name: unpack(data, one) for name, one in found.items()} == {"a/b": b"one" * 100, "ä": b""}


def patched(data: bytes, find: bytes, put: bytes, *, nth: int = 0) -> bytes:
    place = -1
    for _ in range(nth + 1):
        place = data.index(find, place + 1)
    return data[:place] + put + data[place + len(put) :]


ONE = archive(("name", b"content"))
LOCAL, CENTRAL = ONE.index(zips.LOCAL), ONE.index(zips.CENTRAL)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (archive(("a", b"1"), ("a", b"2")), "twice"),
        (patched(ONE, b"name", b"other"[:4]), "twice and differently"),
        (ONE[: LOCAL + 8] + struct.pack("<H", 8) + ONE[LOCAL + 10 :], "twice and differently"),
        (ONE[: LOCAL + 6] + b"\x01\x00" + ONE[LOCAL + 8 :], "encrypted"),
        (ONE[:CENTRAL] + b"PK\x07\x08" + ONE[CENTRAL + 4 :], "damaged"),
        (b"X" + ONE[1:], "no local header"),
        (ONE[:-1], "damaged"),
        (b"", "damaged"),
        (archive(("a", b"x" * 99), method=zipfile.ZIP_BZIP2), "compression that is not read"),
        (archive(("a", bytes(zips.RATIO_FREE_BYTES + 1)), method=zipfile.ZIP_DEFLATED), "beyond belief"),
    ],
)
def test_an_ambiguous_or_damaged_archive_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(AncileError, match=words):
        members(data)


def test_an_archive_of_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AncileError, match="too much"):
        members(archive(("a", b"12345")), limit_bytes=4)
    monkeypatch.setattr(zips, "MEMBERS", 2)
    with pytest.raises(AncileError, match="too many"):
        members(archive(("a", b""), ("b", b""), ("c", b"")))


def test_content_that_differs_from_its_checksum_is_refused() -> None:
    data = patched(ONE, b"content", b"CONTENT")
    with pytest.raises(AncileError, match="checksum"):
        unpack(data, members(data)["name"])


def test_a_packed_member_that_lies_about_its_size_makes_no_more_than_it_says() -> None:
    data = archive(("a", bytes(100_000)), method=zipfile.ZIP_DEFLATED)
    found = members(data)["a"]
    found.file_size = 10
    with pytest.raises(AncileError, match="length"):
        unpack(data, found)
    garbled = data[:40] + b"\xff" * 20 + data[60:]
    with pytest.raises(AncileError, match="damaged"):
        unpack(garbled, found)


@settings(max_examples=300)
@given(st.data())
def test_any_change_ends_in_content_or_a_known_error(data: st.DataObject) -> None:
    whole = bytearray(archive(("a", b"one"), ("b", b"two" * 50), method=zipfile.ZIP_DEFLATED))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for candidate in (bytes(whole), cut):
        try:
            for one in members(candidate).values():
                unpack(candidate, one)
        except AncileError:
            continue
