"""The record as one page: no script, nothing loaded from elsewhere, below 2 MB whatever the record."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar

import jinja2
from markupsafe import Markup, escape

from ancile.core.exhibit import Curve, Picture, Table, Text
from ancile.core.measure import Measure
from ancile.core.report import Record, Report
from ancile.core.text import plain
from ancile.render import outline, phrases
from ancile.render.brief import answer_rows, answers, unanswered
from ancile.render.chart import chart, strip
from ancile.render.defuse import defused
from ancile.render.verdict import against, ball, headline, stage_name, verdict

LARGEST = 2_000_000  # bytes: what mail and browsers take without thought
LONGEST = 5000  # characters of one string; a line of a checkpoint with an ML-DSA-44 cosignature has 3,400
CHECKPOINT = 20_000  # characters of a checkpoint that is shown whole, or not at all

Item = TypeVar("Item")


class Caps(NamedTuple):
    """How much of a record is shown; what is beyond is counted in the page."""

    items: int  # of any list: findings, parameters, parts, measures
    places: int  # of one check
    rows: int  # of one table
    columns: int
    exhibits: int
    picture_bytes: int  # of all pictures together, before base64
    words: int  # characters of one passage


# Taken in turn until the page is small enough. With the last one the largest record of the tests, each of
# whose characters is written with ten, takes a third of LARGEST.
LEVELS = (
    Caps(200, 20, 60, 24, 24, 700_000, 2000),
    Caps(60, 5, 30, 12, 12, 300_000, 600),
    Caps(12, 2, 10, 6, 4, 100_000, 200),
)


class Part(NamedTuple):
    """The shown part of something and how much of it is left out."""

    shown: Sequence[Any]
    left: int


def render(record: Record) -> str:
    """The page."""
    page = ""
    for caps in LEVELS:
        page = _page(record, caps)
        if len(page.encode("utf-8")) <= LARGEST:
            break
    return page


def _page(record: Record, caps: Caps) -> str:
    report = record.report
    text = _template().render(
        report=report,
        evidence=record.evidence,
        checkpoint=_checkpoint(record),
        verdict=verdict(report),
        headline=_headline(report),
        stage=stage_name(report),
        caps=caps,
        cut=_cut,
        phrases=phrases,
        outline=outline,
        strip=strip,
        chart=chart,
        reference=reference,
        against=against(report),
        whole=outline.whole(report),
        groups=_cut(outline.groups(report), caps.exhibits),
        drawn=outline.drawn(report),
        # the figures of a slice are folded under the first curve over it
        folded={one.x_label.partition(" ")[0]: one.x_label for one in reversed(outline.curves(report))},
        answers=_cut(answer_rows(report), caps.rows),
        actions=_cut(unanswered(outline.actions(report), report), caps.items),
        open_questions=_cut(unanswered(outline.open_questions(report), report), caps.items),
        not_examined=_cut(outline.not_examined(report), caps.items),
        passed=_cut(outline.passed(report), caps.items),
        cited=_cut(tuple(outline.cited(report)), caps.items),
        exhibits=_exhibits(report, caps),
        methods=_methods(report.measures),
    )
    return defused(text, hash_sign="&#35;", colon="&#58;") + "\n"


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ancile.render"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["picture"] = _picture_uri
    environment.filters["tied"] = _tied
    return environment.get_template("report.html")


def _safe(value: object) -> object:
    """Every expression of the template goes through here: one line, no hidden character, bounded."""
    if hasattr(value, "__html__"):
        return value
    text = str(value)
    is_plain = len(text) <= LONGEST and text.isascii() and text.isprintable()  # most are, and plain() is slow
    return text if is_plain else plain(text, LONGEST)


def _tied(text: str) -> Markup:
    """A figure whose percent sign stays on its line."""
    return Markup(str(escape(_safe(text))).replace(" %", "&nbsp;%"))  # noqa: S704 - escaped just before


def _checkpoint(record: Record) -> list[str]:
    """The lines of the checkpoint; none where it is too long to be shown whole."""
    text = "" if record.evidence is None else record.evidence.checkpoint
    return text.split("\n") if len(text) <= CHECKPOINT else []


def _cut(items: Sequence[Item], limit: int) -> Part:
    return Part(items[:limit], max(0, len(items) - limit))


def _picture_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


class Exhibits(NamedTuple):
    """Exhibits by kind; of the pictures those that fit."""

    curves: Sequence[Curve]
    pictures: Sequence[Picture]
    tables: Sequence[Table]
    texts: Sequence[Text]
    left: int


def _exhibits(report: Report, caps: Caps) -> Exhibits:
    """The exhibits without a gate's answers, which come first in its page."""
    answered = answers(report)
    every = [one for one in report.exhibits if one is not answered]
    shown = every[: caps.exhibits]
    pictures, spent = [], 0
    for one in shown:
        if isinstance(one, Picture) and spent + len(one.png) <= caps.picture_bytes:
            spent += len(one.png)
            pictures.append(one)
    others = [one for one in shown if not isinstance(one, Picture)]
    return Exhibits(
        curves=[one for one in others if isinstance(one, Curve)],
        pictures=pictures,
        tables=[one for one in others if isinstance(one, Table)],
        texts=[one for one in others if isinstance(one, Text)],
        left=len(every) - len(others) - len(pictures),
    )


def _headline(report: Report) -> str:
    """The figures beside the verdict; none where they are refused, or not to be quoted yet."""
    said = headline(report) if report.outcome == "pass" else ""
    return f"{said} at {size}" if said and (size := ball(report)) else said


def _methods(measures: Sequence[Measure]) -> list[tuple[str, str, list[str]]]:
    """(method, confidence, names of the measures) in the order of the report."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for one in measures:
        confidence = "" if one.confidence is None else f"{100 * one.confidence:g} %"
        found.setdefault((one.method, confidence), {})[one.name] = None
    return [(method, confidence, list(names)) for (method, confidence), names in found.items()]


class Reference(NamedTuple):
    """A field identifier, its edition, and where it is defined (empty where that is not known)."""

    id: str
    edition: str
    link: str


EDITION = re.compile(r"(?P<id>[^()]+?) \((?P<edition>[^()]+)\)")
# identifier of a public catalogue: where its page lies
PAGES = (
    (re.compile(r"(AML\.T\d{4}(?:\.\d{3})?)"), "https://atlas.mitre.org/techniques/{}"),
    (re.compile(r"(AML\.M\d{4})"), "https://atlas.mitre.org/mitigations/{}"),
    (re.compile(r"CWE-(\d{1,5})"), "https://cwe.mitre.org/data/definitions/{}.html"),
)


def reference(text: str) -> Reference:
    """A reference taken apart: "AML.T0043 (ATLAS 5.6.0)" names its edition."""
    parts = EDITION.fullmatch(text)
    id_, edition = (parts["id"], parts["edition"]) if parts else (text, "")
    for pattern, page in PAGES:
        if known := pattern.fullmatch(id_):
            return Reference(id_, edition, page.format(known[1]))
    return Reference(id_, edition, "")
