"""Strings from outside, made safe to show."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.core.text import HIDDEN, SHOWN, escaped, plain

ANY = st.text(st.characters(exclude_categories=()), max_size=400)
LONGEST_ESCAPE = 10  # \U0010ffff


@given(text=ANY, limit=st.integers(1, 300))
def test_no_hidden_character_survives(text: str, limit: int) -> None:
    assert not {unicodedata.category(char) for char in plain(text, limit)} & HIDDEN


@given(text=ANY, limit=st.integers(1, 300))
def test_the_result_is_bounded_by_the_limit_alone(text: str, limit: int) -> None:
    left_out = len("…( more)…") + len(str(3 * len(text)))
    assert len(plain(text * 3, limit)) <= LONGEST_ESCAPE * max(limit, 2) + left_out


@given(text=ANY)
def test_what_was_made_plain_stays_as_it_is(text: str) -> None:
    once = plain(text)
    assert plain(once, len(once) + 1) == once


@given(text=st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=SHOWN))
def test_text_without_hidden_characters_is_itself(text: str) -> None:
    assert plain(text) == text


@given(text=ANY)
def test_the_result_is_one_line_that_every_encoding_of_unicode_takes(text: str) -> None:
    shown = plain(text)
    assert shown.splitlines() in ([shown], [])
    assert shown.encode("utf-8").decode("utf-8") == shown


@given(data=st.binary(max_size=20))
def test_bytes_that_are_no_utf8_are_shown_as_bytes(data: bytes) -> None:
    for byte in data:
        if byte >= 0x80:
            assert plain(bytes([byte]).decode("utf-8", "surrogateescape")) == f"\\x{byte:02x}"


@given(char=st.characters(categories=["Cc", "Cf", "Co", "Cn", "Zl", "Zp"]))
def test_an_escape_is_what_python_would_write(char: str) -> None:
    assert escaped(char).isascii()
    assert escaped(char).encode().decode("unicode_escape") == char


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\r", "a\\nb\\r"),
        ("\u202eevil", "\\u202eevil"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
)
def test_tricks_are_shown_for_what_they_are(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_megabyte_of_name_keeps_its_ends_and_tells_what_was_left_out() -> None:
    shown = plain("a" + "x" * 1_000_000 + "z")
    assert shown.startswith("ax")
    assert shown.endswith("xz")
    assert "…(999822 more)…" in shown
    assert len(shown) == SHOWN - 20 + len("…(999822 more)…")


def test_an_error_says_what_is_wrong_with_which_value() -> None:
    error = AncileError("eps is negative", value="-1", remedy="give a positive eps")
    assert (str(error), error.what, error.value, error.remedy) == (
        "eps is negative: -1", "eps is negative", "-1", "give a positive eps",
    )  # fmt: skip
    assert str(AncileError("the disk is full", value="", remedy="make room")) == "the disk is full"
