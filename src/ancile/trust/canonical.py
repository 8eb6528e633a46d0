"""The one byte form of a JSON value: RFC 8785, JSON Canonicalization Scheme."""

from __future__ import annotations

import json
from typing import NoReturn

import rfc8785

from ancile.core.errors import AncileError
from ancile.core.text import plain

EXACT = 2**53  # every integer below it in size is a double of its own: RFC 8785, section 3.2.2.3


def canonical(value: object) -> bytes:
    """The canonical bytes of plain dictionaries, lists and scalars.

    Refused: NaN and infinities, integers of 2**53 and beyond (they travel as strings), keys that are no
    strings, lone surrogates, anything that JSON does not have.
    """
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # it checks each value itself, and raises
    except rfc8785.IntegerDomainError as reason:
        raise AncileError(
            "integer is too large for a JSON number",
            value=plain(str(reason)),
            remedy="write integers of 2^53 and beyond as strings",
        ) from reason
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as reason:
        raise AncileError(
            "value has no canonical form",
            value=plain(str(reason)),
            remedy="use finite numbers, valid Unicode, string keys and little depth",
        ) from reason


def parse_canonical(data: bytes, *, name: str) -> object:
    """The value of canonical bytes; bytes that ``canonical`` would not write are refused.

    name  what the document is, for the message
    An integer of 2**53 and beyond is a double that RFC 8785 writes without exponent, and is read as one.
    """
    try:
        value: object = json.loads(
            data.decode("utf-8"), parse_int=_number, parse_constant=_no_number, object_pairs_hook=_unique
        )
        same = canonical(value) == data
    except (ValueError, RecursionError, AncileError) as reason:
        raise _not_canonical(name, str(reason)) from reason
    if not same:
        raise _not_canonical(name, "spelled in another way than RFC 8785 does")
    return value


def _number(digits: str) -> int | float:
    # 17 digits and more: int() of a hostile million of them is refused by Python or slow
    number = int(digits) if len(digits) <= len(str(EXACT)) + 1 else float(digits)
    return number if abs(number) < EXACT else float(number)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _not_canonical(name: str, reason: str) -> AncileError:
    return AncileError(
        f"{name} is not canonical JSON", value=plain(reason), remedy="take it from its source once more"
    )
