"""Whatever the strings in a record say, no renderer lets them act: terminals, build servers, browsers, parsers."""

from __future__ import annotations

import json
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft7Validator
from markdown_it import MarkdownIt

from ancile.core.text import HIDDEN
from ancile.render.formats import FORMATS, render_as
from ancile.render.html import LARGEST
from ancile.render.width import columns
from tests.render.hostile import CORPUS, KINDS, with_text

SCHEMA = Draft7Validator(json.loads(Path(__file__).with_name("sarif-schema-2.1.0.json").read_bytes()))
COMMAND = re.compile(r"^\s*::|##\w*\[", re.MULTILINE)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
FORMULA = re.compile(r"(?:\| |<t[dh][^>]*>(?:<bdi>)?)[=@+-](?![\d.]+( \||<)|-- \||</td>)")
LONG = [name for name in CORPUS if name.startswith("megabyte")]
SHORT = [name for name in CORPUS if name not in LONG]


def tame(text: str) -> str:
    """A string of the same shape (words, brackets, lines) in which nothing is hostile."""
    return re.sub(r"[^\w\s().,]|_", "x", "".join("x" if hidden(c) else c for c in text))


def hidden(char: str) -> bool:
    return unicodedata.category(char) in HIDDEN and char != "\n"


class Structure(HTMLParser):
    """Tags with the names of their attributes, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action", "data")]

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.tags.append((decl,))


def structure(page: str) -> Structure:
    parser = Structure()
    parser.feed(page)
    parser.close()
    return parser


def elements(document: str) -> list[tuple[str, list[str]]]:
    return [(e.tag, sorted(e.attrib)) for e in ET.fromstring(document).iter()]  # noqa: S314 - our own output


def blocks(text: str) -> list[str]:
    """Block structure of Markdown; inline constructs that hostile text must not begin are named with it."""
    found = []
    for token in MARKDOWN.parse(text):
        found.append(f"{token.type} {token.tag}")
        banned = ("html", "link", "image", "em", "s_", "softbreak_x")
        found += [c.type for c in token.children or () if c.type.startswith(banned)]
    return found


def linkable(text: str) -> list[str]:
    """What GitHub would link by itself: outside code spans."""
    words = [c.content for t in MARKDOWN.parse(text) for c in t.children or () if c.type == "text"]
    return [word for word in words if re.search(r"@|://|www\.|#\d", word)]


def check_everywhere(text: str, only: tuple[str, ...] | None) -> dict[str, str]:
    rendered = {name: render_as(name, with_text(text, only)) for name in FORMATS}
    for name, output in rendered.items():
        assert output.encode("utf-8").endswith(b"\n"), name
        assert not [c for c in output if hidden(c)], name
        assert not COMMAND.search(output), name
    json.loads(rendered["json"])
    assert not list(SCHEMA.iter_errors(json.loads(rendered["sarif"])))
    assert not FORMULA.search(rendered["html"])
    assert not FORMULA.search(rendered["markdown"])
    assert not linkable(rendered["markdown"])
    links = structure(rendered["html"]).links
    known = ("data:image/png;base64,", "https://atlas.mitre.org/", "https://cwe.mitre.org/")
    assert all(link.startswith(known) for link in links)
    return rendered


@pytest.mark.parametrize("name", SHORT)
def test_a_hostile_string_in_every_field_changes_no_structure(name: str) -> None:
    text = CORPUS[name]
    rendered = check_everywhere(text, None)
    calm = {name: render_as(name, with_text(tame(text))) for name in FORMATS}
    assert structure(rendered["html"]).tags == structure(calm["html"]).tags
    assert elements(rendered["junit"]) == elements(calm["junit"])
    assert blocks(rendered["markdown"]) == blocks(calm["markdown"])


@pytest.mark.parametrize("only", KINDS, ids="/".join)
def test_each_field_by_itself_is_as_safe(only: tuple[str, ...]) -> None:
    for text in ("\n".join(CORPUS[name] for name in SHORT), "::error::\x1b]", "=1+1|##vso[x]"):
        check_everywhere(text, only)


@pytest.mark.parametrize("name", LONG)
def test_a_megabyte_in_every_field_gives_a_bounded_report(name: str) -> None:
    """JSON keeps every character, since programs read it; all others leave out the middle of long strings."""
    record = with_text(CORPUS[name])
    for format_ in FORMATS:
        if format_ != "json":
            assert len(render_as(format_, record).encode("utf-8")) <= LARGEST, format_


@pytest.mark.parametrize("name", SHORT)
def test_a_terminal_shows_no_line_beyond_its_width(name: str) -> None:
    for width in (40, 80, 100):
        lines = render_as("table", with_text(CORPUS[name]), width=width).splitlines()
        assert max(map(columns, lines)) <= width
