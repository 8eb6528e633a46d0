"""The record for a terminal: verdict first, then figures, what to do, cost and evidence, wrapped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from ancile.core.exhibit import Curve, Picture, Table, Text
from ancile.core.measure import RATE, Measure
from ancile.core.report import Record, Report
from ancile.core.text import plain
from ancile.render.brief import answer_rows, answers, unanswered, without_idle
from ancile.render.chart import bars
from ancile.render.defuse import defused
from ancile.render.grid import NAME, ROWS, grid
from ancile.render.outline import (
    Action,
    Group,
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
    grouped,
    interval_text,
    label,
    point_text,
    scalar,
    setting,
    value_text,
    work,
)
from ancile.render.verdict import against, headline, verdict
from ancile.render.width import columns, cut, padded, wrap

NARROWEST = 40
PLACES = 3  # of one check
NAMES = 60  # of parameters, of passed checks
EXHIBITS = 12  # of tables and curves, of groups of measures
EXAMPLES = 3  # pictures, and tables of the same columns: the other formats show more
SERIES = 6  # of one curve
FIXED = "\u00a0"  # a space at which no line is broken
ACTIONS = 40
UNSET: tuple[object, ...] = (None, [])  # parameters that nobody gave

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
        _section("Requirements", _answer_lines(report, width), colour=colour),
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
    return wrap(_harmless(text), width, first=first, rest=" " * columns(first) if rest is None else rest)


def _harmless(text: str) -> str:
    """A text that will begin in the middle of a line, without commands to build servers."""
    return _obeyed_by_none(text.replace(" ::", " \\x3a:"))


def _head(report: Report, *, colour: bool, width: int) -> list[str]:
    said = verdict(report)
    word = said.word.upper()
    # figures that are refused, or not to be quoted yet, do not stand beside the verdict
    shown = (headline(report) if report.outcome == "pass" else "") or plain(report.stage, 20)
    first = _wrapped(f"{word}{FIXED} {shown}", width, "", "  ")
    painted = _painted(word, "no_conclusion" if said.warned else report.outcome, colour=colour)
    subject = report.subject
    return [
        first[0].replace(FIXED, " ").replace(word, painted, 1),
        *first[1:],
        *_wrapped(f"{said.meaning}. {said.caution}", width),
        *_wrapped(f"{said.because[:1].upper()}{said.because[1:]}.", width),
        "",
        *_wrapped(f"{subject.kind} {plain(subject.name)}", width),
        *_wrapped(subject.digest, width),
        *(_wrapped(f"against {threat}", width) if (threat := against(report)) else []),
    ]


def _parts(report: Report, *, colour: bool, width: int) -> Iterator[list[str]]:
    for group in groups(report)[:EXHIBITS]:
        same = {m.n for _, found in group.rows for m in found if m}
        number = f", n = {grouped(n)}" if len(same) == 1 and (n := same.pop()) is not None else ""
        shown = weakest(group)
        more = f", the {len(shown.rows)} weakest of {len(group.rows)}" if shown is not group else ""
        lines = [*_group_lines(shown, width), *_method_lines(group, width)]
        yield _section(f"By {label(group.key)}{number}{more}", lines, colour=colour)


def _method_lines(group: Group, width: int) -> Iterator[str]:
    """How figures were found that are no shares: their names alone leave that open."""
    found = [m for m in next(iter(group.rows))[1] if m and m.unit != RATE]
    for one in found:
        yield from _wrapped(f"{label(one.name)}: {plain(one.method, 300)}", width, "  ", "    ")


def _measure_lines(measures: Sequence[Measure], width: int) -> list[str]:
    if not measures:
        return []
    names = [label(m.name) for m in measures]
    name_width = min(max(map(columns, names)), 28)
    value_width = min(max(columns(value_text(m)) for m in measures), 22)
    lines: list[str] = []
    for name, measure in zip(names, measures, strict=True):
        first = f"  {padded(cut(name, name_width), name_width)}  "
        value, interval = value_text(measure), interval_text(measure)
        text = f"{value}{' ' * (value_width - columns(value))}  {interval}".rstrip()
        if columns(first + text) <= width:
            lines.append(first + text)
        else:
            lines += _wrapped(" ".join(text.split()), width, first)
    return lines


def _group_lines(group: Group, width: int) -> list[str]:
    """A row for each value of the slice; with a column for n where it differs from row to row."""
    numbers = [{m.n for m in found if m} for _, found in group.rows]
    told = all(len(row) == 1 and None not in row for row in numbers) and len(set.union(*numbers)) > 1
    header = ("", *(["n"] if told else []), *(label(name) for name in group.names))
    rows = [
        (
            key,
            *([grouped(n) for n in number if n is not None] if told else []),
            *("-" if m is None else value_text(m) + _span(m) for m in found),
        )
        for (key, found), number in zip(group.rows, numbers, strict=True)
    ]
    return _grid(header, rows, width, right=(1,) if told else ())


def _span(measure: Measure) -> str:
    interval = interval_text(measure).partition(" at ")[0] if measure.low is not None else ""
    return f" ({interval})" if interval else ""


def _grid(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, right: Sequence[int] = ()
) -> list[str]:
    safe = [[_obeyed_by_none(cell) for cell in row] for row in (header, *rows)]
    return [_obeyed_by_none(line) for line in grid(safe[0], safe[1:], width, right=right)]


def _to_do(report: Report, *, colour: bool, width: int) -> Iterator[list[str]]:
    """What to do; what decides the outcome comes first."""
    to_do = _action_lines(unanswered(actions(report), report), colour=colour, width=width)
    without = _reason_lines(unanswered(open_questions(report), report), width)
    without += _wrapped("what to do: ancile explain CHECK", width) if without else []
    sections = [("What to do", to_do), ("Without conclusion", without)]
    for title, lines in reversed(sections) if report.outcome == "no_conclusion" else sections:
        yield _section(title, lines, colour=colour)


def _answer_lines(report: Report, width: int) -> list[str]:
    """A gate's answers: which requirement, why, from which evidence, and what to do."""
    lines: list[str] = []
    for said in answer_rows(report):
        lines += _wrapped(f"{said.get('answer', '')}: {said.get('requirement', '')}", width)
        lines += _wrapped(said.get("reason", ""), width, "    ")
        for name in ("evidence", "to do"):
            if name in said:
                lines += _wrapped(f"{name}: {said[name]}", width, "    ", "      ")
    return lines


