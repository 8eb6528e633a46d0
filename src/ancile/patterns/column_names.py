"""What a column holds, told by its name, if its values look like that: names, homes, births, beliefs.

Words of English, German, French, Spanish, Italian, Portuguese and Dutch. A name alone says little: a column
``name`` may list products. What is named here is told where values do not speak against it, and surer where
they speak for it. Special categories are those of GDPR, article 9.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from ancile.patterns.addresses import ADDRESS
from ancile.patterns.names import NAME, names
from ancile.patterns.personal import Sure

FORMS = Path(__file__).with_name("column_names.json")
BIRTH, USER, SPECIAL = "date of birth", "user name", "special category of personal data"
NUMBER = "number of a person"
BY_NAME = (NAME, ADDRESS, BIRTH, USER, SPECIAL)
MOST_VALUES = 1000  # that are looked at
SURE_SHARE, LEAST_SHARE = (
    0.6,
    0.2,
)  # of values that look like it; below, the name is taken to mean something else
ALPHABETIC = re.compile(r"[^\W\d_]+(?:[ .,'\u2019-]{1,2}[^\W\d_]+\.?){0,4}\.?")
DATE = re.compile(
    r"(?:19|20)\d\d[-./]?\d{1,2}[-./]?\d{1,2}(?:[T ].*)?|\d{1,2}[-./ ]\w{1,9}[-./ ](?:19|20)?\d\d"
    r"|(?:19|20)\d\d"
)
HANDLE = re.compile(r"[\w.@+-]{2,40}")


class Guess(NamedTuple):
    """A kind that a column is named after, and how sure that is with its values."""

    kind: str
    sure: Sure


class Rule(NamedTuple):
    """Names of columns, folded and without what divides words; ``strict``: values must speak for it."""

    kind: str
    form: re.Pattern[str]
    strict: bool


@cache
def rules() -> tuple[Rule, ...]:
    """The names, read once."""
    held = msgspec.json.decode(FORMS.read_bytes())["rules"]
    return tuple(Rule(one["kind"], re.compile(one["form"]), one["strict"]) for one in held)


def _is_name(value: str) -> bool:
    words = value.casefold().replace(",", " ").split()
    return (
        bool(words)
        and ALPHABETIC.fullmatch(value) is not None
        and any(one in names("given") or one in names("family") for one in words)
    )


def _is_address(value: str) -> bool:
    return (
        any(map(str.isdigit, value)) and len(re.findall(r"[^\W\d_]{2,}", value)) >= 1 and " " in value.strip()
    )


FITS: Mapping[str, Callable[[str], bool]] = {
    NUMBER: lambda value: sum(map(str.isdigit, value)) >= 5 and len(value) <= 20,
    NAME: _is_name,
    ADDRESS: _is_address,
    BIRTH: lambda value: DATE.fullmatch(value) is not None,
    USER: lambda value: HANDLE.fullmatch(value) is not None,
    SPECIAL: lambda value: any(map(str.isalnum, value)),
}


def guess(column: str, values: Sequence[str]) -> Guess | None:
    """What a column is by its name, unless its values are something else; None where it says nothing."""
    spelled = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
    folded = re.sub(r"[\W_]+", "_", spelled.casefold()).strip("_")
    some = [one.strip() for one in values if one.strip()][:MOST_VALUES]
    for rule in rules():
        if rule.form.fullmatch(folded) and some:
            share = sum(map(FITS[rule.kind], some)) / len(some)
            if share >= SURE_SHARE:
                return Guess(rule.kind, "medium")
            if share >= LEAST_SHARE and not rule.strict:
                return Guess(rule.kind, "low")
    return None
