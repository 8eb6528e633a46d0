"""Heads of HTTP messages: which framing passes, and one that came before and need not be read again.

llhttp takes what servers behind a gateway may frame otherwise: `Transfer-Encoding: gzip, chunked`, no Host or
two, HTTP/1.0 with chunks, absolute targets. None of that passes here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from ancile.serve.refusal import Refused

ONCE = frozenset(  # fields that two readers may take differently when they come twice
    (b"content-length", b"transfer-encoding", b"host", b"authorization", b"inference-header-content-length")
)
RARE = frozenset((b"transfer-encoding", b"upgrade", b"content-encoding", b"expect"))  # worth a look
LENGTH = b"\r\ncontent-length:"
END = b"\r\n\r\n"
LONGEST_KNOWN = 2048  # bytes that a connection keeps of a head
LONGEST_LENGTH = 15  # digits
UNLIKE = 8  # heads in a row of which none was like the one before: such are not kept any more
Said = TypeVar("Said")


def together(name: bytes, one: bytes, other: bytes) -> bytes:
    """The value of a field that came twice; Refused where it may not."""
    if name in ONCE:
        raise Refused(400, "a header came twice")
    return one + b", " + other


def checked(version: str, target: bytes, headers: Mapping[bytes, bytes], *, most: int) -> None:
    """Refused where the framing of a request could be taken otherwise, or its body is too large."""
    if version != "1.1":
        raise Refused(400, "version 1.1 of HTTP is spoken here")
    if b"host" not in headers or not target.startswith(b"/"):
        raise Refused(400, "a request has one Host and a path")
    if not RARE.isdisjoint(headers):
        _check_rare(headers)
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        raise Refused(400, "Content-Length is a number")
    if len(length) > LONGEST_LENGTH or int(length) > most:
        raise Refused(413, "the body is too large")


def _check_rare(headers: Mapping[bytes, bytes]) -> None:
    if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
        raise Refused(400, "the only transfer coding is chunked, alone")
    if b"upgrade" in headers:
        raise Refused(400, "no other protocol is spoken here")
    if b"content-encoding" in headers:
        raise Refused(415, "bodies come as they are, without a coding")
    if headers.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise Refused(417, "that expectation is not met")


def is_plain(headers: Mapping[bytes, bytes]) -> bool:
    """Whether nothing about this head but its length need be looked at when it comes again."""
    kept = headers.get(b"connection", b"keep-alive").lower() == b"keep-alive"
    return kept and b"content-length" in headers and RARE.isdisjoint(headers)


class Last(Generic[Said]):
    """The head that came last over a connection, but for the digits of its Content-Length.

    What is spelled alike says the same, so that it need not be parsed again.

    said     what it says
    is_open  whether another is kept: not where none was like the one before it for long
    """

    __slots__ = ("_after", "_before", "_unlike", "is_open", "said")

    said: Said

    def __init__(self) -> None:
        self._before = self._after = b""
        self._unlike, self.is_open = 0, True

    def split(self, data: bytes, most: int) -> tuple[int, int] | None:
        """Where the body begins, and its length, where ``data`` begins with that head and no more follows.

        most  bytes of the body
        """
        before, after = self._before, self._after
        if not before or not data.startswith(before):
            return None
        at = len(before)
        end = data.find(b"\r", at, at + LONGEST_LENGTH + 1)
        digits = data[at:end]
        if end < 0 or not digits.isdigit() or not data.startswith(after, end):
            return None
        start, length = end + len(after), int(digits)
        if length > most or len(data) - start > length:
            return None
        self._unlike = 0
        return start, length

    def keep(self, data: bytes, size: int, length: bytes, said: Said) -> None:
        """Know the head that ``data`` begins with, unless it has no length, or is long.

        size    bytes of a body that llhttp has found in ``data``: if all behind the first blank line are
                these, llhttp and we see the same head
        length  of the body, as llhttp has read it
        """
        self._before, self._unlike = b"", self._unlike + 1
        self.is_open = self._unlike < UNLIKE
        head, end, rest = data.partition(END)
        at = head.lower().find(LENGTH) + len(LENGTH)
        start = head.find(length, at)
        if len(rest) != size or len(head) > LONGEST_KNOWN or at < len(LENGTH) or not length.isdigit():
            return
        if not head[at:start].strip(b" "):
            self._before, self._after = head[:start], head[start + len(length) :] + end
            self.said = said
