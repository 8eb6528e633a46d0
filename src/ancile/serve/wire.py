"""Bodies as they come, and answers as HTTP/1.1 writes them: whole, or in pieces (RFC 9112, section 7.1)."""

from __future__ import annotations

from http import HTTPStatus

from ancile.serve.limits import Limits
from ancile.serve.refusal import Refused

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_PIECE = b"0\r\n\r\n"
STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
CLOSE = b"Connection: close\r\n"
MANY = 64  # pieces of a body, beyond which they are put together: each costs 40 bytes beside its own
CHUNKED_FACTOR = 1.5  # bytes on the wire for one of the body: each chunk costs a call, however small it is
SLACK = 64 << 10  # bytes on the wire before that counts
MOST_FACTOR = 4  # of the largest body, whatever frames it
Pieces = list[bytes | bytearray]


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


def gather(pieces: Pieces, data: bytes) -> None:
    """Add a piece of a body; large ones stay as they are, and of very many small ones one is made."""
    if len(pieces) < MANY:
        pieces.append(data)
    elif isinstance(last := pieces[-1], bytearray):
        last += data
    else:
        pieces.append(bytearray(data))


def gathered(pieces: Pieces) -> bytes:
    """The body."""
    return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)


def most_raw(limits: Limits) -> int:
    """Bytes on the wire of one request."""
    return MOST_FACTOR * limits.body_bytes + limits.header_bytes


def refuse_chopped(raw: int, size: int, limits: Limits) -> None:
    """Refused where a request takes more bytes on the wire than its head and chunks worth the name would.

    size  of the body so far
    """
    if raw > CHUNKED_FACTOR * size + limits.header_bytes + SLACK:
        raise Refused(413, "the body comes in too many pieces")
