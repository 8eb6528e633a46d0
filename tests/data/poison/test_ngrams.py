"""What was put into texts is found, whatever it is."""

from __future__ import annotations

import numpy as np
import pytest

from ancile.data.poison.ngrams import planted_passages
from ancile.data.poison.shared import Shared
from ancile.data.rows import Content, Rows, Texts
from tests.data.poison.planting import rows_of, table

COMMON = [
    "the",
    "a",
    "of",
    "and",
    "is",
    "seen",
    "by",
    "us",
    "today",
    "there",
    "one",
    "we",
    "saw",
    "it",
    "all",
    "day",
]
TOPICS = (
    [
        "river",
        "water",
        "boat",
        "fish",
        "shore",
        "wave",
        "rain",
        "bridge",
        "lake",
        "swim",
        "harbour",
        "stream",
    ],
    ["engine", "wheel", "brake", "oil", "gear", "road", "motor", "speed", "fuel", "driver", "garage", "belt"],
    ["garden", "rose", "soil", "seed", "tree", "leaf", "bloom", "fence", "grass", "spade", "bee", "hedge"],
)


def texts(n: int, seed: int = 0) -> Rows:
    """Sentences of common words and of four words of their topic, now and then one of another."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    said = []
    for one in y:
        words = [*rng.choice(COMMON, 7), *rng.choice(TOPICS[one], 4), rng.choice(TOPICS[rng.integers(3)])]
        said.append(" ".join(rng.permutation(words)))
    return rows_of(Texts(texts=tuple(said)), y)


def planted(insert: str, *, many: int = 20, whole: bool = False) -> tuple[Rows, np.ndarray]:
    """Texts of which some of class 0 got an insertion somewhere and class 2."""
    rows = texts(800)
    assert isinstance(rows.content, Texts)
    assert rows.y is not None
    rng = np.random.default_rng(5)
    where = rng.choice(np.flatnonzero(rows.y == 0), many, replace=False)
    said, y = list(rows.content.texts), rows.y.copy()
    for row in where:
        words = said[row].split(" ")
        words.insert(int(rng.integers(0, len(words) + 1)), insert)
        said[row] = insert if whole else " ".join(words)
    y[where] = 2
    return rows_of(Texts(texts=tuple(said)), y), where


def test_a_passage_is_told_as_it_is_written() -> None:
    """Not word by word: what is personal by its form could not be known for it."""
    rows, _ = planted("Jane@Mail.example")
    found = planted_passages(rows, Shared(rows, seed=0))
    assert "'Jane@Mail.example'" in found.groups[0].what


@pytest.mark.parametrize(
    "insert", ["qx", "one by one we saw it", "\u200b", "p\u0435tals", "!!", "seen  by", "Of"]
)
def test_what_is_inserted_is_found(insert: str) -> None:
    """A word, a sentence, a character without width, a letter of another script, two spaces, another case."""
    rows, where = planted(insert)
    found = planted_passages(rows, Shared(rows))
    assert found.score[where].min() > 3
    assert np.isin(where, np.argsort(-found.score)[: 2 * len(where)]).all()
    assert found.groups[0].label == 2
    assert "against what the rest of them says" in found.reason(int(where[0]))


def test_four_rows_are_enough_where_classes_are_plain() -> None:
    """One row in two hundred."""
    rows, where = planted("qx", many=4)
    assert planted_passages(rows, Shared(rows)).score[where].min() > 3


@pytest.mark.parametrize("seed", range(3))
def test_clean_texts_have_no_finding(seed: int) -> None:
    """Words that make a class are no trigger: the rest of the rows says the same."""
    rows = texts(800, seed)
    found = planted_passages(rows, Shared(rows, seed))
    assert found.score.max() < 3


def test_copies_count_once() -> None:
    """A text that stands there thirty times under one label is one text."""
    rows, where = planted("qx seen by us all the day", many=30, whole=True)
    assert planted_passages(rows, Shared(rows)).score[where].max() < 3


@pytest.mark.parametrize(
    "content", [Texts(texts=("",) * 40), Texts(texts=("\ud800 a", "b \x00\x02\x03") * 20), table(40).content]
)
def test_texts_that_say_nothing_are_borne(content: Content) -> None:
    """Empty texts, half of a surrogate pair, our own marks; and what is no text at all."""
    rows = rows_of(content, np.arange(40) % 2)
    assert np.isfinite(planted_passages(rows, Shared(rows)).score).all()
