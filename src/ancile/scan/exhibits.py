"""Tables of a scan's report: which files need a hand and what to do, what was accepted, what changed."""

from __future__ import annotations

from collections.abc import Sequence

from ancile.core.exhibit import Table
from ancile.core.finding import SEVERITIES, Finding
from ancile.core.report import Verdict
from ancile.core.text import plain
from ancile.scan.again import Changed
from ancile.scan.baseline import OPEN, Entry
from ancile.scan.files import Scanned

ROWS = 500  # of one table; the report's files tell of all
PATH = 160  # characters of a path
ACCEPTED = "accepted by the baseline"
ORDER: tuple[Verdict, ...] = ("block", "review", "incomplete", "named-classes", "data-only")
TO_DO: dict[Verdict, str] = {
    "block": "block: do not open",
    "review": "review: somebody has to look first",
    "incomplete": "incomplete: nothing is known of it",
    "named-classes": "named-classes: open with these packages pinned",
}


def files_table(scanned: Sequence[Scanned]) -> Table | None:
    """The files that ask for something, the gravest first; None where there is none."""
    asking = [one for one in scanned if one.found.verdict != "data-only"]
    asking.sort(key=lambda one: (ORDER.index(one.found.verdict), _gravity(one), one.shown))
    if not asking:
        return None
    verdicts = {one.found.verdict for one in asking if _why(one) != ACCEPTED}
    notes = [words for verdict, words in TO_DO.items() if verdict in verdicts]
    if len(scanned) > len(asking):
        notes.append(f"not listed: {len(scanned) - len(asking)} data-only")
    if len(asking) > ROWS:
        notes.append(f"left out: {len(asking) - ROWS} more of these")
    rows = tuple((plain(one.shown, PATH), one.found.verdict, _why(one)) for one in asking[:ROWS])
    return Table(
        title="Files, the gravest first",
        columns=("file", "verdict", "because of"),
        rows=rows,
        note="; ".join(notes) + "." if notes else "",
    )


def _open(one: Scanned) -> list[Finding]:
    """What decides the verdict: the gravest first."""
    found = [f for f in one.found.findings if f.status in OPEN]
    return sorted(found, key=lambda f: (OPEN.index(f.status), SEVERITIES.index(f.severity)))


def _gravity(one: Scanned) -> int:
    found = _open(one)
    return SEVERITIES.index(found[0].severity) if found else len(SEVERITIES)


def _why(one: Scanned) -> str:
    if one.found.verdict == "named-classes":
        return plain(", ".join(one.found.packages), 48)
    checks = list(dict.fromkeys(f.check for f in _open(one)))
    if not checks:
        return ACCEPTED
    more = f" and {len(checks) - 1} more" if len(checks) > 1 else ""
    return f"{plain(checks[0], 40)}{more}"


def accepted_table(accepted: Sequence[tuple[str, Entry]]) -> Table | None:
    """What the baseline accepts; None where that is nothing."""
    if not accepted:
        return None
    rows = tuple(
        (plain(shown, PATH), plain(entry.check, 40), str(entry.expires), plain(entry.reason, 200))
        for shown, entry in accepted[:ROWS]
    )
    left = f" Left out: {len(accepted) - ROWS} more." if len(accepted) > ROWS else ""
    return Table(
        title="Accepted by the baseline",
        columns=("file", "check", "until", "reason"),
        rows=rows,
        note=f"These findings count as notes until their day is over; the verdicts are what they were.{left}",
    )


def changes_table(changed: Sequence[Changed]) -> Table:
    """What is no longer as it was when it was last scanned."""
    telling = [one for one in changed if one.change != "same"]
    rows = tuple(
        (plain(one.shown, PATH), one.before, one.now or "none", one.change)
        for one in sorted(telling, key=lambda one: (ORDER.index(one.now or "data-only"), one.shown))[:ROWS]
    )
    left = f" Left out: {len(telling) - ROWS} more." if len(telling) > ROWS else ""
    return Table(
        title="What changed since the last scan",
        columns=("file", "before", "now", "why"),
        rows=rows,
        note=f"{len(changed) - len(telling)} files are as they were.{left}",
    )