def _action_lines(found: Sequence[Action], *, colour: bool, width: int) -> list[str]:
    lines: list[str] = []
    for action in found[:ACTIONS]:
        one = action.first
        head = _wrapped(f"{one.status} {one.severity}: {plain(one.title)}", width, "  ", "    ")
        head[0] = head[0].replace(one.status, _painted(one.status, one.status, colour=colour), 1)
        lines += head + _places(action, width)
        lines += _wrapped(f"fix: {plain(one.fix, 600)}", width, "    ")
        lines += _wrapped(plain(one.check, 60), width, "    ")
    lines += _more(found, ACTIONS, "check")
    return [*lines, *_wrapped("why, and references: ancile explain CHECK", width)] if lines else []


def _places(action: Action, width: int) -> list[str]:
    lines: list[str] = []
    for place in action.seen[:PLACES]:
        said = ": ".join(p for p in (plain(str(place.location), 120), plain(place.detail, 400)) if p)
        lines += _wrapped(said, width, "    ")
    return lines + _more(action.seen, PLACES, "place", "    ")


def _more(found: Sequence[object], shown: int, noun: str, indent: str = "  ") -> list[str]:
    return [f"{indent}and {counted(len(found) - shown, f'more {noun}')}"] if len(found) > shown else []


def _reason_lines(found: Sequence[Action], width: int) -> list[str]:
    """Id and reason; the title names a fault, which somebody has found where there is a fix."""
    lines: list[str] = []
    for action in found[:ACTIONS]:
        named = f": {plain(action.first.title)}" if action.first.fix else ""
        lines += _wrapped(
            f"{action.first.status} {plain(action.first.check, 60)}{named}", width, "  ", "    "
        )
        lines += _places(action, width)
        lines += _wrapped(f"fix: {plain(action.first.fix, 600)}", width, "    ") if action.first.fix else []
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
    others = [
        one
        for one in report.exhibits
        if not isinstance(one, Picture)
        and one is not answers(report)
        and not (isinstance(one, Curve) and one.x_label.partition(" ")[0] in known)
    ]
    alike = Counter(one.columns for one in others if isinstance(one, Table))
    seen: Counter[tuple[str, ...]] = Counter()
    shown: list[list[str]] = []
    for one in others:
        lines = _exhibit_lines(one, width)
        if isinstance(one, Table):
            seen[one.columns] += 1
            if seen[one.columns] > EXAMPLES:
                continue
            if seen[one.columns] == EXAMPLES < alike[one.columns]:
                lines += _more(range(alike[one.columns]), EXAMPLES, "such table")
        shown.append(_section(plain(one.title, width), lines, colour=colour))
    yield from shown[:EXHIBITS]
    yield _more(shown, EXHIBITS, "exhibit", "")
    pictures = [one for one in report.exhibits if isinstance(one, Picture)]
    captions = [_wrapped(plain(one.caption or one.alt), width) for one in pictures[:EXAMPLES]]
    lines = [*chain.from_iterable(captions), *_more(pictures, EXAMPLES, "picture")]
    yield _section("Examples", lines, colour=colour)


