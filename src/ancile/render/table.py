"""The record for a terminal: verdict first, then figures, what to do, cost and evidence, wrapped."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import chain

from ancile.core.exhibit import Curve, Picture, Table, Text
from ancile.core.measure import Measure
from ancile.core.report import Record, Report
from ancile.core.text import plain
from ancile.render.defuse import defused
from ancile.render.outline import (
    Action,
    Group,
    actions,
    drawn,
    groups,
    not_examined,
    open_questions,
    passed,
    whole,
)
from ancile.render.phrases import (
    counted,
    interval_text,
    label,
    scalar,
    setting,
    value_text,
    work,
)
from ancile.render.verdict import verdict

NARROWEST = 40
ROWS = 24  # of one table; the other formats show more
PLACES = 3  # of one check
NAMES = 60  # of parameters, of passed checks
EXHIBITS = 8  # of tables, of groups of measures, of pictures
FIXED = "\u00a0"  # a space at which no line is broken
ACTIONS = 40
COLUMN = 24  # characters of one column of a table

# SGR parameters, ECMA-48 section 8.3.117
COLOURS = {
    "pass": "1;32",
    "fail": "1;31",
    "no_conclusion": "1;33",
    "FAIL": "31",
    "WARN": "33",
    "ERROR": "33",
    "heading": "1",
}


def render(record: Record, *, colour: bool = False, width: int = 80) -> str:
    """The record in lines of at most ``width`` columns; colours only when told."""
    width = max(width, NARROWEST)
    report = record.report
    blocks: list[list[str]] = [
        _head(report, colour=colour, width=width),
        _section("Figures", _measure_lines(whole(report), width), colour=colour),
        *_to_do(report, colour=colour, width=width),
        *_parts(report, colour=colour, width=width),
        *_exhibits(report, colour=colour, width=width),
        *_looked_at(report, colour=colour, width=width),
        _section("Run", _run(report, width), colour=colour),
        _section("Evidence", _evidence(record, width), colour=colour),
    ]
    text = "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks if block)
    return _obeyed_by_none(text) + "\n"


def _obeyed_by_none(text: str) -> str:
    """The text without commands to build servers; done before wrapping for the width, and last for safety."""
    return defused(text, hash_sign="\\x23", colon="\\x3a")


def _painted(text: str, key: str, *, colour: bool) -> str:
    return f"\x1b[{COLOURS[key]}m{text}\x1b[0m" if colour and key in COLOURS else text


def _section(title: str, lines: Sequence[str], *, colour: bool) -> list[str]:
    return [_painted(title, "heading", colour=colour), *lines] if lines else []


def _wrapped(text: str, width: int, first: str = "  ", rest: str | None = None) -> list[str]:
    return textwrap.wrap(
        _obeyed_by_none(text.replace(" ::", " \\x3a:")),
        width,
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_on_hyphens=False,
    )


def _head(report: Report, *, colour: bool, width: int) -> list[str]:
    said = verdict(report)
    word = said.word.upper()
    first = _wrapped(f"{word}  {plain(report.stage, 20)}", width, "")
    painted = _painted(word, "no_conclusion" if said.warned else report.outcome, colour=colour)
    subject = report.subject
    return [
        first[0].replace(word, painted, 1),
        *first[1:],
        *_wrapped(f"{said.meaning}. {said.caution}", width),
        *_wrapped(f"{said.because[:1].upper()}{said.because[1:]}.", width),
        "",
        *_wrapped(f"{subject.kind} {plain(subject.name)}", width),
        *_wrapped(subject.digest, width),
    ]


def _parts(report: Report, *, colour: bool, width: int) -> Iterator[list[str]]:
    for group in groups(report)[:EXHIBITS]:
        yield _section(f"By {label(group.key)}", _group_lines(group, width), colour=colour)


def _measure_lines(measures: Sequence[Measure], width: int) -> list[str]:
    if not measures:
        return []
    names = [label(m.name) for m in measures]
    name_width = min(max(map(len, names)), 28)
    value_width = min(max(len(value_text(m)) for m in measures), 22)
    lines: list[str] = []
    for name, measure in zip(names, measures, strict=True):
        first = f"  {_cut(name, name_width):<{name_width}}  "
        text = f"{value_text(measure):<{value_width}}  {interval_text(measure)}"
        if len(first) + len(text.rstrip()) <= width:
            lines.append(first + text)
        else:
            lines += _wrapped(" ".join(text.split()), width, first)
    return lines


def _group_lines(group: Group, width: int) -> list[str]:
    header = ("", *(label(name) for name in group.names))
    rows = [
        (key, *("-" if m is None else value_text(m) + _span(m) for m in found)) for key, found in group.rows
    ]
    return _grid(header, rows, width)


def _span(measure: Measure) -> str:
    interval = interval_text(measure).partition(" at ")[0] if measure.low is not None else ""
    return f" ({interval})" if interval else ""


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Rows under their header where they fit; else one block of lines for each row."""
    shown = [[_obeyed_by_none(cell) for cell in row] for row in (header, *rows[:ROWS])]
    widths = [max(len(row[i]) for row in shown) for i in range(len(header))]
    if 2 + sum(widths) + 2 * (len(widths) - 1) <= width:
        lines = ["  " + "  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) for row in shown]
    else:
        lines = [line for row in shown[1:] for line in _stacked(header, row, width)]
    return lines + ([f"  and {counted(len(rows) - ROWS, 'row')} more"] if len(rows) > ROWS else [])


def _stacked(header: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    yield from _wrapped(row[0], width)
    for name, cell in zip(header[1:], row[1:], strict=True):
        yield from _wrapped(f"{_cut(name, COLUMN)}: {cell}", width, "    ", "      ")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _to_do(report: Report, *, colour: bool, width: int) -> Iterator[list[str]]:
    yield _section("What to do", _action_lines(actions(report), colour=colour, width=width), colour=colour)
    yield _section("Without conclusion", _reason_lines(open_questions(report), width), colour=colour)


def _action_lines(found: Sequence[Action], *, colour: bool, width: int) -> list[str]:
    lines: list[str] = []
    for action in found[:ACTIONS]:
        one = action.first
        head = _wrapped(f"{one.status} {one.severity}: {plain(one.title)}", width, "  ", "    ")
        head[0] = head[0].replace(one.status, _painted(one.status, one.status, colour=colour), 1)
        lines += head + _places(action, width)
        lines += _wrapped(f"fix: {plain(one.fix, 600)}", width, "    ")
        refs = "; ".join(plain(ref, 60) for ref in one.refs[:8])
        lines += _wrapped(f"{plain(one.check, 60)}{': ' if refs else ''}{refs}", width, "    ")
    return lines + _more(found, ACTIONS, "check")


def _places(action: Action, width: int) -> list[str]:
    lines: list[str] = []
    for place in action.seen[:PLACES]:
        said = ": ".join(p for p in (plain(str(place.location), 120), plain(place.detail, 400)) if p)
        lines += _wrapped(said, width, "    ")
    return lines + _more(action.seen, PLACES, "place", "    ")


def _more(found: Sequence[object], shown: int, noun: str, indent: str = "  ") -> list[str]:
    return [f"{indent}and {counted(len(found) - shown, f'more {noun}')}"] if len(found) > shown else []


def _reason_lines(found: Sequence[Action], width: int) -> list[str]:
    """Id and reason: the title names a fault, which nobody has found here."""
    lines: list[str] = []
    for action in found[:ACTIONS]:
        lines += _wrapped(f"{action.first.status} {plain(action.first.check, 60)}", width)
        lines += _places(action, width)
    return lines + _more(found, ACTIONS, "check")


def _looked_at(report: Report, *, colour: bool, width: int) -> Iterator[list[str]]:
    clean = passed(report)
    names = ", ".join(plain(name, 60) for name, _ in clean[:NAMES])
    lines = _wrapped(names, width) + _more(clean, NAMES, "check")
    yield _section("Passed", lines, colour=colour)
    yield _section("Not examined", _reason_lines(not_examined(report), width), colour=colour)


def _exhibits(report: Report, *, colour: bool, width: int) -> Iterator[list[str]]:
    """Tables, text, and curves that no group of measures shows; pictures by their words."""
    # a curve over a slice key says what the group of that key says
    known = drawn(report)
    shown = [
        one
        for one in report.exhibits
        if not isinstance(one, Picture)
        and not (isinstance(one, Curve) and one.x_label.partition(" ")[0] in known)
    ]
    for one in shown[:EXHIBITS]:
        note = plain(one.note, 400) if isinstance(one, Table | Curve) else ""
        lines = [*_exhibit_lines(one, width), *_wrapped(note, width)]
        yield _section(plain(one.title, width), lines, colour=colour)
    pictures = [one for one in report.exhibits if isinstance(one, Picture)]
    captions = [_wrapped(plain(one.caption or one.alt), width) for one in pictures[:EXHIBITS]]
    lines = [*chain.from_iterable(captions), *_more(pictures, EXHIBITS, "picture")]
    yield _section("Examples", lines, colour=colour)


def _exhibit_lines(one: Table | Curve | Text, width: int) -> list[str]:
    if isinstance(one, Table):
        header = [plain(c, COLUMN) for c in one.columns]
        return _grid(header, [[scalar(cell, 400) for cell in row] for row in one.rows], width)
    return _curve(one, width) if isinstance(one, Curve) else _text(one, width)


def _text(one: Text, width: int) -> list[str]:
    lines = one.text.splitlines()
    return [wrapped for line in lines[:ROWS] for wrapped in _wrapped(plain(line), width)]


def _curve(curve: Curve, width: int) -> list[str]:
    header = [plain(curve.x_label, COLUMN), plain(curve.y_label, COLUMN), "interval"]
    lines: list[str] = []
    for series in curve.series[:4]:
        rows = [
            (f"{p.x:.4g}", f"{p.y:.4g}", "" if p.low is None else f"{p.low:.4g} to {p.high:.4g}")
            for p in series.points
        ]
        lines += [*_wrapped(plain(series.name, 40), width), *_grid(header, rows, width)]
    return lines


def _run(report: Report, width: int) -> list[str]:
    took = ", ".join(part.replace(" ", FIXED) for part in work(report.cost))
    named = list(report.parameters.items())
    settings = "; ".join(f"{label(name)} {setting(value)}" for name, value in named[:NAMES])
    times = f"{report.started:%Y-%m-%d %H:%M:%S %Z} to {report.finished:%H:%M:%S %Z}"
    return [
        *(line.replace(FIXED, " ") for line in _wrapped(took, width)),
        *_wrapped(settings, width),
        *_more(named, NAMES, "parameter"),
        *_wrapped(f"{times}, ancile {plain(report.version, 40)}", width),
    ]


def _evidence(record: Record, width: int) -> list[str]:
    evidence = record.evidence
    if evidence is None:
        return _wrapped("not evidence: this report was not recorded in a ledger", width)
    return [
        *_wrapped(f"entry {evidence.index}, statement {plain(evidence.statement_digest, 80)}", width),
        *_wrapped(f"log {plain(evidence.checkpoint.partition(chr(10))[0], 80)}", width),
        *_wrapped(f"ancile ledger show {evidence.index}", width),
        *_wrapped("ancile ledger verify --against THIS-REPORT.json", width),
    ]
