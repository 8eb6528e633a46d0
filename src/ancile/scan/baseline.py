"""Accepted findings: somebody looked at them and answers for them until a day. They are told, never hidden.

A baseline is a TOML file beside the models. An entry counts for one finding in exactly the bytes that were
looked at: path, digest of the file, check and place must agree, a reason must be given, and the day must not
be over. Paths are relative to the folder of the baseline, so that it does not matter from where one scans.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from ancile.core.check import Check, Remark, check, examine, ok, warn
from ancile.core.errors import AncileError
from ancile.core.finding import SEVERITIES, Finding, Location, Severity
from ancile.core.subject import digest_of, percent_encoded
from ancile.core.text import plain
from ancile.scan.files import Scanned

LARGEST = 16 << 20  # bytes of a baseline
DAYS = 90  # for which a new entry holds: a quarter, in which somebody looks again
MOST_DAYS = 2 * 366
OPEN = ("FAIL", "ERROR")  # what decides an exit code, and so can be accepted
ACCEPTED = "Accepted: "  # begins the title of a finding that an entry counts for
HEAD = """\
# Findings of `ancile scan` that were looked at and accepted. Each holds for
# exactly these bytes, until the day `expires`, two years from now at most.
# An entry without a reason does not count: write down why the finding may stay,
# and who says so.
"""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One accepted finding.

    path      of the file, percent-encoded, relative to the baseline's folder
    digest    of the file's bytes
    place     digest of where in the file
    severity  that was accepted; a graver finding comes back
    seen      place and detail, for people
    """

    path: str
    digest: str
    check: str
    place: str
    severity: Severity
    seen: str = ""
    reason: str = ""
    expires: date


class Key(NamedTuple):
    """What an entry speaks of, in whatever bytes."""

    path: str
    check: str
    place: str


class Baseline(NamedTuple):
    """The entries of a file.

    folder   in which it lies
    digest   of its bytes
    entries  path to its entries
    """

    folder: Path
    digest: str
    entries: Mapping[str, Mapping[Key, Entry]]


class Applied(NamedTuple):
    """A file under a baseline, and the entries that count for it."""

    scanned: Scanned
    accepted: tuple[Entry, ...]


class Lapsed(NamedTuple):
    """Entries about a file that do not count, with the reason; ``held`` is how many do."""

    shown: str
    faults: tuple[str, ...]
    held: int


@check("baseline-lapsed", severity="low", refs=())
def lapsed(facts: Lapsed) -> Iterator[Remark]:
    """An entry of the baseline does not count.

    Why   It expired, gives no reason, or the file or the finding is another one than what was accepted.
    Fix   Look again. Mend the finding, or write its entry anew (--write-baseline); strike what is gone.
    """
    for fault in facts.faults:
        yield warn(fault, where=Location(path=facts.shown))
    for _ in range(facts.held or not facts.faults):
        yield ok()


BASELINE_CHECKS: tuple[Check[Lapsed], ...] = (lapsed,)


def parse_baseline(data: bytes, *, path: Path) -> Baseline:
    """The baseline in a file's bytes; AncileError for anything that ``write_baseline`` would not write."""
    if len(data) > LARGEST:
        raise _refused(path, f"{len(data)} bytes, at most {LARGEST} are read")
    import tomllib  # noqa: PLC0415 - most scans have no baseline

    try:
        table = tomllib.loads(data.decode("utf-8"))
        entries = msgspec.convert(table.pop("accepted", []), tuple[Entry, ...])
    except (ValueError, RecursionError) as reason:  # TOML, UTF-8, msgspec's own errors
        raise _refused(path, str(reason)) from reason
    if table:
        raise _refused(path, f"{next(iter(table))} is no key of a baseline")
    by_path: dict[str, dict[Key, Entry]] = {}
    for one in entries:
        known = by_path.setdefault(one.path, {})
        if known.setdefault(Key(one.path, one.check, one.place), one) is not one:
            raise _refused(path, f"two entries for one finding in {one.path}")
    return Baseline(Path(os.path.realpath(path)).parent, digest_of(data), by_path)


def _refused(path: Path, why: str) -> AncileError:
    return AncileError(
        "this is no baseline",
        value=f"{plain(str(path))}: {plain(why)}",
        remedy="mend it, or write one: `ancile scan PATH --write-baseline FILE`",
    )


def apply_baseline(baseline: Baseline, one: Scanned, path: Path, *, today: date) -> Applied:
    """The file with its accepted findings as notes that say so; the verdict stays what it was.

    path  where the file is
    """
    where = relative(path, baseline.folder)
    by_key: dict[Key, list[Finding]] = {}
    for finding in one.found.findings:
        if finding.status in OPEN:
            by_key.setdefault(key_of(finding, where), []).append(finding)
    faults: list[str] = []
    held: dict[Key, Entry] = {}
    for key, entry in baseline.entries.get(where, {}).items():
        if fault := _fault(entry, by_key.get(key, ()), digest=one.digest, today=today):
            faults.append(f"{plain(entry.check, 60)}: {fault}")
        else:
            held[key] = entry
    told = (_told(f, held.get(key_of(f, where)) if f.status in OPEN else None) for f in one.found.findings)
    said = examine(BASELINE_CHECKS, Lapsed(one.shown, tuple(faults), len(held)))
    judged = one.found._replace(
        findings=(*told, *said.findings), passed=dict(Counter(one.found.passed) + Counter(said.passed))
    )
    return Applied(one._replace(found=judged), tuple(held.values()))


