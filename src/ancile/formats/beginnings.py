"""Quick looks at how bytes begin, which most formats are ruled out by before anything else is asked."""

from __future__ import annotations

import re

from ancile.formats.held import Held

LOCAL, END = b"PK\x03\x04", b"PK\x05\x06"  # PKWARE APPNOTE 6.3.10, sections 4.3.7 and 4.3.16
END_BYTES, COMMENT_BYTES = 22, 1 << 16
SIGNATURE = b"\x89HDF\r\n\x1a\n"  # HDF5 File Format Specification 3.0, II.A
USER_BLOCK = 512
TAR_MAGIC = slice(257, 262)  # POSIX.1-1988, ustar
TAR_BYTES = 512  # of a header
TAR_SUM = slice(148, 156)  # of its bytes, these taken as blanks: POSIX.1-1988, 10.1.1
OCTAL = re.compile(rb"[ \0]*([0-7]{3,7})[ \0]*")
COMPILED = slice(2, 4)  # CPython importlib/_bootstrap_external.py: the magic number ends in CR LF


def superblock(data: Held) -> int:
    """Where the superblock of an HDF5 file stands, at 0, 512, 1024, 2048 …; -1 for nowhere."""
    place = 0
    while place + len(SIGNATURE) <= len(data):
        if data[place : place + len(SIGNATURE)] == SIGNATURE:
            return place
        place = place * 2 or USER_BLOCK
    return -1


def is_tar(head: bytes) -> bool:
    """Whether these are the first bytes of a tar archive, with the magic or, as before 1988, a sum alone."""
    return head[TAR_MAGIC] == b"ustar" or _is_summed(head[:TAR_BYTES])


def _is_summed(header: bytes) -> bool:
    told = OCTAL.fullmatch(header[TAR_SUM])
    if told is None or len(header) < TAR_BYTES:
        return False
    rest = header[: TAR_SUM.start] + b" " * 8 + header[TAR_SUM.stop :]
    # Some early writers took the bytes for numbers with a sign
    return int(told[1], 8) in (sum(rest), sum(rest) - 256 * sum(byte >= 0x80 for byte in rest))


def may_be_stream(head: bytes) -> bool:
    """Whether a compressed stream may begin so: no magic of one begins as that of a zip does."""
    return head[:2] != LOCAL[:2]


def may_be_message(head: bytes) -> bool:
    """Whether fields of protobuf follow on each other as far as these bytes go: protobuf.dev, "Encoding"."""
    place = 0
    while place < len(head):
        key, place = _varint(head, place)
        if place == len(head):
            return True
        wire, tag = key & 7, key >> 3
        if wire > 5 or tag == 0:
            return False
        if wire == 0:
            _, place = _varint(head, place)
        elif wire == 2:
            size, place = _varint(head, place)
            place += size
        elif wire in (1, 5):  # the other two begin and end a group
            place += 8 if wire == 1 else 4
    return True


def _varint(head: bytes, place: int) -> tuple[int, int]:
    """A number and the place behind it, or the end where the bytes break it off."""
    value = shift = 0
    while place < len(head):
        byte = head[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value, place


def may_be_safetensors(head: bytes) -> bool:
    """Whether JSON, a mark of its encoding or a blank stands behind eight bytes of length."""
    return head[8:9] in (b"{", b"\xef", b" ", b"\t", b"\n", b"\r", b"\v", b"\f")


def may_be_machine_code(head: bytes) -> bool:
    """Whether they are of a program or library, or of compiled Python."""
    return head[:1] in (b"\x7f", b"\xfe", b"\xce", b"\xcf", b"\xca", b"\0", b"d", b"!", b"M") or (
        head[COMPILED] == b"\r\n"
    )


def is_zip(head: bytes) -> bool:
    """Whether the first bytes are those of an archive."""
    return head.startswith((LOCAL, END))


def zip_end(data: Held) -> int:
    """Where a reader of zip finds the end of the directory; -1 for nowhere."""
    return data.rfind(END, max(0, len(data) - END_BYTES - COMMENT_BYTES))
