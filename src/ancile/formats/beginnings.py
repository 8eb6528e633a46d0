"""Quick looks at how bytes begin, which most formats are ruled out by before anything else is asked."""

from __future__ import annotations

from ancile.formats.held import Held

LOCAL, END = b"PK\x03\x04", b"PK\x05\x06"  # PKWARE APPNOTE 6.3.10, sections 4.3.7 and 4.3.16
END_BYTES, COMMENT_BYTES = 22, 1 << 16
SIGNATURE = b"\x89HDF\r\n\x1a\n"  # HDF5 File Format Specification 3.0, II.A
USER_BLOCK = 512
TAR_MAGIC = slice(257, 262)  # POSIX.1-1988, ustar
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
    """Whether these are the first bytes of a tar archive and what came after it."""
    return head[TAR_MAGIC] == b"ustar"


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