def _is_said(reason: str) -> bool:
    """Whether there is anything in it to read: spaces of no width are none."""
    return any(one.isalnum() for one in reason)


def _fault(entry: Entry, found: Sequence[Finding], *, digest: str, today: date) -> str:
    """Why an entry does not count; empty where it does."""
    if entry.digest != digest:
        return "the file is another one than what was accepted"
    if not found:
        return "nothing to accept there any more"
    if not _is_said(entry.reason):
        return "no reason is given"
    if not 0 <= (entry.expires - today).days <= MOST_DAYS:
        late = f"it would hold until {entry.expires}, and two years is the most"
        return f"expired on {entry.expires}" if entry.expires < today else late
    gravest = min((one.severity for one in found), key=SEVERITIES.index)
    if SEVERITIES.index(gravest) < SEVERITIES.index(entry.severity):
        return f"{entry.severity} was accepted, and it is {gravest} now"
    return ""


def _told(one: Finding, entry: Entry | None) -> Finding:
    """The finding as it is, or as a note that it was accepted."""
    if entry is None:
        return one
    return Finding(
        check=one.check,
        status="WARN",
        severity="info",
        location=one.location,
        title=f"{ACCEPTED}{one.title}",
        detail=f"until {entry.expires}, {plain(entry.reason, 300)}; {one.severity}: {one.detail}",
        fix=f"Look again before {entry.expires}: then it counts as before.",
        refs=one.refs,
    )


def key_of(finding: Finding, where: str) -> Key:
    """What an entry for this finding is found by."""
    at = finding.location
    place = json.dumps([at.member, at.offset, at.row, at.column]).encode("ascii")
    return Key(where, finding.check, digest_of(place))


def relative(path: Path, folder: Path) -> str:
    """A file's path as a baseline in ``folder`` names it."""
    whole = Path(os.path.realpath(path.parent), path.name)
    return percent_encoded(os.path.relpath(whole, folder))


class Place(NamedTuple):
    """A file that was scanned: where it is, and the digest of its bytes."""

    path: Path
    digest: str


class Written(NamedTuple):
    """A new baseline; ``open`` is how many of its entries still want a reason."""

    data: bytes
    entries: int
    open: int


def write_baseline(
    findings: Iterable[Finding],
    places: Mapping[str, Place],
    *,
    old: Baseline | None,
    folder: Path,
    today: date,
) -> Written:
    """A baseline of what is open in a report, and of what ``old`` accepts already.

    places  path that the report shows to its file
    old     also kept is what it says of files that were not scanned this time and are still there
    folder  in which it will lie
    """
    entries: dict[Key, Entry] = {}
    for finding in findings:
        place = places.get(finding.location.path or "")
        if place is None or not place.digest:
            continue
        key = key_of(finding, relative(place.path, folder))
        if finding.title.startswith(ACCEPTED):
            known = _known(old, finding, place.path)
            if known is not None:
                entries[key] = msgspec.structs.replace(known, path=key.path)
        elif finding.status in OPEN:
            new = _new(key, finding, place.digest, today)
            before = entries.setdefault(key, new)
            if SEVERITIES.index(new.severity) < SEVERITIES.index(before.severity):
                entries[key] = new
    scanned = {Path(os.path.realpath(one.path)) for one in places.values()}
    for entry, path in _elsewhere(old, scanned):
        where = relative(path, folder)
        entries[Key(where, entry.check, entry.place)] = msgspec.structs.replace(entry, path=where)
    ordered = [entries[key] for key in sorted(entries)]
    text = HEAD + "".join(_written(one) for one in ordered)
    return Written(text.encode("utf-8"), len(ordered), sum(not _is_said(one.reason) for one in ordered))


def _new(key: Key, finding: Finding, digest: str, today: date) -> Entry:
    seen = ": ".join(part for part in (str(finding.location), finding.detail) if part)
    return Entry(
        **key._asdict(),
        digest=digest,
        severity=finding.severity,
        seen=plain(seen, 300),
        expires=today + timedelta(days=DAYS),
    )


def _known(old: Baseline | None, finding: Finding, path: Path) -> Entry | None:
    if old is None:
        return None
    where = relative(path, old.folder)
    return old.entries.get(where, {}).get(key_of(finding, where))


def _elsewhere(old: Baseline | None, scanned: Collection[Path]) -> Iterator[tuple[Entry, Path]]:
    """The entries about files that are there and were not scanned."""
    if old is None:
        return
    for where, entries in old.entries.items():
        path = Path(os.path.realpath(old.folder / os.fsdecode(unquote_to_bytes(where))))
        if path.is_file() and path not in scanned:
            yield from ((entry, path) for entry in entries.values())


def _written(one: Entry) -> str:
    import tomlkit  # noqa: PLC0415 - as above

    fields = msgspec.structs.asdict(one)
    lines = (f"{name} = {tomlkit.item(value).as_string()}" for name, value in fields.items())
    return "\n".join(("", "[[accepted]]", *lines, ""))
