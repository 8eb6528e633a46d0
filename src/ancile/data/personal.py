"""Personal data and secrets in text files: where which kinds stand, and the text without them.

A report names kinds, places and numbers of them, never what stands there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine, ok, warn
from ancile.core.exhibit import Table
from ancile.core.finding import Location
from ancile.core.measure import Count
from ancile.core.report import Report
from ancile.core.subject import Subject, percent_encoded, subject_of_parts
from ancile.core.text import plain
from ancile.data.files import listed
from ancile.data.text import Block, read_text
from ancile.patterns.named import find_named
from ancile.patterns.personal import find_personal
from ancile.version import __version__
from ancile.work.clock import Clock
from ancile.work.listing import Entry

CONTACTS = ("e-mail address", "telephone number", "IP address", "link")
# In JSON and source code: a line that ends within a string is no letter before what follows
ESCAPE = re.compile(r"""\\[nrt"'/]""")
LINES_KEPT = 5  # of each kind and file that a report names
PRIVATE = ("CWE-359",)
ROWS = 200


class Spot(NamedTuple):
    """A stretch of a text that is not for everybody.

    sure  high, medium or low, as the pattern that found it says
    """

    kind: str
    start: int
    end: int
    sure: str
    secret: bool = False


class Seen(NamedTuple):
    """What a file holds: kind, whether secret, how sure; to how many there are and to the first lines."""

    path: str
    digest: str
    counts: Mapping[tuple[str, bool, str], int]
    lines: Mapping[tuple[str, bool, str], Sequence[int]]
    characters: int


def spots(text: str) -> list[Spot]:
    """What is personal or secret in a text, by place; none lies in another."""
    found = [Spot(*one, secret=True) for one in find_named(text)]
    found += [Spot(*one) for one in find_personal(ESCAPE.sub("  ", text))]
    kept: list[Spot] = []
    for one in sorted(found, key=lambda one: (one.start, not one.secret, -one.end)):
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
        elif one.secret and not kept[-1].secret:  # a password in an address: all of it goes
            kept[-1] = one._replace(start=kept[-1].start, end=max(one.end, kept[-1].end))
    return kept


def look(entry: Entry, shown: str) -> Seen:
    """What a file holds."""
    counts: Counter[tuple[str, bool, str]] = Counter()
    lines: dict[tuple[str, bool, str], list[int]] = {}
    characters = 0

    def take(block: Block) -> None:
        nonlocal characters
        characters += len(block.text)
        line, at = block.line, 0
        for one in spots(block.text):
            line, at = line + block.text.count("\n", at, one.start), one.start
            key = (one.kind, one.secret, one.sure)
            counts[key] += 1
            known = lines.setdefault(key, [])
            if len(known) < LINES_KEPT and line not in known:
                known.append(line)

    digest = read_text(entry, take)
    return Seen(shown, digest, counts, lines, characters)


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
    yield from _remarks(facts, lambda kind, secret: not secret and kind not in CONTACTS)


@check("data-personal-contact", severity="medium", refs=PRIVATE)
def holds_contact(facts: Sequence[Seen]) -> Iterator[Remark]:
    """Data holds ways to reach people: addresses of mail and net, telephones.

    Why   They are personal data where they lead to a person, and models repeat what they saw often.
    Fix   `ancile data redact` the file, or have a ground for keeping them and say so with the data.
    """
    yield from _remarks(facts, lambda kind, secret: not secret and kind in CONTACTS)


CHECKS: tuple[Check[Sequence[Seen]], ...] = (holds_secret, holds_number, holds_contact)


def _remarks(facts: Sequence[Seen], fits: Callable[[str, bool], bool]) -> Iterator[Remark]:
    """For each file and kind one; a pass for a file without any."""
    for seen in facts:
        some = sorted(key for key in seen.counts if fits(key[0], key[1]))
        for key in some:
            lines = ", ".join(map(str, seen.lines[key]))
            more = " and others" if seen.counts[key] > len(seen.lines[key]) else ""
            said = f"{seen.counts[key]} of kind {key[0]} ({key[2]} confidence), in lines {lines}{more}"
            yield warn(said, where=Location(path=seen.path, row=seen.lines[key][0]))
        if not some:
            yield ok()


def personal_report(
    paths: Sequence[Path], *, clock: Clock, progress: Callable[[int, int], None] | None = None
) -> Report:
    """What the text files at ``paths``, files or folders, hold that is personal or secret.

    progress  is told files looked at and files in all
    AncileError where one is no text.
    """
    started, files = clock.now(), _listed(paths)
    seen = []
    for number, (shown, entry) in enumerate(files.items()):
        seen.append(look(entry, shown))
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
        exhibits=_tables(seen),
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
    for kind, count in sorted(total.items()):
        yield Count(name="personal_data", slice={"kind": kind}, value=count, unit="places", method="counted")


def _tables(seen: Sequence[Seen]) -> tuple[Table, ...]:
    rows = [
        (plain(one.path, 200), kind, "secret" if secret else "personal", sure, count)
        for one in seen
        for (kind, secret, sure), count in sorted(one.counts.items())
    ]
    if not rows:
        return ()
    note = f"and {len(rows) - ROWS} more" if len(rows) > ROWS else ""
    columns = ("file", "kind", "is", "confidence", "places")
    return (Table(title="What stands in which file", columns=columns, rows=tuple(rows[:ROWS]), note=note),)


class Redacted(NamedTuple):
    """A text without what was personal or secret in it, and how many places that were."""

    text: str
    places: int


def redacted(
    text: str, kinds: Iterable[str] = (), pseudonym: Callable[[str, str], str] | None = None
) -> Redacted:
    """The text with what is personal or secret replaced by its kind in brackets; of all kinds without any.

    pseudonym  gives what is personal, by kind and value, another value instead; a secret has none
    """
    wanted, parts, end, places = frozenset(kinds), [], 0, 0
    for one in spots(text):
        if not wanted or one.kind in wanted:
            instead = f"[{one.kind}]"
            if pseudonym is not None and not one.secret:
                instead = pseudonym(one.kind, text[one.start : one.end])
            parts += [text[end : one.start], instead]
            end, places = one.end, places + 1
    return Redacted("".join(parts) + text[end:], places)
