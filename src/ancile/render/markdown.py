"""The record as GitHub-flavoured Markdown (CommonMark 0.31 and the GFM extensions), for a comment or a wiki.

Foreign names stand in code spans: inside one neither links, mentions, emphasis nor HTML begin. Prose, which
may carry foreign words, has its punctuation escaped, and becomes a code span where it holds what GitHub would
link by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ancile.core.exhibit import Curve, Picture, Table, Text
from ancile.core.report import Record, Report
from ancile.core.text import plain
from ancile.render.chart import bars
from ancile.render.defuse import defused
from ancile.render.outline import (
    Action,
    actions,
    drawn,
    groups,
    not_examined,
    open_questions,
    passed,
    weakest,
    whole,
)
from ancile.render.phrases import (
    counted,
    guarded,
    interval_text,
    is_formula,
    label,
    measure_text,
    point_text,
    scalar,
    setting,
    value_text,
    work,
)
from ancile.render.verdict import stage_name, verdict

LONGEST = 60_000  # characters; GitHub takes 65,536 in a comment
INLINE = re.compile(r"([\\`*_\[\]<>#|~&$])")  # what begins an inline construct of CommonMark, GFM, or math
LEADING = re.compile(r"^(\d{1,9}(?=[.)](?:\s|$))|(?=[-+=:](?:[-+=:\s]|$)))(.)")  # list, underline, table
LINKED = re.compile(r"@|://|www\.|#\d|[0-9a-f]{7}", re.IGNORECASE)  # what GitHub links by itself
TICKS = re.compile(r"`+")
ITEMS, ROWS, PLACES, SETTINGS = 40, 40, 5, 60  # shown of what their names say


def render(record: Record) -> str:
    """The report as Markdown; sections that no longer fit a comment are named, not cut in the middle."""
    proof = _proof(record)
    blocks, room, left = [], LONGEST - len(proof), 0
    for block in filter(None, _blocks(record)):
        if len(block) + 2 > room:
            left += 1
        else:
            blocks.append(block)
            room -= len(block) + 2
    if left:
        blocks.append(f"{counted(left, 'more section')} left out to keep this short; the JSON form has all.")
    return defused("\n\n".join([*blocks, proof]), hash_sign="&#35;", colon="&#58;") + "\n"


def code(text: str, limit: int = 200, *, in_table: bool = False) -> str:
    """A foreign string as a code span (CommonMark 6.1), whatever it holds; a formula gets a quote."""
    shown = guarded(text, limit).strip() or " "
    if in_table:  # a cell ends at a pipe that no backslash precedes, also inside a code span (GFM 4.10)
        shown = re.sub(r"\\+\|", lambda m: f"{m[0][:-1]} |", shown).replace("|", "\\|")
    fence = "`" * (max((len(run) for run in TICKS.findall(shown)), default=0) + 1)
    pad = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def prose(text: str, limit: int = 600, *, in_table: bool = False) -> str:
    """Words that may carry foreign ones: nothing in them begins a construct or a link."""
    shown = plain(text, limit).strip()
    if LINKED.search(shown) or is_formula(shown):
        return code(text, limit, in_table=in_table)
    return LEADING.sub(r"\1\\\2", INLINE.sub(r"\\\1", shown))


def _cell(text: str) -> str:
    return prose(text, 240, in_table=True) or " "


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are escaped already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _more(number: int, shown: int, noun: str) -> str:
    return f"\n\nand {counted(number - shown, f'more {noun}')}" if number > shown else ""


def _blocks(record: Record) -> Iterator[str]:
    report, said = record.report, verdict(record.report)
    subject = f"{report.subject.kind} {code(report.subject.name, 120)}"
    yield f"# {said.word}: {prose(stage_name(report))} of {subject}"
    yield f"**{said.meaning}.** {said.caution}"
    yield f"{said.because[:1].upper()}{said.because[1:]}."
    yield _figures(report)
    yield from _to_do(report)
    yield from _parts(report)
    yield from _exhibits(report)
    yield from _run(report)


def _figures(report: Report) -> str:
    found = whole(report)
    rows = [(_cell(label(m.name)), _cell(value_text(m)), _cell(interval_text(m))) for m in found[:ROWS]]
    table = _grid(("figure", "value", "interval"), rows) + _more(len(found), ROWS, "figure")
    return table if found else ""


def _to_do(report: Report) -> Iterator[str]:
    """What to do; what decides the outcome comes first."""
    found = actions(report)
    lines = [line for place, one in enumerate(found[:ITEMS], 1) for line in _action(place, one)]
    to_do = "## What to do\n\n" + "\n".join(lines) + _more(len(found), ITEMS, "check") if found else ""
    told = "\n\nWhat to do: `ancile explain CHECK`."
    without = _reasons("Without conclusion", open_questions(report), told)
    yield from (without, to_do) if report.outcome == "no_conclusion" else (to_do, without)
    yield _reasons("Not examined", not_examined(report), "")


def _reasons(title: str, found: Sequence[Action], told: str) -> str:
    rows = []
    for one in found[:ITEMS]:
        rows.append(f"- {code(one.first.check)}: {_seen(one)}")
        rows += [f"  To do: {prose(one.first.fix)}"] if one.first.fix else []
    return f"## {title}\n\n" + "\n".join(rows) + _more(len(found), ITEMS, "check") + told if found else ""


def _action(place: int, action: Action) -> Iterator[str]:
    one, indent = action.first, " " * (len(str(place)) + 2)
    word = "Failure" if one.status == "FAIL" else "Warning"
    yield f"{place}. **{word}, {one.severity}: {prose(one.title)}** ({code(one.check)})"
    if seen := _seen(action):
        yield f"{indent}Seen: {seen}  "
    yield f"{indent}To do: {prose(one.fix)}  "
    if one.refs:
        yield f"{indent}See {', '.join(prose(ref, 100) for ref in one.refs[:12])}"


def _seen(action: Action) -> str:
    places = (
        " ".join(p for p in (code(str(s.location)) if str(s.location) else "", prose(s.detail)) if p)
        for s in action.seen[:PLACES]
    )
    left = len(action.seen) - PLACES
    said = "; ".join(place for place in places if place)
    return said + (f"; and {counted(left, 'more place')}" if left > 0 else "")


def _parts(report: Report) -> Iterator[str]:
    for every in groups(report)[:12]:
        group = weakest(every)
        header = [_cell(label(group.key)), *(_cell(label(name)) for name in group.names[:8])]
        rows = [
            [_cell(key), *("-" if m is None else _cell(measure_text(m)) for m in found[:8])]
            for key, found in group.rows[:ROWS]
        ]
        more = _more(len(group.rows), ROWS, "row")
        some = f", the {len(rows)} weakest of {len(every.rows)}" if group is not every else ""
        yield f"## By {prose(label(group.key))}{some}\n\n{_grid(header, rows)}{more}"


def _exhibits(report: Report) -> Iterator[str]:
    known = drawn(report)
    for one in report.exhibits[:24]:
        title = f"## {prose(one.title, 160)}\n\n"
        if isinstance(one, Table):
            yield f"{title}{_table(one)}"
        elif isinstance(one, Picture):
            yield f"{title}{prose(one.caption or one.alt)}"
        elif isinstance(one, Text):
            lines = [prose(line) for line in one.text.splitlines()[:ROWS]]
            yield title + "  \n".join(line for line in lines if line)
        elif one.x_label.partition(" ")[0] not in known:
            yield f"{title}{_curve(one)}"


def _table(table: Table) -> str:
    rows = [[_cell(scalar(value)) for value in row[:12]] for row in table.rows[:ROWS]]
    note = f"\n\n{prose(table.note)}" if table.note else ""
    grid = _grid([_cell(column) for column in table.columns[:12]], rows) if table.columns else ""
    return grid + _more(len(table.rows), ROWS, "row") + note


def _curve(curve: Curve) -> str:
    header = ("line", curve.x_label, curve.y_label, "interval")
    rows = [
        (series.name, f"{one.left:.4g} to {one.right:.4g}", f"{one.height:.4g}", "")
        for series in curve.series
        for one in bars(series)
    ] + [(series.name, *point_text(p)) for series in curve.series if not bars(series) for p in series.points]
    note = f"\n\n{prose(curve.note)}" if curve.note else ""
    grid = _grid([_cell(h) for h in header], [[_cell(cell) for cell in row] for row in rows[:ROWS]])
    return grid + _more(len(rows), ROWS, "point") + note


def _run(report: Report) -> Iterator[str]:
    clean = passed(report)
    names = ", ".join(code(name, 80) for name, _ in clean[:ITEMS])
    yield f"## Passed\n\n{names}{_more(len(clean), ITEMS, 'check')}" if clean else ""
    named = list(report.parameters.items())
    rows = [(_cell(label(name)), _cell(setting(value))) for name, value in named[:SETTINGS]]
    table = _grid(("setting", "value"), rows) + _more(len(named), SETTINGS, "setting") if rows else ""
    finished = f"Finished {report.finished:%Y-%m-%d %H:%M:%S %Z}, ancile {prose(report.version, 40)}."
    took = ", ".join(work(report.cost))
    cost = f"{took}. {finished}" if took else finished
    yield "\n\n".join(part for part in ("## Settings and cost", table, cost) if part)


def _proof(record: Record) -> str:
    lines = [f"Digest {code(record.report.subject.digest)}."]
    if record.evidence is None:
        lines.append("This report was not recorded in a ledger: it is not evidence.")
    else:
        index = record.evidence.index
        lines += [
            f"Ledger entry {index}, statement {code(record.evidence.statement_digest)}.",
            f"What it says: `ancile ledger show {index}`, in the folder of the ledger.",
            f"To keep elsewhere: `ancile ledger show {index} -o kept.json`.",
            "Whether the log was rewritten since: `ancile ledger verify --against kept.json`.",
        ]
    return "## Proof\n\n" + "  \n".join(lines)
