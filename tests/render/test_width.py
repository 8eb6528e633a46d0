"""Columns of a terminal: what is wide, what takes no room, and lines that never exceed their width."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis.strategies import integers, text

from ancile.core.text import is_hidden, plain
from ancile.render.width import columns, cut, padded, wrap


@pytest.mark.parametrize(
    ("shown", "wide"),
    [
        ("", 0),
        ("abc", 3),
        ("漢字", 4),
        ("\uff46\uff55", 4),
        ("🍎", 2),
        ("e\u0301", 1),
        ("한", 2),
        ("ab漢", 4),
    ],
)
def test_east_asian_and_emoji_take_two_columns_and_marks_none(shown: str, wide: int) -> None:
    assert columns(shown) == wide


def test_widths_are_those_of_wcwidth_for_scripts_that_python_knows() -> None:
    """Against another implementation, over the ideographs, kana, Hangul syllables, Latin, Greek, Cyrillic, emoji."""
    wcwidth = pytest.importorskip("wcwidth").wcwidth
    spans = (
        (0x20, 0x2FF),
        (0x370, 0x52F),
        (0x3041, 0x3247),
        (0x4E00, 0x9FFC),
        (0xAC00, 0xD7A3),
        (0x1F300, 0x1F64F),
    )
    known = [chr(code) for low, high in spans for code in range(low, high + 1)]
    seen = [char for char in known if not is_hidden(char) and unicodedata.category(char) != "Cn"]
    assert [char for char in seen if columns(char) != wcwidth(char)] == []


@given(text(), integers(1, 30))
def test_a_cut_text_fits(shown: str, width: int) -> None:
    safe = plain(shown)
    assert columns(cut(safe, width)) <= width
    assert columns(padded(cut(safe, width), width)) == width


@given(text(), integers(8, 60))
def test_no_wrapped_line_is_wider_and_no_word_is_lost(shown: str, width: int) -> None:
    safe = plain(shown)
    lines = wrap(safe, width, first="  - ", rest="    ")
    assert max(map(columns, lines), default=0) <= width
    assert "".join(line[4:] for line in lines).replace(" ", "") == safe.replace(" ", "")


def test_a_word_wider_than_the_line_is_broken() -> None:
    assert wrap("漢字漢字 ab", 5) == ["漢字", "漢字", "ab"]


def test_a_sign_wider_than_the_line_stands_alone() -> None:
    assert wrap("漢漢", 1) == ["漢", "漢"]
