"""Secrets in texts: patterns after published token forms (``secrets.json``), then entropy and checksums.

Entropy alone is no reason: hashes and vocabularies have as much. A text that fits a pattern must also be as
mixed as a drawn one, and none of those that documentation shows. Where a form has a checksum, what is said of
the secret says whether it is right; it refuses nothing, for to alter a letter removes no secret.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import string
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

FORMS = Path(__file__).with_name("secrets.json")
PLACEHOLDER = re.compile(
    r"(?i:example|placeholder|change_?me|redacted|your[_-]|dummy|insert|x{5}|sample|secret_?key_?here)"
    r"|1234567890|abcdefgh|ABCDEFGH|0{8}|[<>{}$*]"
)
SHOWN = 4  # characters of a secret that a report shows
SHORT = 64 << 10  # characters of a text that is searched whole
RARE = "_-."  # letters that most hints end with
LONGEST_HINT = 40  # characters, and some more that a match looks at behind itself
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
CHECKSUM_LETTERS = 6  # of a CRC-32 in base 62
DRAWN_LETTERS = 30  # before it

Severity = Literal["high", "medium"]


class Pattern(NamedTuple):
    """What one kind of secret looks like; ``hints`` are texts of which one is in every such secret.

    longest   characters of a match, 0 where there is no limit
    folds     whether it takes letters of either case
    checksum  how one tells a real one by itself, a key of ``CHECKSUMS``; empty where there is no way
    """

    what: str
    source: str
    hints: tuple[str, ...]
    form: re.Pattern[str]
    longest: int
    folds: bool
    bits: float
    severity: Severity
    checksum: str


class Secret(NamedTuple):
    """A secret: what it is, where, how it begins, how long it is.

    is_real  whether its checksum is right; None where its form has none
    shown    whether it reads like one that documentation shows
    """

    what: str
    offset: int
    begin: str
    length: int
    severity: Severity = "high"
    is_real: bool | None = None
    shown: bool = False


@cache
def patterns() -> tuple[Pattern, ...]:
    """The patterns, read once."""
    held = msgspec.json.decode(FORMS.read_bytes())
    return tuple(
        Pattern(
            one["what"],
            one["source"],
            tuple(one["hints"]),
            re.compile(one["pattern"]),
            one.get("longest", 0),
            "(?i" in one["pattern"],
            one["bits"],
            one.get("severity", "high"),
            one.get("checksum", ""),
        )
        for one in held["patterns"]
    )


def find_secrets(text: str, *, shown: bool = False) -> Iterator[Secret]:
    """Every secret of a text; a place that fits two patterns is told once, as the first of them.

    shown  whether those that read like what documentation shows are told as well
    """
    taken: set[int] = set()
    for pattern, found in _matches(text):
        group = "secret" if "secret" in pattern.form.groupindex else 0
        secret, end = found[group], found.end(group)
        is_shown = entropy(secret) < pattern.bits or PLACEHOLDER.search(secret) is not None
        if (is_shown and not shown) or end in taken:
            continue
        is_real = _is_real(pattern.checksum, secret)
        if pattern.checksum == "jwt-header" and not is_real:
            continue
        taken.add(end)
        begin = found[0][:SHOWN]
        yield Secret(
            pattern.what, found.start(group), begin, len(secret), pattern.severity, is_real, is_shown
        )


def _matches(text: str) -> Iterator[tuple[Pattern, re.Match[str]]]:
    """Places that fit a pattern, in the order of the patterns; a long text is read near hints only."""
    if len(text) <= SHORT:
        for pattern in patterns():
            if any(hint in text for hint in pattern.hints):
                yield from ((pattern, found) for found in pattern.form.finditer(text))
        return
    ends = ends_of_hints(text)
    folded = text.lower() if text.isascii() else ""  # as long as the text itself
    for pattern in patterns():
        if any(_stands(hint, text, ends) for hint in pattern.hints):
            for start, stop in _near(pattern, text, folded, ends):
                yield from ((pattern, found) for found in pattern.form.finditer(text, start, stop))


def _stands(hint: str, text: str, ends: dict[str, list[int]]) -> bool:
    known = ends.get(hint)
    return hint in text if known is None else bool(known)


@cache
def _ends() -> tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]:
    """Hints that end with one of ``RARE``, and what finds them all in one search for that letter."""
    hints = {hint for pattern in patterns() for hint in pattern.hints if len(hint) > 1}
    found = []
    for letter in RARE:
        some = tuple(sorted(one for one in hints if one.endswith(letter)))
        choices = "|".join(f"(?<=({re.escape(one)}))" for one in some)
        found.append((some, re.compile(f"{re.escape(letter)}(?:{choices})")))
    return tuple(found)


def ends_of_hints(text: str) -> dict[str, list[int]]:
    """Hints that end with a rare letter, and where each ends in the text; none of them ends in another."""
    found: dict[str, list[int]] = {}
    for some, form in _ends():
        places: list[list[int]] = [[] for _ in some]
        for one in form.finditer(text):
            places[(one.lastindex or 1) - 1].append(one.end())
        found |= zip(some, places, strict=True)
    return found


def _near(pattern: Pattern, text: str, folded: str, ends: dict[str, list[int]]) -> Iterator[tuple[int, int]]:
    """Stretches of a text that hold all matches of a pattern, as each of them holds a hint."""
    whole = (0, len(text))
    if not pattern.longest or (pattern.folds and not folded):
        yield whole
        return
    most = len(text) // (4 * pattern.longest)  # hints that are worth their stretches
    places: list[int] = []
    for hint in {one.lower() for one in pattern.hints} if pattern.folds else pattern.hints:
        known = None if pattern.folds else ends.get(hint)
        places += _places(folded if pattern.folds else text, hint, most) if known is None else known
        if len(places) > most:
            yield whole
            return
    start = stop = -1
    for place in sorted(places):
        if place - pattern.longest > stop:
            if stop > 0:
                yield start, stop
            start = max(0, place - pattern.longest)
        stop = place + pattern.longest + LONGEST_HINT
    if stop > 0:
        yield start, stop


def _places(text: str, hint: str, most: int) -> list[int]:
    """Where a hint begins, and one more than so many at most."""
    found: list[int] = []
    place = text.find(hint)
    while place >= 0 and len(found) <= most:
        found.append(place)
        place = text.find(hint, place + 1)
    return found


def entropy(text: str) -> float:
    """Shannon entropy of its characters, in bits a character."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def _is_real(checksum: str, secret: str) -> bool | None:
    if checksum == "crc32-base62":
        return has_checksum(secret)
    return is_token_header(secret.partition(".")[0]) if checksum == "jwt-header" else None


def has_checksum(token: str) -> bool | None:
    """Whether the last letters of a token are the CRC-32 of those before them; None for other lengths."""
    drawn = token.rpartition("_")[2]
    if len(drawn) != DRAWN_LETTERS + CHECKSUM_LETTERS:
        return None
    left, written = zlib.crc32(drawn[:DRAWN_LETTERS].encode()), ""
    for _ in range(CHECKSUM_LETTERS):
        left, digit = divmod(left, len(BASE62))
        written = BASE62[digit] + written
    return drawn[DRAWN_LETTERS:] == written


def is_token_header(part: str) -> bool:
    """Whether a part of a web token is a JSON object that names an algorithm."""
    try:
        held = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(held, dict) and "alg" in held
