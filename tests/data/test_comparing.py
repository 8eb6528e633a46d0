"""Which ranges of which files differ."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.data.comparing import Range, compare, ranges
from ancile.data.version import DataFile, Piece


def pieces(words: str) -> tuple[Piece, ...]:
    """A chunk of one byte for each letter."""
    return tuple(Piece(letter.encode(), 1) for letter in words)


def file(path: str, words: str) -> DataFile:
    digest = f"sha256:{hashlib.sha256(words.encode()).hexdigest()}"
    return DataFile(path=path, digest=digest, size=len(words), chunks=pieces(words))


@pytest.mark.parametrize(
    ("of", "than", "found"),
    [
        ("abc", "abc", []),
        ("abc", "", [(0, 3)]),
        ("", "abc", []),
        ("abXc", "abc", [(2, 3)]),
        ("aXbYc", "abc", [(1, 2), (3, 4)]),
        ("aXYbc", "abc", [(1, 3)]),
        ("abc", "bca", []),
        ("aaaa", "aa", [(2, 4)]),
    ],
)
def test_ranges_are_chunks_that_the_other_has_not(of: str, than: str, found: list[tuple[int, int]]) -> None:
    assert ranges(pieces(of), pieces(than)) == tuple(Range(*one) for one in found)


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_what_is_left_without_the_ranges_is_in_both(one: str, other: str) -> None:
    gone = sum(at.end - at.start for at in ranges(pieces(one), pieces(other)))
    come = sum(at.end - at.start for at in ranges(pieces(other), pieces(one)))
    assert len(one) - gone == len(other) - come


def test_files_are_missing_added_moved_or_changed() -> None:
    old = [file("kept", "k"), file("gone", "g"), file("before", "moved"), file("changed", "abc")]
    new = [file("kept", "k"), file("come", "c"), file("after", "moved"), file("changed", "abX")]
    found = compare(old, new)
    assert (found.missing, found.added, found.moved) == (("gone",), ("come",), {"after": "before"})
    assert [(one.path, one.gone, one.come) for one in found.changed] == [
        ("changed", (Range(2, 3),), (Range(2, 3),))
    ]
    assert not found.none
    assert compare(old, old).none


def test_a_single_file_is_the_same_under_any_name() -> None:
    assert compare([file("a.csv", "x")], [file("b.csv", "x")], alone=True).none
    assert compare([file("a.csv", "x")], [file("b.csv", "x")]).moved == {"b.csv": "a.csv"}
