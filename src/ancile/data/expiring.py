"""Rows whose day is over: a table without those that are older than its retention allows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.data.table_rows import rows_with

# Days and times as tables write them, beside ISO 8601, which ``fromisoformat`` reads; months before days are
# not among them, as nobody can tell 03/04 from 04/03
FORMS = ("%d.%m.%Y", "%Y/%m/%d", "%d-%b-%Y", "%d %b %Y", "%Y%m%d")
EPOCH_DIGITS = {10: 1, 13: 1000, 16: 1_000_000}  # of a Unix time in seconds, milli- and microseconds


class Expired(NamedTuple):
    """Rows that stay and rows that went."""

    stay: int
    went: int


def day_of(text: str) -> datetime | None:
    """The time that a cell names, without a zone in UTC; None where it names none."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) in EPOCH_DIGITS:
        return datetime.fromtimestamp(int(text) / EPOCH_DIGITS[len(text)], UTC)
    found = None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        for form in FORMS:
            try:
                found = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is set below
                break
            except ValueError:
                continue
    if found is None:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def without_old(path: Path, to: BinaryIO, column: str, before: datetime) -> Expired:
    """Write a CSV or JSON lines file without rows whose day is before that; a row without a day stays.

    AncileError where no row names a day: the column is another one then, and nothing is to be taken for old.
    """
    stay = went = days = 0
    for row in rows_with(path, column):
        day = None if row.cell is None else day_of(row.cell)
        days += day is not None
        if row.is_header or day is None or day >= before:
            to.write(row.data)
            stay += not row.is_header
        else:
            went += 1
    if stay + went and not days:
        raise AncileError(
            "no row of the column names a day",
            value=plain(f"{path.name}: {column}", 120),
            remedy="name the column of the day, as 2026-11-22, 22.11.2026 or a Unix time",
        )
    return Expired(stay, went)
