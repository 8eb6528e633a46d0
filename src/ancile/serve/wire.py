"""Answers as HTTP/1.1 writes them: whole, or in pieces (RFC 9112, section 7.1)."""

from __future__ import annotations

from http import HTTPStatus

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_PIECE = b"0\r\n\r\n"
STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
CLOSE = b"Connection: close\r\n"


def answer_of(status: int, date: bytes, headers: bytes, body: bytes, *, keep: bool) -> bytes:
    """A whole answer.

    date, headers  whole lines, each with its CRLF
    keep           whether the connection stays
    """
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    return b"".join((STATUS_LINES[status], date, headers, b"" if keep else CLOSE, length, body))


def opening_of(status: int, date: bytes, headers: bytes, *, keep: bool) -> bytes:
    """The head of an answer whose body comes in pieces."""
    close = b"" if keep else CLOSE
    return b"%b%b%b%bTransfer-Encoding: chunked\r\n\r\n" % (STATUS_LINES[status], date, headers, close)


def piece_of(data: bytes) -> bytes:
    """A piece of a body; it may not be empty, which would be the end."""
    return b"%x\r\n%b\r\n" % (len(data), data)
