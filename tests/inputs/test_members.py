"""Members of zip archives, sound and hostile."""

from __future__ import annotations

import lzma
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.inputs.arrays import read_npz
from ancile.inputs.members import MEMBERS, RATIO_FREE_BYTES, check_sizes, members, unpack
from ancile.inputs.source import LIMIT_BYTES
from tests.inputs.files import archive, deflated, lying_archive, npy, npz

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
TERABYTE = 1 << 40
MEGABYTE = 1 << 20


@given(content=st.binary(max_size=5_000), method=st.sampled_from(METHODS))
def test_what_was_packed_is_unpacked(content: bytes, method: int) -> None:
    data = archive(("a.npy", content), method=method)
    assert bytes(unpack(data, members(data)["a"])) == content


@pytest.mark.slow
@given(size=st.integers(2_000, 6_000), level=st.integers(0, 9))
def test_lzma_of_any_strength_is_unpacked(size: int, level: int) -> None:
    content = np.random.default_rng(size).integers(0, 4, size).astype(np.uint8).tobytes()
    chain = {"id": lzma.FILTER_LZMA1, "preset": level, "lc": level % 4, "lp": level % 2, "pb": level % 5}
    packer = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[chain])
    packed = packer.compress(content) + packer.flush()
    packing = (chain["pb"] * 5 + chain["lp"]) * 9 + chain["lc"]
    head = b"\x09\x04\x05\x00" + struct.pack("<BI", packing, 1 << 26)
    data = lying_archive("a", head + packed, stated=size, method=zipfile.ZIP_LZMA, crc=zlib.crc32(content))
    assert bytes(unpack(data, members(data)["a"])) == content


def test_a_terabyte_in_the_directory_takes_no_memory() -> None:
    data = lying_archive("x.npy", deflated(b"\0" * MEGABYTE), stated=TERABYTE)
    tracemalloc.start()
    try:
        with pytest.raises(AncileError, match="too large"):
            check_sizes(members(data), limit_bytes=LIMIT_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 2 * MEGABYTE
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_member_never_yields_more_than_its_header_states(method: int) -> None:
    honest = archive(("x", b"\0" * (32 * MEGABYTE)), method=method)
    start = 30 + len("x")
    packed = honest[start : start + members(honest)["x"].compress_size]
    data = lying_archive("x", packed, stated=1_000, method=method)
    member = members(data)["x"]
    tracemalloc.start()
    try:
        with pytest.raises(AncileError, match="length or checksum differs"):
            unpack(data, member)
        assert tracemalloc.get_traced_memory()[1] < MEGABYTE
    finally:
        tracemalloc.stop()


def test_a_dictionary_of_four_gigabytes_is_not_taken() -> None:
    packed = b"\x09\x04\x05\x00" + struct.pack("<BI", 93, 0xFFFFFFFF) + b"\0" * 20
    data = lying_archive("x", packed, stated=5, method=zipfile.ZIP_LZMA)
    tracemalloc.start()
    try:
        with pytest.raises(AncileError, match="damaged"):
            unpack(data, members(data)["x"])
        assert tracemalloc.get_traced_memory()[1] < MEGABYTE
    finally:
        tracemalloc.stop()


def test_a_member_that_is_packed_beyond_belief_is_refused() -> None:
    size = RATIO_FREE_BYTES + 1
    data = lying_archive("x", deflated(b"\0" * 1_000), stated=size)
    with pytest.raises(AncileError, match=f"x: .* bytes say they hold {size}"):
        check_sizes(members(data), limit_bytes=LIMIT_BYTES)


def test_labels_in_order_shrink_a_thousandfold_and_are_read() -> None:
    y = np.repeat(np.arange(10), 100_000)
    data = npz(x=np.zeros((y.size, 1), dtype=np.uint8), y=y)
    assert members(data)["y"].file_size > 200 * members(data)["y"].compress_size
    assert len(read_npz(data, limit_bytes=LIMIT_BYTES).y) == y.size


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["x.npy", "x"])
def test_a_member_that_stands_there_twice_is_refused(second: str) -> None:
    one = npy(np.zeros((1, 1), dtype=np.float32))
    data = archive(("x.npy", one), (second, one), ("y.npy", one))
    with pytest.raises(AncileError, match="holds a member twice: x"):
        read_npz(data, limit_bytes=LIMIT_BYTES)


def test_an_archive_of_very_many_members_is_refused() -> None:
    data = archive(*((f"a{at}", b"") for at in range(MEMBERS + 1)), method=zipfile.ZIP_STORED)
    with pytest.raises(AncileError, match=f"too many members: more than {MEMBERS}"):
        members(data)


def test_a_local_name_that_differs_from_the_directory_is_refused() -> None:
    data = archive(("x.npy", b"abc"), method=zipfile.ZIP_STORED).replace(b"x.npy", b"q.npy", 1)
    with pytest.raises(AncileError, match="local and central header differ"):
        unpack(data, members(data)["x"])


def test_an_encrypted_member_is_refused() -> None:
    data = bytearray(archive(("x", b"abc"), method=zipfile.ZIP_STORED))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(AncileError, match="encrypted"):
        unpack(bytes(data), members(bytes(data))["x"])


def test_another_compression_is_refused_by_number() -> None:
    data = archive(("x", b"abc" * 100), method=zipfile.ZIP_BZIP2)
    with pytest.raises(AncileError, match="x: method 12"):
        unpack(data, members(data)["x"])


def test_a_wrong_checksum_is_found() -> None:
    data = archive(("x", b"content"), method=zipfile.ZIP_STORED).replace(b"content", b"contend")
    with pytest.raises(AncileError, match="checksum differs"):
        unpack(data, members(data)["x"])


@pytest.mark.parametrize(
    "packed",
    [b"", b"\x09\x04\x05\x00\x5d", b"\x09\x04\x06\x00" + b"\0" * 9, b"\x09\x04\x05\x00\xff" + b"\0" * 9],
)
def test_lzma_without_sound_properties_is_damage(packed: bytes) -> None:
    data = lying_archive("x", packed, stated=10, method=zipfile.ZIP_LZMA)
    with pytest.raises(AncileError, match="damaged"):
        unpack(data, members(data)["x"])


def test_a_member_beyond_the_file_is_damage() -> None:
    data = archive(("x", b"abc" * 1_000), method=zipfile.ZIP_STORED)
    member = members(data)["x"]
    with pytest.raises(AncileError, match="cut short"):
        unpack(data[:100], member)
    member.header_offset = len(data) - 4
    with pytest.raises(AncileError, match="no local header"):
        unpack(data, member)


def test_what_is_no_archive_is_damage() -> None:
    for data in (b"", b"PK", b"PK\x03\x04" + b"\0" * 100):
        with pytest.raises(AncileError, match="archive is damaged"):
            members(data)
