"""Archives of 7-Zip unpack as their header says, within limits."""

from __future__ import annotations

import base64
import contextlib
import lzma
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.seven_zip import SevenZipError, is_seven_zip, read_seven_zip, unpack_folder
from ancile.scan.examine import examine_part
from ancile.scan.part import Part

# Written by py7zr 1.1: a member "x" of 20 bytes, by LZMA2 with the filter for x86, and by LZMA
WRITTEN = (
    (
        "N3q8ryccAAQJZAFZaAAAAAAAAAAUAAAAAAAAAISb1qkBABRjb3MKc3lzdGVtCihWdHJ1ZQp0Ui4A4ABIAEddAACBMweuD8+SbmAP1Gpe"
        "feXX3jQ80nbLYhenguGTDZTrmelIoP/WM/CpLCIV0RC0GrNussgdcKcWod+qf7ROmwcrR9gOQAAAABcGGQEJTwAHCwEAASEhARgMSQAA"
    ),
    (
        "N3q8ryccAARqpBnpaQAAAAAAAAAUAAAAAAAAANdK0AkAMZvKxrJ8Zd/fkVmfsdeEu01T/s0qwROKY5///cUgAAEARAEEBgABCSAABwsB"
        "AAEjAwEBBV0AAIAADBUACAoB9+bmOQAABQEZAQARBQB4AAAAFAoBAHCv1u3bed0BFQYBACCAgIEAAAAXBiABCUkABwsBAAEhIQEYDEUA"
        "AA=="
    ),
)
HELD = b"cos\nsystem\n(Vtrue\ntR."
COPIED, BY_LZMA2 = b"\x01\x00", b"\x21\x21\x01\x18"


def made(packed: bytes, coder: bytes, sizes: tuple[int, ...], names: tuple[str, ...] = ("a", "b")) -> bytes:
    """An archive of one folder, with its header in the clear."""
    told = "".join(name + "\0" for name in names).encode("utf-16-le")
    header = b"\x01\x04\x06\x00\x01\x09" + bytes((len(packed),)) + b"\x00\x07\x0b\x01\x00\x01" + coder
    header += b"\x0c" + bytes((sum(sizes),)) + b"\x00\x08\x0d" + bytes((len(sizes),))
    header += b"\x09" + bytes(sizes[:-1]) + b"\x00\x00\x05" + bytes((len(names),))
    header += b"\x11" + bytes((len(told) + 1,)) + b"\x00" + told + b"\x00\x00"
    start = struct.pack("<QQI", len(packed), len(header), 0)
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(4) + start + packed + header


def out(data: bytes) -> bytes:
    return b"".join(unpack_folder(data, one) for one in read_seven_zip(data).folders)


@pytest.mark.parametrize("text", WRITTEN)
def test_what_another_writer_packs_comes_out(text: str) -> None:
    data = base64.b64decode(text)
    found = read_seven_zip(data)
    assert is_seven_zip(data)
    assert (found.names, found.end) == (("x",), len(data))
    assert out(data) == HELD
    assert examine_part(Part("file", data)).verdict == "block"


def test_empty_files_are_named_and_folders_are_not() -> None:
    """Of three entries without a stream the second is a file: 7zFormat.txt, kEmptyStream and kEmptyFile."""
    told = "d\0e.pkl\0f\0".encode("utf-16-le")
    header = b"\x01\x05\x03\x0e\x01\xe0\x0f\x01\x40\x11" + bytes((len(told) + 1,)) + b"\0" + told + b"\0\0"
    data = b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(4) + struct.pack("<QQI", 0, len(header), 0) + header
    found = read_seven_zip(data)
    assert (found.names, found.empties) == ((), ("e.pkl",))
    assert [one.check for one in examine_part(Part("file", data)).findings] == ["file-empty"]


def test_a_model_in_an_archive_has_its_data_beside_it() -> None:
    onnx = bytes.fromhex("3a") + _told(b"\x2a" + _told(b"\x70\x01\x6a" + _told(b"\x0a\x08location\x12\x01b")))
    onnx += b"\x42\x02\x10\x0d"  # an operator set
    beside = made(onnx + b"words", COPIED, (len(onnx), 5))
    alone = made(onnx, COPIED, (len(onnx),), ("a",))
    assert examine_part(Part("file", beside)).verdict == "data-only"
    assert examine_part(Part("file", alone)).verdict == "incomplete"


def _told(data: bytes) -> bytes:
    return bytes((len(data),)) + data


def test_members_of_one_folder_are_told_apart() -> None:
    data = made(b"words" + HELD, COPIED, (5, len(HELD)))
    assert read_seven_zip(data).folders[0].sizes == (5, len(HELD))
    assert examine_part(Part("file", data)).verdict == "block"
    packed = lzma.compress(b"words", lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}])
    harmless = examine_part(Part("file", made(packed, BY_LZMA2, (5,), ("a",))))
    assert (harmless.format, harmless.verdict) == ("7z", "data-only")


def test_what_leaves_the_folder_and_what_stands_behind_is_told() -> None:
    assert examine_part(Part("file", made(b"words", COPIED, (5,), ("../a",)))).verdict == "block"
    assert examine_part(Part("file", made(b"words", COPIED, (5,), ("a",)) + HELD)).verdict == "block"


def test_an_unknown_method_and_a_cut_archive_are_incomplete_and_a_broken_one_reviewed() -> None:
    assert examine_part(Part("file", made(b"words", b"\x04\x06\xf1\x07\x01", (5,)))).verdict == "incomplete"
    assert examine_part(Part("file", made(b"words", COPIED, (5,))[:-9])).verdict == "incomplete"
    assert examine_part(Part("file", made(b"words", BY_LZMA2, (5,)))).verdict == "review"


def test_an_archive_of_nothing_is_data() -> None:
    empty = b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(24)
    assert read_seven_zip(empty).folders == ()
    assert examine_part(Part("file", empty)).verdict == "data-only"


def test_too_much_memory_is_refused() -> None:
    with pytest.raises(SevenZipError, match="of memory"):
        out(made(b"words", b"\x21\x21\x01\x28", (5,)))


@given(
    st.integers(0, 1),
    st.lists(st.tuples(st.integers(32, 150), st.integers(0, 255)), max_size=8),
    st.integers(0, 100),
)
def test_no_change_of_bytes_raises_anything_else(
    which: int, changes: list[tuple[int, int]], cut: int
) -> None:
    plain = made(b"words" + HELD, COPIED, (5, len(HELD)))
    data = bytearray((base64.b64decode(WRITTEN[1]), plain)[which])
    for place, byte in changes:
        data[place % len(data)] = byte
    with contextlib.suppress(SevenZipError):
        out(bytes(data[: len(data) - cut]))
