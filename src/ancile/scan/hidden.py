"""Programs that hide in what is data: pickles among numbers, and texts that decode to a program."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

from ancile.formats.beginnings import is_zip
from ancile.formats.compressed import kind_of, unpack
from ancile.formats.held import piece
from ancile.scan.part import Formatted, Part
from ancile.scan.pickle_checks import judged
from ancile.scan.pickle_reading import hidden_pickles, may_hide
from ancile.scan.wrong import Reading, Wrong

PROTOCOL = re.compile(rb"\x80[\x02-\x05]")
HEAD_BYTES = 4096  # of a region that are searched in any case
ENCODED_BYTES = 64 << 20  # of all texts of one file
SHORTEST = 12  # no call fits in less
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
HEX = re.compile(r"(?:[0-9a-fA-F]{2}){12,}")
BEGIN = re.compile(rb"\x80[\x02-\x05]|c[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n|\(")
CALLS = (Wrong.UNLISTED_CALL, Wrong.UNLISTED_NAME)


def search_numbers(part: Part, format_: str, regions: Iterable[tuple[int, int]]) -> Formatted:
    """Pickles in regions of numbers: in the first bytes of each, and as far as the limit of the file goes.

    A region that begins as a pickle does is searched whole, which one of numbers does once in ten thousand.
    """
    reading = Reading()
    for start, stop in regions:
        whole = PROTOCOL.match(part.data[start : start + 2]) is not None
        size = stop - start if whole else min(stop - start, max(HEAD_BYTES, part.allowance.searched_bytes))
        part.allowance.searched_bytes = max(0, part.allowance.searched_bytes - size)
        held = piece(part.data, start, stop) if whole else bytes(part.data[start : start + size])
        if not may_hide(held):
            continue
        found = hidden_pickles(held)
        for kind, places in found.wrong.items():
            for place in places:
                reading.note(kind, start + place.offset, place.detail)
    return Formatted(format_, judged(part, reading))


def search_texts(part: Part, format_: str, texts: Iterable[tuple[str, str]]) -> Iterator[Formatted | Part]:
    """Texts that are a pickle that calls something, and what other texts decode to.

    texts  names, and the texts themselves
    """
    reading, left = Reading(), ENCODED_BYTES
    inner: list[Part] = []
    for name, text in texts:
        if len(text) < SHORTEST:
            continue
        left -= len(text)
        if left < 0:
            reading.note(Wrong.UNREAD, 0, f"more than {ENCODED_BYTES >> 20} MiB of texts")
            break
        raw = text.encode("utf-8", "surrogateescape")
        if "\n" in text or "\x80" in text:
            latin = text.encode("latin-1", "replace")
            for held in {raw, latin}:
                for place in hidden_pickles(held).wrong.get(Wrong.UNLISTED_CALL, []):
                    reading.note(Wrong.UNLISTED_CALL, place.offset, f"{name}: {place.detail}")
        inner += (part.inner(f"{name} (decoded)", one) for one in _decoded(text))
    yield Formatted(format_, judged(part, reading))
    yield from inner


def encoded_in(part: Part, text: str) -> list[Formatted | Part]:
    """What is encoded in a text that is a whole part; nothing where nothing is."""
    found = list(search_texts(part, "text", [("its text", text)]))
    return found if any(isinstance(one, Part) or one.examined.findings for one in found) else []


def _decoded(text: str) -> Iterator[bytes]:
    for found in HEX.finditer(text):
        if _is_program(held := bytes.fromhex(found[0])):
            yield held
    for found in BASE64.finditer(text):
        body = found[0].rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
        try:
            held = base64.b64decode(body + "=" * (-len(body) % 4))
        except (binascii.Error, ValueError):
            continue
        if _is_program(held):
            yield held


def _is_program(held: bytes) -> bool:
    """Whether decoded bytes are worth a look: an archive, or a pickle that calls or looks up something."""
    if is_zip(held) or (kind_of(held[:16]) and unpack(held, limit_bytes=1).data):
        return True
    if BEGIN.match(held) is None:
        return False
    reading = hidden_pickles(held)
    return any(kind in reading.wrong for kind in CALLS)