def _exhibit_lines(one: Table | Curve | Text, width: int) -> list[str]:
    if isinstance(one, Text):
        return _text(one, width)
    if isinstance(one, Curve):
        return _curve(one, width) + _wrapped(plain(one.note, 400), width)
    one = without_idle(one)
    note = _wrapped(plain(one.note, 400), width)
    header = [plain(c, NAME) for c in one.columns]
    rows = [[scalar(cell, 400) for cell in row] for row in one.rows]
    right = [i for i in range(len(header)) if one.rows and all(_is_number(row[i]) for row in one.rows)]
    return _grid(header, rows, width, right=right) + note


def _is_number(value: object) -> bool:
    return value == "" or (isinstance(value, int | float) and not isinstance(value, bool))


def _text(one: Text, width: int) -> list[str]:
    lines = one.text.splitlines()
    return [wrapped for line in lines[:ROWS] for wrapped in _wrapped(plain(line), width)]


def _curve(curve: Curve, width: int) -> list[str]:
    x, y = plain(curve.x_label, NAME), plain(curve.y_label, NAME)
    lines: list[str] = []
    for series in curve.series[:SERIES]:
        if found := bars(series):
            rows = [[f"{one.left:.4g} to {one.right:.4g}", f"{one.height:.4g}"] for one in found]
        else:
            rows = [list(point_text(p)) for p in series.points]
        header = [x, y, "interval"] if any(p.low is not None for p in series.points) else [x, y]
        named = _wrapped(plain(series.name, 40), width) if len(curve.series) > 1 else []
        lines += [*named, *_grid(header, [row[: len(header)] for row in rows], width, right=(0, 1))]
    return lines + _more(curve.series, SERIES, "line")


def _run(report: Report, width: int) -> list[str]:
    took = ", ".join(part.replace(" ", FIXED) for part in work(report.cost))
    named = [
        (_harmless(label(name)), setting(value))
        for name, value in report.parameters.items()
        if value not in UNSET
    ]
    column = min(max((columns(name) for name, _ in named[:NAMES]), default=0), NAME)
    times = f"{report.started:%Y-%m-%d %H:%M:%S %Z} to {report.finished:%H:%M:%S %Z}"
    return [
        *(line.replace(FIXED, " ") for line in _wrapped(took, width)),
        *(line for name, value in named[:NAMES] for line in _setting_lines(name, value, column, width)),
        *_more(named, NAMES, "parameter"),
        *_wrapped(f"{times}, ancile {plain(report.version, 40)}", width),
    ]


def _setting_lines(name: str, value: str, column: int, width: int) -> list[str]:
    """Name and value on a line; a digest that would not fit beside its name has a line of its own."""
    first = f"  {padded(cut(name, column), column)}  "
    widest = max((columns(word) for word in value.split(" ")), default=0)
    if widest > width - columns(first):
        return [first.rstrip(), *_wrapped(value, width, "    ")]
    return _wrapped(value, width, first)


def _evidence(record: Record, width: int) -> list[str]:
    evidence = record.evidence
    if evidence is None:
        return _wrapped("not evidence: this report was not recorded in a ledger", width)
    return [
        *_wrapped(f"entry {evidence.index}, statement {plain(evidence.statement_digest, 80)}", width),
        *_wrapped(f"log {plain(evidence.checkpoint.partition(chr(10))[0], 80)}", width),
        *_wrapped(f"to forward it: ancile ledger show {evidence.index} -o report.html", width),
        *_wrapped(f"to keep it elsewhere: ancile ledger show {evidence.index} -o kept.json", width),
        *_wrapped("rewritten since? ancile ledger verify --against kept.json", width),
    ]
