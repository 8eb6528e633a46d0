"""TFRecord, in which TensorFlow and TensorBoard keep examples and logs:
tensorflow/core/lib/io/record_writer.h.

Each record: eight bytes of length, four of a checksum of them, the data, four of a checksum of that. The
checksum is CRC-32C (RFC 3720, appendix B.4), turned and shifted. Records are data.
"""

from __future__ import annotations

from functools import cache

from ancile.formats.held import Held

HEAD_BYTES, FOOT_BYTES = 12, 4
POLYNOMIAL, SHIFT = 0x82F63B78, 0xA282EAD8
RECORDS = 2_000_000


def is_tfrecord(head: bytes) -> bool:
    """Whether bytes begin with a length and its checksum."""
    return len(head) >= HEAD_BYTES and _told(head) is not None


def end_of_records(data: Held) -> int | None:
    """Where the last whole record ends; None where there are more than are followed."""
    place = 0
    for _ in range(RECORDS):
        size = _told(bytes(data[place : place + HEAD_BYTES]))
        stop = place + HEAD_BYTES + (size or 0) + FOOT_BYTES
        if size is None or stop > len(data):
            return place
        place = stop
    return None


def _told(head: bytes) -> int | None:
    """The length that twelve bytes tell; None where their checksum says otherwise."""
    length, told = head[:8], int.from_bytes(head[8:HEAD_BYTES], "little")
    if len(head) < HEAD_BYTES or told != _turned(_crc32c(length)):
        return None
    return int.from_bytes(length, "little")


@cache
def _table() -> tuple[int, ...]:
    """What each byte adds."""
    found = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return tuple(found)


def _crc32c(data: bytes) -> int:
    table, found = _table(), 0xFFFFFFFF
    for byte in data:
        found = found >> 8 ^ table[(found ^ byte) & 0xFF]
    return found ^ 0xFFFFFFFF


def _turned(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + SHIFT) & 0xFFFFFFFF
