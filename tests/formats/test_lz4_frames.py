"""LZ4 is unpacked as its own tools pack it, within the limits that a frame gives itself."""

from __future__ import annotations

import shutil
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.compressed import unpack
from ancile.formats.lz4_frames import MAGIC, Lz4Inflater, unpack_block

HEAD = MAGIC + b"\x60\x40\x82"  # independent blocks of 64 KiB, without sums


def frame(*blocks: bytes) -> bytes:
    return HEAD + b"".join(struct.pack("<I", len(one)) + one for one in blocks) + bytes(4)


def test_the_examples_of_the_block_format() -> None:
    assert unpack_block(b"\x40abcd", b"", 10) == b"abcd"
    assert unpack_block(b"\x10a\x01\x00\x10b", b"", 10) == b"aaaaab"  # a match reaches over itself
    assert unpack_block(b"\xf0\x05" + b"x" * 20, b"", 99) == b"x" * 20
    assert unpack_block(b"\x00\x03\x00\x10!", b"xyz", 99) == b"xyzx!"


@pytest.mark.parametrize(
    "block", [b"\x50ab", b"\x10a\x02\x00\x10b", b"\x10a\x00\x00\x10b", b"\x10a\x01", b"\xf0"]
)
def test_a_block_that_breaks_the_rules_is_refused(block: bytes) -> None:
    with pytest.raises(ValueError, match="a block"):
        unpack_block(block, b"", 1 << 16)


def test_a_block_that_holds_too_much_is_refused_before_it_is_made() -> None:
    bomb = b"\x1fa\x01\x00" + b"\xff" * 60_000 + b"\x00"
    with pytest.raises(ValueError, match="more than its frame allows"):
        unpack_block(bomb, b"", 1 << 16)


def test_frames_in_a_row_and_what_stands_behind_them() -> None:
    data = frame(b"\x40abcd") + b"\x50\x2a\x4d\x18\x03\x00\x00\x00???" + frame(b"\x10e") + b"rest"
    assert unpack(data, limit_bytes=99)[:4] == ("lz4", b"abcde", b"rest", "")
    assert unpack(data, limit_bytes=2).data == b"ab"


def test_bytes_may_come_one_by_one() -> None:
    inflater, out = Lz4Inflater(), b""
    for byte in frame(b"\x40abcd", b"\x20ef") + b"?":
        out += inflater.decompress(bytes([byte]), 1) if not inflater.eof else b""
    assert (out, inflater.eof) == (b"abcdef", True)


def test_a_dictionary_an_unknown_version_and_a_cut_are_faults() -> None:
    for data in (MAGIC + b"\x61\x40\x82" + bytes(9), MAGIC + b"\xa0\x40\x82", frame(b"\x40abcd")[:-3]):
        assert unpack(data, limit_bytes=99).fault


@pytest.mark.skipif(shutil.which("lz4") is None, reason="the lz4 tool is not installed")
@pytest.mark.parametrize("options", [["-1"], ["-9", "-B4"], ["-BD", "-B4"], ["-BX"], ["--content-size"]])
def test_what_the_lz4_tool_packs(options: list[str]) -> None:
    data = b"".join(struct.pack("<If", number % 300, number) for number in range(60_000)) + bytes(300_000)
    packed = subprocess.run(["lz4", "-c", *options], input=data, capture_output=True, check=True).stdout
    assert unpack(packed, limit_bytes=1 << 24)[1:4] == (data, b"", "")


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    unpack(HEAD + data, limit_bytes=1 << 20)
