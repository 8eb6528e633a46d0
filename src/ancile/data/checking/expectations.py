"""What is expected of data: inferred from a set that is good, frozen to a file, held against later ones."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
import tomlkit

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.data.checking.opened import Opened
from ancile.data.checking.profile import DIFFERENT, Column
from ancile.formats.source import Wanted, read_once

LARGEST = 8 << 20  # bytes of the file
SHOWN = 5  # values that are named
ESTIMATED = 0.9  # of the rows: an estimate of different values errs by 3 % or so
MARGIN = 0.1  # of the range seen: the next honest set goes a little beyond it


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a column has to keep to; what is not said is not asked for.

    kind            number, text or time
    least, most     of its numbers
    whole           whether all numbers are whole
    missing_at_most share of empty cells
    values          the only ones that a cell may hold
    unique          whether no two rows have the same
    optional        whether the column may be absent
    """

    kind: Literal["number", "text", "time"]
    least: float | None = None
    most: float | None = None
    whole: bool = False
    missing_at_most: float | None = None
    values: list[str] | None = None
    unique: bool = False
    optional: bool = False

    def __post_init__(self) -> None:
        """Refuse NaN, beside which every value would pass."""
        if any(one is not None and math.isnan(one) for one in (self.least, self.most, self.missing_at_most)):
            raise ValueError("a bound is no number: nan")


class Expectations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a data set has to keep to.

    rows_at_least  rows in all
    classes        the only labels; None where any may be
    size           width and height of all pictures
    others         whether columns may be there that are not named
    columns        name to what is expected
    """

    schema: Literal["ancile/expectations/v1"]
    rows_at_least: int = 1
    classes: list[str] | None = None
    size: tuple[int, int] | None = None
    others: bool = False
    columns: dict[str, Expected] = {}


def inferred(data: Opened) -> Expectations:
    """What the data keeps to now: ranges and values as seen, gaps as frequent as they may be by chance."""
    table = data.table
    sizes = list(data.sizes)
    return Expectations(
        schema="ancile/expectations/v1",
        classes=sorted(name for name, count in data.labels.counts.items() if count) or None,
        size=sizes[0] if len(sizes) == 1 else None,
        columns={} if table is None else {one.name: _expected(one) for one in table.columns},
    )


def _expected(one: Column) -> Expected:
    share = one.missing / one.rows
    slack = 3 * math.sqrt(share * (1 - share) / one.rows)  # of a share, by chance, in a set of this size
    exact = one.different < DIFFERENT
    least, most = _range(one)
    return Expected(
        kind="text" if one.kind == "text" else "time" if one.kind == "time" else "number",
        least=least,
        most=most,
        whole=one.whole and one.kind == "number",
        missing_at_most=round(min(1.0, share + slack), 4),
        values=sorted(one.categories) if one.categories and 2 * one.different < one.rows else None,
        unique=exact and one.rows > 1 and one.different == one.rows,
    )


def _range(one: Column) -> tuple[float | None, float | None]:
    """The range seen with a margin, which makes nothing negative or positive that never was."""
    if math.isnan(one.low):
        return None, None
    margin = MARGIN * (one.high - one.low)
    least, most = one.low - margin, one.high + margin
    least = max(0.0, least) if one.low >= 0 else least
    most = min(0.0, most) if one.high <= 0 else most
    return (math.floor(least), math.ceil(most)) if one.whole else (least, most)


def frozen(expected: Expectations, source: str) -> str:
    """The file, for people to read and change."""
    document = tomlkit.document()
    document.add(tomlkit.comment(f"What was true of {plain(source, 120)}; change what may change."))
    for key, value in msgspec.to_builtins(expected).items():
        if value is not None:
            document.add(key, tomlkit.item(_without_none(value)))
    return tomlkit.dumps(document)


def _without_none(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    return list(value) if isinstance(value, tuple) else value


def read_expectations(path: Path) -> Expectations:
    """The expectations in a file; AncileError where it is none of ours."""
    wanted = Wanted(
        what="expectations",
        missing="write them: `ancile data check PATH --freeze FILE`",
        not_a_file="give the file that --freeze wrote",
        limit_bytes=LARGEST,
        too_large=f"at most {LARGEST} bytes are read",
    )
    data = read_once(path, wanted).data
    try:
        return msgspec.convert(tomllib.loads(data.decode("utf-8")), Expectations)
    except (ValueError, RecursionError) as reason:  # ValueError: TOML, UTF-8, numbers of 4,300 digits, types
        raise AncileError(
            "expectations cannot be read",
            value=f"{plain(str(path))}: {plain(str(reason))}",
            remedy="mend that place, or write them again with --freeze",
        ) from reason


class Broken(msgspec.Struct, frozen=True):
    """An expectation that the data does not keep to."""

    column: str
    detail: str


def broken(expected: Expectations, data: Opened) -> Iterator[Broken]:
    """What the data does not keep to."""
    if data.total < expected.rows_at_least:
        yield Broken("", f"{data.total} rows, at least {expected.rows_at_least} are expected")
    if expected.classes is not None:
        unknown = [
            name for name, count in data.labels.counts.items() if count and name not in expected.classes
        ]
        if unknown:
            yield Broken(data.labels.column, f"labels that are not expected: {_named(unknown)}")
    wrong = [size for size in data.sizes if expected.size is not None and size != tuple(expected.size)]
    if wrong and expected.size is not None:
        count = sum(data.sizes[size] for size in wrong)
        yield Broken("", f"{count} pictures are not {expected.size[0]} x {expected.size[1]}")
    columns = {} if data.table is None else {one.name: one for one in data.table.columns}
    for name, one in expected.columns.items():
        if name in columns:
            yield from (Broken(name, said) for said in _faults(one, columns[name]))
        elif not one.optional:
            yield Broken(name, "the column is not there")
    if not expected.others:
        yield from (
            Broken(name, "a column that is not expected") for name in columns if name not in expected.columns
        )


def _faults(wanted: Expected, seen: Column) -> Iterator[str]:
    if wanted.kind != seen.kind:
        yield f"holds {seen.kind}, {wanted.kind} is expected"
        return
    if wanted.least is not None and seen.low < wanted.least:
        yield f"goes down to {seen.low:.6g}, at least {wanted.least:.6g} is expected"
    if wanted.most is not None and seen.high > wanted.most:
        yield f"goes up to {seen.high:.6g}, at most {wanted.most:.6g} is expected"
    if wanted.whole and not seen.whole and not math.isnan(seen.low):
        yield "holds fractions, whole numbers are expected"
    share = seen.missing / seen.rows
    if wanted.missing_at_most is not None and share > wanted.missing_at_most:
        yield f"{share:.2%} of the cells are empty, at most {wanted.missing_at_most:.2%} is expected"
    if wanted.values is not None:
        unknown = [one for one in seen.categories if one not in wanted.values]
        if unknown:
            yield f"values that are not expected: {_named(unknown)}"
        elif not seen.categories and seen.different > len(wanted.values):
            yield f"about {seen.different} different values, {len(wanted.values)} are expected"
    alone = seen.rows - seen.missing
    if wanted.unique and seen.different < (alone if alone < DIFFERENT else ESTIMATED * alone):
        yield f"about {seen.different} different values in {seen.rows} rows, each row's own is expected"


def _named(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(plain(one, 40) for one in names[:SHOWN]) + more
