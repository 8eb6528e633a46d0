"""Text files of any size, read once: blocks of whole lines with the digest of all bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.data.reading import opened
from ancile.work.listing import Entry

BLOCK = 1 << 20  # bytes read at once
LONGEST_LINE = 8 << 20  # bytes; a longer one is cut at a space, or where there is none


class Block(NamedTuple):
    """Lines of a file.

    line  number of the first, from 1
    text  UTF-8; bytes that are none stand as lone surrogates (PEP 383), so that they can be written back
    """

    line: int
    text: str


def read_text(entry: Entry, take: Callable[[Block], None]) -> str:
    """Give a file's text to ``take``, block by block; ``sha256:<hex>`` of its bytes.

    AncileError where it is no text, or changes meanwhile.
    """
    whole = hashlib.sha256()
    with opened(entry) as descriptor:
        line = 1
        for data in _lines(descriptor, whole.update):
            if b"\x00" in data:
                raise AncileError(
                    "this is no text in UTF-8",
                    value=plain(str(entry.path)),
                    remedy="write it as UTF-8: text, CSV or JSON lines",
                )
            take(Block(line, data.decode("utf-8", "surrogateescape")))
            line += data.count(b"\n")
    return f"sha256:{whole.hexdigest()}"


def _lines(descriptor: int, told: Callable[[bytes], None]) -> Iterator[bytes]:
    """Pieces that end with a line, but for the last and for lines that are too long."""
    rest = b""
    while data := os.read(descriptor, BLOCK):
        told(data)
        rest += data
        end = rest.rfind(b"\n") + 1
        if not end and len(rest) > LONGEST_LINE:
            end = rest.rfind(b" ") + 1 or len(rest)
        if end:
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest
