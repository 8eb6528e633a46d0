"""Personal data and secrets in text files: where which kinds stand, and the text without them.

A report names kinds, places and numbers of them, never what stands there.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine, ok, skip, warn
from ancile.core.errors import AncileError
from ancile.core.exhibit import Table
from ancile.core.finding import Location
from ancile.core.measure import Count
from ancile.core.report import Report
from ancile.core.subject import Subject, percent_encoded, subject_of_parts
from ancile.core.text import plain
from ancile.data.files import listed
from ancile.data.personal_columns import TABLES, ColumnFound, columns_of
from ancile.data.reading import opened
from ancile.data.spots import Finder, spots
from ancile.data.text import Block, read_text
from ancile.inputs.batches import ARROW
from ancile.inputs.tables import PARQUET
from ancile.patterns.column_names import BY_NAME
from ancile.version import __version__
from ancile.work.clock import Clock
from ancile.work.listing import Entry

CONTACTS = ("e-mail address", "telephone number", "IP address", "link")
HEAD_BYTES = 8
LINES_KEPT = 5  # of each kind and file that a report names
PRIVATE = ("CWE-359",)
ROWS = 200


class Seen(NamedTuple):
    """What a file holds: kind, whether secret, how sure; to how many there are and to the first lines.

    columns  of a table, what each holds
    unread   why the columns of a table were not told apart
    """

    path: str
    digest: str
    counts: Mapping[tuple[str, bool, str], int]
    lines: Mapping[tuple[str, bool, str], Sequence[int]]
    characters: int
    columns: Sequence[ColumnFound] = ()
    unread: str = ""


def look(entry: Entry, shown: str, find: Finder = spots) -> Seen:
    """What a file holds: a text by lines, a table by columns, a table that is a text by both."""
    if head_of(entry).startswith((PARQUET, ARROW)):
        digest = _digest(entry)
        return Seen(shown, digest, {}, {}, 0, columns_of(entry, find, whole=True))
    counts: Counter[tuple[str, bool, str]] = Counter()
    lines: dict[tuple[str, bool, str], list[int]] = {}
    characters = 0

    def take(block: Block) -> None:
        nonlocal characters
        characters += len(block.text)
        line, at = block.line, 0
        for one in find(block.text):
            line, at = line + block.text.count("\n", at, one.start), one.start
            key = (one.kind, one.secret, one.sure)
            counts[key] += 1
            known = lines.setdefault(key, [])
            if len(known) < LINES_KEPT and line not in known:
                known.append(line)

    digest = read_text(entry, take)
    columns: Sequence[ColumnFound] = ()
    unread = ""
    if entry.path.suffix.lower() in TABLES and entry.seen.size:
        try:
            columns = columns_of(entry, find, whole=False)
        except AncileError as reason:  # it is a text all the same, and was read as one
            unread = f"{reason.what}: {reason.value}" if reason.value else reason.what
    return Seen(shown, digest, counts, lines, characters, columns, unread)


def _digest(entry: Entry) -> str:
    with opened(entry) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def head_of(entry: Entry) -> bytes:
    """The first bytes of a file."""
    with opened(entry) as descriptor:
        return os.pread(descriptor, HEAD_BYTES, 0)


@check("data-secret", severity="critical", refs=("CWE-540",))
def holds_secret(facts: Sequence[Seen]) -> Iterator[Remark]:
    """Data holds keys, tokens or passwords.

    Why   Whoever has the data has what they open, and a model that learns from it may tell strangers.
    Fix   Take them back where they are in force, then `ancile data redact` the file.
    """
    yield from _remarks(facts, lambda _, secret: secret)


@check("data-personal-number", severity="high", refs=PRIVATE)
def holds_number(facts: Sequence[Seen]) -> Iterator[Remark]:
    """Data holds numbers of people, their cards or accounts.

    Why   One of them names one person for good: who trains on it processes personal data, and a model may
          give it away.
    Fix   `ancile data redact` the file, or have a ground for keeping them and say so with the data.
    """
    yield from _remarks(facts, lambda kind, secret: not secret and kind not in (*CONTACTS, *BY_NAME))


@check("data-personal-contact", severity="medium", refs=PRIVATE)
def holds_contact(facts: Sequence[Seen]) -> Iterator[Remark]:
    """Data holds ways to reach people: addresses of mail and net, telephones.

    Why   They are personal data where they lead to a person, and models repeat what they saw often.
    Fix   `ancile data redact` the file, or have a ground for keeping them and say so with the data.
    """
    yield from _remarks(facts, lambda kind, secret: not secret and kind in CONTACTS)


@check("data-personal-name", severity="medium", refs=PRIVATE)
def holds_name(facts: Sequence[Seen]) -> Iterator[Remark]:
    """Data says who people are, where they live, when they were born, or what they believe or suffer from.

    Why   It is personal data, some of a special category (GDPR, article 9), and found by names of columns
          and lists of names it may be more, or less, than what is told here.
    Fix   Leave the column out, or `ancile data redact --names`; or have a ground for keeping it, and say so
          with the data.
    """
    yield from _remarks(facts, lambda kind, secret: not secret and kind in BY_NAME)


@check("data-columns-unread", severity="info", refs=PRIVATE)
def columns_unread(facts: Sequence[Seen]) -> Iterator[Remark]:
    """The columns of a table could not be told apart.

    Why   What a column is called says what its values are: without that, numbers and names that have no form
          of their own are passed over.
    Fix   Mend the table, or `pip install "ancile[tables]"`.
    """
    for seen in facts:
        yield skip(seen.unread, where=Location(path=seen.path)) if seen.unread else ok()


CHECKS: tuple[Check[Sequence[Seen]], ...] = (
    holds_secret,
    holds_number,
    holds_contact,
    holds_name,
    columns_unread,
)


def _remarks(facts: Sequence[Seen], fits: Callable[[str, bool], bool]) -> Iterator[Remark]:
    """For each file and kind one, and one for each column whose lines say nothing; else a pass."""
    for seen in facts:
        some = sorted(key for key in seen.counts if fits(key[0], key[1]))
        for key in some:
            lines = ", ".join(map(str, seen.lines[key]))
            more = " and others" if seen.counts[key] > len(seen.lines[key]) else ""
            said = f"{seen.counts[key]} of kind {key[0]} ({key[2]} confidence), in lines {lines}{more}"
            yield warn(said, where=Location(path=seen.path, row=seen.lines[key][0]))
        by_line = {(kind, secret) for kind, secret, _ in some}
        columns = [
            one
            for one in seen.columns
            if fits(one.kind, one.secret) and (one.kind, one.secret) not in by_line
        ]
        for column in columns:
            where = Location(path=seen.path, column=column.column)
            yield warn(f"{_of_column(column)} ({column.sure} confidence)", where=where)
        if not some and not columns:
            yield ok()


def _of_column(found: ColumnFound) -> str:
    if found.named:
        return f"a column named and filled as {found.kind}, {found.of:,} cells"
    return f"{found.cells:,} of {found.of:,} cells of kind {found.kind}"


def personal_report(
    paths: Sequence[Path],
    *,
    clock: Clock,
    find: Finder = spots,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """What the text files at ``paths``, files or folders, hold that is personal or secret.

    find      what a text holds
    progress  is told files looked at and files in all
    AncileError where one is neither text nor table.
    """
    started, files = clock.now(), _listed(paths)
    seen = []
    for number, (shown, entry) in enumerate(files.items()):
        seen.append(look(entry, shown, find))
        if progress is not None:
            progress(number + 1, len(files))
    found = examine(CHECKS, seen)
    return Report(
        stage="data pii",
        complete=True,
        subject=_subject(paths, seen),
        measures=(
            Count(name="files", value=len(seen), unit="files", method="counted"),
            Count(
                name="characters",
                value=sum(one.characters for one in seen),
                unit="characters",
                method="counted",
            ),
            *_measures(seen),
        ),
        findings=found.findings,
        passed=found.passed,
        exhibits=tuple(_tables(seen)),
        started=started,
        finished=clock.now(),
        version=__version__,
    )


def _listed(paths: Sequence[Path]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for path in paths:
        listing = listed(path)
        base = percent_encoded(str(path))
        found |= {
            base if listing.alone else f"{base.rstrip('/')}/{name}": one
            for name, one in listing.files.items()
        }
    return found


def _subject(paths: Sequence[Path], seen: Sequence[Seen]) -> Subject:
    name = plain(" ".join(map(str, paths)), 200)
    if len(seen) == 1:
        return Subject(kind="dataset", name=name, digest=seen[0].digest)
    return subject_of_parts("dataset", name, {one.path: one.digest for one in seen})


def _measures(seen: Sequence[Seen]) -> Iterator[Count]:
    total: Counter[str] = Counter()
    for one in seen:
        for (kind, _, _), count in one.counts.items():
            total[kind] += count
        known = set(total)
        for found in one.columns:
            if not found.named and found.kind not in known:
                total[found.kind] += found.cells
    for kind, count in sorted(total.items()):
        yield Count(name="personal_data", slice={"kind": kind}, value=count, unit="places", method="counted")


def _tables(seen: Sequence[Seen]) -> Iterator[Table]:
    rows = [
        (plain(one.path, 200), kind, "secret" if secret else "personal", sure, count)
        for one in seen
        for (kind, secret, sure), count in sorted(one.counts.items())
    ]
    yield from _table("What stands in which file", ("file", "kind", "is", "confidence", "places"), rows)
    columns = [
        (
            *(plain(one.path, 200), found.column, found.kind, "secret" if found.secret else "personal"),
            *(f"{found.sure}, by name" if found.named else found.sure, found.cells, found.of),
        )
        for one in seen
        for found in one.columns
    ]
    named = ("file", "column", "kind", "is", "confidence", "cells", "of")
    yield from _table("What stands in which column", named, columns)


def _table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str | int, ...]]) -> Iterator[Table]:
    if rows:
        note = f"and {len(rows) - ROWS} more" if len(rows) > ROWS else ""
        yield Table(title=title, columns=columns, rows=tuple(rows[:ROWS]), note=note)
