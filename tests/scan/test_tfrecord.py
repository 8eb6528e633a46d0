"""Logs and examples in TFRecord are data; what hides in them or behind them is not."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats import tfrecord
from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part

CALL = b"cos\nsystem\n(Vx\ntR."
# The first record of a log as TensorBoard's writer of TensorFlow 2.21 left it: 62 bytes and their checksum
HEAD = bytes.fromhex("3e00000000000000d9d240e7")


def record(data: bytes) -> bytes:
    """One whose second checksum, which nothing here asks for, is empty."""
    length = struct.pack("<Q", len(data))
    told = tfrecord._turned(tfrecord._crc32c(length))
    return length + struct.pack("<I", told) + data + bytes(4)


def examined(data: bytes) -> Examination:
    return examine_part(Part("events.out.tfevents.1", data))


def test_the_checksum_is_that_of_the_standard_and_of_the_library() -> None:
    assert tfrecord._crc32c(bytes(32)) == 0x8A9136AA
    assert tfrecord._crc32c(b"123456789") == 0xE3069283
    assert record(bytes(62)).startswith(HEAD)


def test_records_are_data() -> None:
    found = examined(record(b"brain.Event:2") + record(b"") + record(bytes(300)))
    assert (found.format, found.verdict) == ("tfrecord", "data-only")


@pytest.mark.parametrize("data", [record(CALL), record(b"x") + CALL])
def test_a_pickle_in_a_record_or_behind_the_last_is_blocked(data: bytes) -> None:
    assert examined(data).verdict == "block"


@pytest.mark.parametrize("data", [record(b"words")[:-6], record(b"x") + b"\1\2\xff\xfe", HEAD])
def test_records_that_break_off_are_incomplete(data: bytes) -> None:
    assert examined(data).verdict == "incomplete"


@given(st.binary(max_size=40), st.integers(0, 40))
def test_no_bytes_raise_an_error(data: bytes, cut: int) -> None:
    assert not tfrecord.is_tfrecord(HEAD[:11])
    tfrecord.is_tfrecord(data)
    stop = tfrecord.end_of_records(record(b"words")[:cut] + data)
    assert stop is not None
    assert stop >= 0
