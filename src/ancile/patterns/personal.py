"""Personal data in texts: addresses of the net, numbers of people, cards, accounts and telephones.

What is personal is told by form and checksum (``personal.json``, after each number's own publication;
python-stdnum knows the checksums). A number whose checksum chance meets too often needs a word beside it that
says what it is. Names and addresses of houses have no form: they are not looked for here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from ancile.core.extras import needs

KINDS = Path(__file__).with_name("personal.json")
# Five digits or more with little between them: whatever number of a person there is has such a row
DIGITS = re.compile(r"\d(?:[ .()/+-]{0,2}\d){4,33}")
BEFORE, AFTER = 12, 8  # letters that may belong to a number, on either side
LEAST = 7  # characters of a number of a person
NEAR = 60  # characters before, and half as many behind, in which a word of the context stands
BRACKETS = re.compile(r"\[[^\]\n]*\]")
# RFC 5321 without quotes and comments; labels of RFC 1035, and at least one letter in the last
MAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z][A-Za-z0-9-]{1,62}"
)
AT, COLONS = re.compile("@"), re.compile(":[0-9A-Fa-f]{0,4}:")
V4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\.\d|\w)")
V6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:\.\d{1,3}){0,3}(?![\w:])")
LINK = re.compile(r"https?://[^\s<>\"'`|\\^{}]{3,2000}(?<![.,;:!?)\]])")
PHONE = re.compile(
    r"(?<![\w.,/-])(?:\+\d{1,3}[ .-]?|00\d{2,3}[ .-])?(?:\(\d{1,5}\)[ .-]?)?\d{1,12}(?:[ .-]\d{1,8}){0,5}"
    r"(?P<extension> ?(?:x|ext\.?) ?\d{1,6})?(?![\w/]|-\d|\.\d)"
)
DATE = re.compile(
    r"(?:19|20)\d\d[-./]\d{1,2}[-./]\d{1,2}(?:\D.*)?|\d{1,2}[-./]\d{1,2}[-./](?:19|20)\d\d(?:\D.*)?"
)
PHONE_DIGITS = range(7, 16)  # ITU-T E.164: at most fifteen
PHONE_WORDS = re.compile(
    r"\b(?:phone|telephone|tel|mobile|cell|fax|call|dial|whatsapp|sms|contact|reach|ring|telefon|handy|téléphone"
    r"|teléfono|móvil|telefono|cellulare)\b",
    re.IGNORECASE,
)

UNLIKE = ([3, 2, 4],)  # groups of digits that are other numbers, right or wrong

Sure = Literal["high", "medium", "low"]


class Personal(NamedTuple):
    """A stretch of a text that is personal.

    kind  what it is, in words
    sure  high: its form or checksum leaves little else; medium: what stands near says so; low: something does
    """

    kind: str
    start: int
    end: int
    sure: Sure


class Kind(NamedTuple):
    """One kind of number; see ``personal.json``."""

    kind: str
    form: re.Pattern[str]
    valid: Callable[[str], bool] | None
    context: re.Pattern[str] | None
    digits: frozenset[int]


@cache
def kinds() -> dict[int, tuple[Kind, ...]]:
    """Number of digits to the kinds that have so many, read once."""
    needs("stdnum", "pii")
    found: dict[int, list[Kind]] = {}
    for one in msgspec.json.decode(KINDS.read_bytes())["kinds"]:
        words = "|".join(map(re.escape, one.get("context", ())))
        kind = Kind(
            one["kind"],
            re.compile(one["form"]),
            _valid(one["valid"], bare=one.get("bare", False)) if "valid" in one else None,
            re.compile(words, re.IGNORECASE) if one.get("weak") else None,
            frozenset(one["digits"]),
        )
        for digits in one["digits"]:
            found.setdefault(digits, []).append(kind)
    return {digits: tuple(some) for digits, some in found.items()}


def _valid(module: str, *, bare: bool) -> Callable[[str], bool]:
    valid: Callable[[str], bool] = import_module(module).is_valid
    return (lambda number: valid("".join(filter(str.isdigit, number)))) if bare else valid


def find_personal(text: str) -> Iterator[Personal]:
    """Every stretch of a text that is personal by its form, by place; none lies in another."""
    end = 0
    for one in sorted(_found(text), key=lambda one: (one.start, -one.end)):
        if one.start >= end:
            yield one
            end = one.end


def _found(text: str) -> Iterator[Personal]:
    for start, stop in _about(AT, text, 64, 256):
        yield from (
            Personal("e-mail address", *_trimmed(one), "high") for one in MAIL.finditer(text, start, stop)
        )
    if "://" in text:
        yield from (Personal("link", *one.span(), "medium") for one in LINK.finditer(text))
    for start, stop in _about(COLONS, text, 5, 45):
        yield from _addresses(V6, text, start, stop)
    for row in DIGITS.finditer(text):
        yield from _numbers(text, row)


def _about(mark: re.Pattern[str], text: str, before: int, after: int) -> Iterator[tuple[int, int]]:
    """Stretches of a text about what a search for rare letters finds: to read it whole takes much longer."""
    start = stop = -1
    for found in mark.finditer(text):
        if found.start() - before > stop:
            if stop > 0:
                yield start, stop
            start = max(0, found.start() - before)
        stop = found.end() + after
    if stop > 0:
        yield start, stop


def _trimmed(found: re.Match[str]) -> tuple[int, int]:
    """A mail address without dots that belong to the sentence."""
    return found.start() + len(found[0]) - len(found[0].lstrip(".'`")), found.end()


def _addresses(form: re.Pattern[str], text: str, start: int, stop: int) -> Iterator[Personal]:
    for found in form.finditer(text, start, stop):
        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified or address.is_multicast):
            yield Personal("IP address", *found.span(), "high")


def _numbers(text: str, row: re.Match[str]) -> Iterator[Personal]:
    """What a row of digits, with the letters about it, may be: the first kind that it fits."""
    start, stop = max(0, row.start() - BEFORE), row.end() + AFTER
    window = text[start:stop]
    if row[0].count(".") >= 3 and (addresses := list(_addresses(V4, text, start, stop))):
        yield from addresses
        return
    found = _first(text, start, window, _fitting(row[0]))
    if found is not None:
        yield found
    else:
        yield from _phones(text, start, window)


def _first(text: str, start: int, window: str, some: tuple[Kind, ...]) -> Personal | None:
    for kind in some:
        for found in kind.form.finditer(window):
            number = found[0]
            while not _is(kind, number, text, start + found.start()):
                number = number.rpartition(" ")[0]  # an account number ends where no word follows any more
                if len(number) < LEAST:
                    break
            else:
                place = start + found.start()
                return Personal(kind.kind, place, place + len(number), "medium" if kind.context else "high")
    return None


def _fitting(row: str) -> tuple[Kind, ...]:
    """Kinds with as many digits; of a row with gaps those with fewer as well, as it may be two numbers."""
    digits = sum(map(str.isdigit, row))
    return kinds().get(digits, ()) if digits == len(row) else _up_to(digits)


@cache
def _up_to(digits: int) -> tuple[Kind, ...]:
    found = {
        one.kind: one for count in sorted(kinds(), reverse=True) if count <= digits for one in kinds()[count]
    }
    return tuple(found.values())


def _is(kind: Kind, number: str, text: str, place: int) -> bool:
    digits = [one for one in number if one.isdigit()]
    if len(digits) not in kind.digits or len(set(digits)) == 1:  # 0000 0000 0000 0000 fits most checksums
        return False
    if kind.valid is not None and not kind.valid(number):
        return False
    return kind.context is None or kind.context.search(_beside(text, place, number)) is not None


def _beside(text: str, place: int, number: str) -> str:
    """What stands near in the same line, or in the one before where the number begins its line.

    Words in brackets stand for what was taken away there.
    """
    above, _, before = text[max(0, place - NEAR) : place].rpartition("\n")
    if not before.strip():
        before = above.rpartition("\n")[2]
    after = text[place + len(number) : place + len(number) + NEAR // 2].partition("\n")[0]
    return BRACKETS.sub(" ", f"{before} {after}")


def _phones(text: str, start: int, window: str) -> Iterator[Personal]:
    for found in PHONE.finditer(window):
        number = found[0].removesuffix(found["extension"] or "")
        digits = sum(map(str.isdigit, number))
        if digits not in PHONE_DIGITS or DATE.fullmatch(number):
            continue
        place = start + found.start()
        near = PHONE_WORDS.search(_beside(text, place, number))
        if number.startswith("+") or _is_grouped(number):
            yield Personal("telephone number", place, start + found.end(), "high" if near else "medium")
        elif near:
            yield Personal("telephone number", place, start + found.end(), "medium")


def _is_grouped(number: str) -> bool:
    """Whether digits stand in groups as telephone numbers do, and amounts, versions or post codes do not."""
    groups = [len(one) for one in re.findall(r"\d+", number)]
    if not 2 <= len(groups) <= 6 or groups[-1] < 2 or max(groups) > 5 or groups in UNLIKE:
        return False
    if len(groups) == 2 and sum(groups) < 9 and groups != [3, 4]:
        return False
    spaced = number.count(" ") >= 2 and sum(groups) <= 12
    return (
        "(" in number
        or "-" in number
        or groups[-3:] == [3, 3, 4]
        or (number.startswith("0") and " " in number)
        or spaced
    )
