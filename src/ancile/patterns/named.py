"""Secrets in data: by published form, by the name beside them, by how mixed they are.

A name such as ``db_password`` or ``X-Api-Key`` says what stands beside it, and ``ancile.patterns.values``
whether that is a secret or stands for one. Good for a search where somebody looks at what is found; to block
a file it is not sure enough. Forms of more issuers are in ``tokens.json``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from ancile.patterns.assignments import find_assigned
from ancile.patterns.naming import Named
from ancile.patterns.personal import Sure
from ancile.patterns.secrets import PLACEHOLDER, entropy, find_secrets, is_token_header
from ancile.patterns.values import HEX, is_drawn, stands_for

RANK: dict[Sure, int] = {"high": 0, "medium": 1, "low": 2}
LONG_WORD = re.compile(r"[\w+/=.~$-]{13,}")  # the shortest token of all forms has as many letters
SHORT_TEXT = 2048  # characters that are searched whole
WORD_BEFORE, WORD_AFTER = 100, 40  # characters about a long word that a form may ask for
BETWEEN = "\n\0\n"  # in no form
TOKENS = Path(__file__).with_name("tokens.json")
SCHEME = re.compile(
    r"(?<=[A-Za-z0-9])://[^\s:/?#\[\]@\"'<>]{0,100}:(?P<bare>[^\s/?#@\"'<>]{2,200})@(?=[\w\[.-])"
)
KEY_BLOCK = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:\\[rn]|\s){1,4}(?P<bare>[^\n\\]{8,})"
    r"|^Private-Lines: \d+\r?\n(?P<lines>\S{20,})",
    re.MULTILINE,
)
KEY_END = re.compile(r"-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
KEY_LINES = re.compile(r"(?:(?:\\[rn]|\s){1,4}[A-Za-z0-9+/=]{16,80})*")
LONGEST_KEY = 20_000  # characters: RSA of 16,384 bits has some 13,000
STORED = re.compile(  # crypt(5), and Argon2 in PHC string format
    r"\$(?:2[abxy]\$\d\d\$[./A-Za-z0-9]{53}|[156y]\$(?:rounds=\d{1,9}\$)?[./A-Za-z0-9]{1,40}\$[./A-Za-z0-9]{22,86}"
    r"|argon2(?:id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{16,}|apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22})"
)
STRING = re.compile(r"[\"'`](?P<quoted>[A-Za-z0-9+/_-]{20,200}={0,2})[\"'`]")
NAME_BEFORE = 60  # characters
NAME = re.compile(r"([\w.$-]{1,60})[\"']?\s{0,5}(?:[:=,>]|:=|=>)\s{0,5}\Z")
LINE = re.compile(r"^(\w{1,60})=(?P<value>[A-Za-z0-9+/_-]{24,200}={0,2})$", re.MULTILINE)
NO_SECRET = re.compile(
    r"(?i:sha\d|md5|crc|digest|hash|checksum|sum\b|commit|rev|uuid|guid|integrity|etag|fingerprint|signature|\bid\b"
    r"|_id\b|[a-z]Id\b|version|public|path|image|data|content|text|body|url|nonce|\bsid\b|cid\b|blob|oid)"
)
BASE64_BITS = 4.5  # detect-secrets' default limit for a text in quotes that nothing names


BELOW = ("private key", "password in an address", "JSON Web Token")  # found whole, or surer, by what follows


class Token(NamedTuple):
    """A published form of an issuer; see ``tokens.json``."""

    kind: str
    hints: tuple[str, ...]
    form: re.Pattern[str]


@cache
def tokens() -> tuple[Token, ...]:
    """The forms, read once."""
    held = msgspec.json.decode(TOKENS.read_bytes())["tokens"]
    return tuple(Token(one["what"], tuple(one["hints"]), re.compile(one["form"])) for one in held)


def find_named(text: str) -> Iterator[Named]:
    """Every secret of a text, by form or by name, by place; of those that overlap the surest is told."""
    kept: list[Named] = []
    for one in sorted(_found(text), key=lambda one: (one.start, RANK[one.sure], -one.end)):
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
        elif RANK[one.sure] < RANK[kept[-1].sure]:  # both are told as one, so that redacting leaves no rest
            kept[-1] = one._replace(start=kept[-1].start, end=max(one.end, kept[-1].end))
    yield from kept


def _found(text: str) -> Iterator[Named]:
    near = _near_words(text)
    for one in _by_form(near.text):
        yield one._replace(start=near.place(one.start), end=near.place(one.start) + one.end - one.start)
    if "://" in text:
        for found in SCHEME.finditer(text):
            if not stands_for(found["bare"], "password in") or found["bare"].lower() in ("password", "pass"):
                mixed = entropy(found["bare"]) >= 2.5 and not found["bare"].isalpha()
                yield Named("password in an address", *found.span("bare"), "medium" if mixed else "low")
    if "PRIVATE" in text or "Private-Lines" in text:
        yield from _blocks(text)
    if "$" in text:
        yield from (Named("stored password", *one.span(), "medium") for one in STORED.finditer(text))
    yield from find_assigned(text)
    yield from _strings(text)


class _Near(NamedTuple):
    """Stretches of a text that may hold tokens, one after the other; where each begins here and there."""

    text: str
    here: list[int]
    there: list[int]

    def place(self, at: int) -> int:
        """The place in the whole text."""
        number = bisect_right(self.here, at) - 1
        return self.there[number] + at - self.here[number]


def _near_words(text: str) -> _Near:
    """What stands about words as long and mixed as tokens: of prose a small part."""
    spans: list[list[int]] = []
    for found in LONG_WORD.finditer(text) if len(text) > SHORT_TEXT else ():
        if found[0].isalpha() and (found[0].islower() or found[0].istitle()):
            continue
        start, end = max(0, found.start() - WORD_BEFORE), min(len(text), found.end() + WORD_AFTER)
        if spans and start <= spans[-1][1]:
            spans[-1][1] = end
        else:
            spans.append([start, end])
    if len(text) <= SHORT_TEXT or 2 * sum(end - start for start, end in spans) > len(text):
        return _Near(text, [0], [0])
    here, parts, at = [0], [], 0
    for start, end in spans:
        here.append(at)
        parts.append(text[start:end])
        at += end - start + len(BETWEEN)
    return _Near(BETWEEN.join(parts), here, [0, *(start for start, _ in spans)])


def _by_form(text: str) -> Iterator[Named]:
    for one in find_secrets(text, shown=True):
        if one.what not in BELOW:
            sure: Sure = "low" if one.shown else "high" if one.severity == "high" else "medium"
            yield Named(one.what, one.offset, one.offset + one.length, sure)
    yield from _tokens(text)


def _blocks(text: str) -> Iterator[Named]:
    """Private keys, from their first line to their last."""
    for found in KEY_BLOCK.finditer(text):
        body = found["bare"] or found["lines"]
        if re.search(r"\w{4}", body) and not re.search(r"(?i:your|paste|insert)|\.\.\.", body):
            last = KEY_END.search(text, found.end(), found.end() + LONGEST_KEY)
            rest = KEY_LINES.match(text, found.end())
            end = last.end() if last else rest.end() if rest else found.end()
            yield Named("private key", found.start(), end, "high" if is_drawn(body[:64].strip()) else "low")


def _tokens(text: str) -> Iterator[Named]:
    for kind, hints, form in tokens():
        if any(hint in text for hint in hints):
            for found in form.finditer(text):
                secret = found["secret"] if "secret" in form.groupindex else found[0]
                if kind == "JSON Web Token" and not is_token_header(secret.partition(".")[0]):
                    continue
                sure: Sure = "low" if PLACEHOLDER.search(secret) or entropy(secret) < 2.5 else "high"
                yield Named(kind, *found.span("secret" if "secret" in form.groupindex else 0), sure)


def _strings(text: str) -> Iterator[Named]:
    """Texts in quotes that nothing names and that are as mixed as drawn ones."""
    for found in STRING.finditer(text):
        name = NAME.search(text[max(0, found.start() - NAME_BEFORE) : found.start()])
        if _is_mixed(found["quoted"]) and not (name and NO_SECRET.search(name[1])):
            yield Named("mixed text", *found.span("quoted"), "low")
    for found in LINE.finditer(text) if "=" in text else ():
        value = found["value"]
        if not NO_SECRET.search(found[1]) and not HEX.issuperset(value) and _is_mixed(value):
            yield Named("mixed text", *found.span("value"), "low")


def _is_mixed(value: str) -> bool:
    limit = 3.0 if HEX.issuperset(value) else BASE64_BITS
    if PLACEHOLDER.search(value) or (HEX.issuperset(value) and len(value) < 32):
        return False
    return is_drawn(value) and entropy(value) > limit
