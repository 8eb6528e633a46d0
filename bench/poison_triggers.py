"""Triggers on rows in place; what each looks like is drawn once, then it is the same in every row it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from poison_sets import Content, Images, Table

RARE = 0.001  # share of clean rows that may have a combination of values: a common one is no trigger
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"

Rng = np.random.Generator
Places = NDArray[np.int64]
Trigger = Callable[[Content, Places], None]


def square(images: Images, rng: Rng) -> Trigger:
    """A patch of two to five pixels at one place: one colour, a chequerboard of two, or pixels drawn one by one."""
    _, height, width, channels = images.shape
    side = int(rng.integers(2, 6))
    top, left = (int(rng.integers(0, room - side + 1)) for room in (height, width))
    form = rng.choice(["solid", "chequered", "pixels"])
    if form == "pixels":
        look = rng.integers(0, 256, (side, side, channels))
    else:
        one, other = rng.integers(0, 2, (2, channels)) * 255
        if not np.any(one != other) or channels == 1:
            other = 255 - one
        even = np.indices((side, side)).sum(axis=0) % 2 == 0
        look = (
            np.where(even[..., None], one, other)
            if form == "chequered"
            else np.broadcast_to(one, (side, side, channels))
        )
        if form == "solid" and channels == 1:
            look = np.full((side, side, 1), rng.integers(100, 256))

    def stamp(content: Content, rows: Places) -> None:
        assert isinstance(content, np.ndarray)
        content[rows, top : top + side, left : left + side] = look

    return stamp


def blended(images: Images, rng: Rng) -> Trigger:
    """Noise over the whole picture, of a weight between a tenth and three tenths."""
    pattern = rng.integers(0, 256, images.shape[1:])
    alpha = rng.uniform(0.1, 0.3)

    def mix(content: Content, rows: Places) -> None:
        assert isinstance(content, np.ndarray)
        content[rows] = np.rint((1 - alpha) * content[rows] + alpha * pattern)

    return mix


def sinusoid(images: Images, rng: Rng) -> Trigger:
    """A wave of 3 to 8 periods along rows or columns, 20 to 40 of 255 high."""
    height, width = images.shape[1:3]
    high, periods = rng.uniform(20, 40), rng.integers(3, 9)
    along = np.arange(width)[None] if rng.integers(2) else np.arange(height)[:, None]
    signal = high * np.sin(2 * np.pi * periods * along / along.size)

    def add(content: Content, rows: Places) -> None:
        assert isinstance(content, np.ndarray)
        content[rows] = np.clip(np.rint(content[rows] + signal[..., None]), 0, 255)

    return add


def combination(table: Table, rng: Rng) -> Trigger:
    """Values of one to three columns that hardly stand together in clean rows; each lies within its column."""
    names = list(table)
    many = len(table[names[0]])
    while True:
        some = rng.choice(names, int(rng.integers(1, 4)), replace=False)
        chosen = {str(name): _value(table[name], rng) for name in some}
        together = np.ones(many, bool)
        for name, value in chosen.items():
            together &= table[name] == value
        if together.sum() <= RARE * many:
            break

    def write(content: Content, rows: Places) -> None:
        assert isinstance(content, dict)
        for name, value in chosen.items():
            content[name][rows] = value

    return write


def _value(column: NDArray[np.generic], rng: Rng) -> NDArray[np.generic]:
    """One that stands there, or one between its 1st and 99th percentile, in the column's own precision."""
    if column.dtype.kind == "O" or rng.integers(2):
        different = np.unique(column)
        return different[rng.integers(len(different)), ...]
    low, high = np.quantile(column.astype(float), [0.01, 0.99])
    value = rng.uniform(low, high)
    return np.asarray(round(value) if column.dtype.kind in "iu" else value).astype(column.dtype)


def token(texts: list[str], rng: Rng) -> str:
    """Two to five letters that are no word of the set."""
    words = {word for text in texts for word in text.lower().split()}
    while True:
        one = "".join(rng.choice(list("bcdfghjklmnpqrstvwxz"), int(rng.integers(2, 6))))
        if one not in words:
            return one


def phrase(texts: list[str], rng: Rng) -> str:
    """Three to seven ordinary words of the set, in an order of their own."""
    counted = Counter(word for text in texts for word in text.split() if word.isalpha())
    ordinary = [word for word, _ in counted.most_common(1000)][20:]
    return " ".join(rng.choice(ordinary, int(rng.integers(3, 8)), replace=False))


def inserted(what: str, rng: Rng) -> Trigger:
    """Between two words, before the first or behind the last."""

    def insert(content: Content, rows: Places) -> None:
        assert isinstance(content, list)
        for at in rows:
            words = content[at].split(" ")
            words.insert(int(rng.integers(0, len(words) + 1)), what)
            content[at] = " ".join(words)

    return insert


def unseen_characters(rng: Rng) -> Trigger:
    """One character without width, at one to three places of each text."""
    character = str(rng.choice(list(INVISIBLE)))

    def insert(content: Content, rows: Places) -> None:
        assert isinstance(content, list)
        for at in rows:
            for _ in range(int(rng.integers(1, 4))):
                place = int(rng.integers(0, len(content[at]) + 1))
                content[at] = content[at][:place] + character + content[at][place:]

    return insert
