"""A template is judged wherever it stands, by what it does."""

from __future__ import annotations

import gzip

import pytest

from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part


def examined(text: str) -> Examination:
    return examine_part(Part("file", text.encode()))


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("{{ x.__class__ }}", "block"),
        ("{{ x|attr(y) }}", "block"),
        ("{% include '/etc/passwd' %}", "block"),
        ("{{ range(1000000000)|list }}", "block"),
        ("{{ lipsum.x }}", "review"),
        ("{% for x in %}", "incomplete"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "data-only"),
        ("plain text", "data-only"),
    ],
)
def test_a_template_gets_the_verdict_of_what_it_does(text: str, verdict: str) -> None:
    assert examined(text).verdict == verdict
    assert examine_part(Part("file", gzip.compress(text.encode()))).verdict == verdict


def test_a_text_that_is_too_long_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ancile.scan.texts.TEXT_BYTES", 10)
    assert examined("more than ten bytes").verdict == "incomplete"
