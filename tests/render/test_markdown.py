"""Markdown for a comment: what a reader of GitHub sees is what the report says."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ancile.core.exhibit import Table
from ancile.core.report import Record
from ancile.core.text import plain
from ancile.render.markdown import LONGEST, code, prose, render
from tests.render.records import FINDINGS, MANY, RECORDS, assessed, gate, report

GOLDEN = Path(__file__).parent / "golden"
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
PUNCTUATED = st.text("`|\\*_[]()<>!#~$&-=+.:1@ ab", min_size=1, max_size=20)


def inline(text: str) -> list[tuple[str, str]]:
    return [(c.type, c.content) for t in PARSER.parse(text) for c in t.children or ()]


def test_a_gate_reads_as_its_page_shows() -> None:
    assert render(gate()) == (GOLDEN / "gate.md").read_text("utf-8")


@given(WORDS | PUNCTUATED)
def test_a_code_span_holds_any_text_and_nothing_else(text: str) -> None:
    ((kind, content),) = inline(f"x {code(text)}")[1:]
    assert kind == "code_inline"
    shown = plain(text).strip()
    assert content.strip() in (shown, "") or content.strip().removeprefix("'").strip() == shown


@given(WORDS | PUNCTUATED)
def test_prose_is_text_or_one_code_span(text: str) -> None:
    assert {kind for kind, _ in inline(prose(text))} <= {"text", "text_special", "code_inline"}
    blocks = [t.type for t in PARSER.parse(prose(text))]
    assert blocks in ([], ["paragraph_open", "inline", "paragraph_close"])


@pytest.mark.parametrize(
    "text",
    [
        "- a",
        "+ a",
        "* a",
        "1. a",
        "12) a",
        "---",
        "===",
        "+++",
        "> a",
        "# a",
        "1.",
        "```",
        "|-|",
        ":-:",
        "~~~",
    ],
)
def test_a_line_of_prose_begins_no_block(text: str) -> None:
    blocks = [t.type for t in PARSER.parse(f"words\n{prose(text)}\n\n{prose(text)}")]
    assert blocks == ["paragraph_open", "inline", "paragraph_close"] * 2


@pytest.mark.slow
@given(PUNCTUATED, PUNCTUATED)
def test_a_cell_ends_where_it_should(a: str, b: str) -> None:
    record = report(exhibits=(Table(title="t", columns=("a", "b"), rows=((a, b), (b, a))),), measures=())
    tokens = [t.type for t in PARSER.parse(render(Record(report=record)))]
    first = tokens[: tokens.index("table_close")]
    assert first.count("td_open") == 4


def test_a_report_beyond_a_comment_names_what_is_left_out() -> None:
    rows = tuple(("x" * 400, i) for i in range(40))
    tables = tuple(Table(title=str(i), columns=("a", "b"), rows=rows) for i in range(20))
    text = render(Record(report=report(exhibits=tables)))
    assert len(text) <= LONGEST + 200
    assert "more sections left out to keep this short" in text
    assert "## Proof" in text


def test_what_is_not_shown_is_counted() -> None:
    many = tuple(msgspec.structs.replace(FINDINGS[7], check=f"check-{i}") for i in range(50))
    text = render(Record(report=report(findings=many)))
    assert "and 10 more checks" in text


def test_every_record_has_its_sections() -> None:
    assert "## What to do" in render(assessed())
    text = render(RECORDS["incomplete"]())
    assert "## Without conclusion" in text
    assert "What to do: `ancile explain CHECK`." in text
    assert "The same command again goes on where this run stopped." in text
    assert "it is not evidence" in render(RECORDS["empty"]())


def test_of_many_classes_the_weakest_are_shown() -> None:
    text = render(Record(report=report(measures=MANY, exhibits=())))
    assert "## By class, the 10 weakest of 43\n" in text
    assert text.count("sign ") == 10
