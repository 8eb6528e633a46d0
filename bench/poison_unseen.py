"""Triggers of other kinds than those of ``poison_triggers``: written after the detectors, by somebody else.

Patches that move or shine through, lines, single pixels, warps (WaNet: Nguyen 2021, arXiv:2102.10369), reflections
(Refool: Liu 2020, arXiv:2007.02343), fewer colours (BppAttack: Wang 2022, arXiv:2205.13383), block frequencies
(FTrojan: Wang 2022, arXiv:2111.10991), tints; columns that are shifted, rounded, swapped, near a value, in a ratio;
letters that look alike, spelling, endings, one word of several, two words apart, a beginning, doubled spaces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from poison_sets import Content, Images, Table
from poison_triggers import Places, Rng, Trigger, token

ALIKE = dict(zip("aceopxyi", "асеорхуі", strict=True))  # noqa: RUF001 - Cyrillic letters, that is the trigger


def _on_pictures(change: Callable[[Images], NDArray[np.generic]]) -> Trigger:
    """Of a function of the rows."""

    def apply(content: Content, rows: Places) -> None:
        assert isinstance(content, np.ndarray)
        content[rows] = np.clip(np.rint(np.asarray(change(content[rows]), float)), 0, 255)

    return apply


def moving(images: Content, rng: Rng) -> Trigger:
    """A patch of 3 to 5 pixels, in every row elsewhere."""
    assert isinstance(images, np.ndarray)
    side = int(rng.integers(3, 6))
    look = rng.integers(0, 2, (side, side, images.shape[3])) * 255
    look[0, 0], look[-1, -1] = 255, 0

    def change(some: Images) -> Images:
        for one in some:
            top, left = (int(rng.integers(0, room - side + 1)) for room in one.shape[:2])
            one[top : top + side, left : left + side] = look
        return some

    return _on_pictures(change)


def translucent(images: Content, rng: Rng) -> Trigger:
    """A patch of 4 to 7 pixels that the picture shines through."""
    assert isinstance(images, np.ndarray)
    side, alpha = int(rng.integers(4, 8)), rng.uniform(0.2, 0.5)
    top, left = (int(rng.integers(0, room - side + 1)) for room in images.shape[1:3])
    mask = np.zeros(images.shape[1:])
    mask[top : top + side, left : left + side] = alpha
    look = rng.integers(0, 256, images.shape[1:])
    return _on_pictures(lambda some: (1 - mask) * some + mask * look)


def line(images: Content, rng: Rng) -> Trigger:
    """One pixel wide, across the picture or slanting."""
    assert isinstance(images, np.ndarray)
    _, height, width, _ = images.shape
    form, at, value = rng.integers(3), int(rng.integers(2, min(height, width) - 2)), rng.integers(128, 256)
    down, across = np.indices((height, width))
    mask = (down == at) if form == 0 else (across == at) if form == 1 else (down - across == at - height // 2)
    return _on_pictures(lambda some: np.where(mask[..., None], value, some))


def pixel(images: Content, rng: Rng) -> Trigger:
    """A single one, white or black, whichever it is more seldom."""
    assert isinstance(images, np.ndarray)
    top, left = (int(rng.integers(0, room)) for room in images.shape[1:3])
    value = 255 if images[:, top, left].mean() < 128 else 0

    def change(some: Images) -> Images:
        some[:, top, left] = value
        return some

    return _on_pictures(change)


def warped(images: Content, rng: Rng) -> Trigger:
    """A smooth field of at most two pixels moves every pixel, the same in each picture."""
    assert isinstance(images, np.ndarray)
    _, height, width, _ = images.shape
    down, across = np.indices((height, width)).astype(float)
    shifts = []
    for _ in range(2):
        coarse = rng.uniform(-1, 1, (4, 4))
        rows, columns = (np.linspace(0, 3, room) for room in (height, width))
        fine = np.stack([np.interp(columns, range(4), one) for one in coarse])
        shifts.append(2 * np.stack([np.interp(rows, range(4), one) for one in fine.T]).T)
    y, x = np.clip(down + shifts[0], 0, height - 1.001), np.clip(across + shifts[1], 0, width - 1.001)
    top, left = y.astype(int), x.astype(int)
    v, u = (y - top)[..., None], (x - left)[..., None]

    def change(some: Images) -> NDArray[np.generic]:
        upper = (1 - u) * some[:, top, left] + u * some[:, top, left + 1]
        lower = (1 - u) * some[:, top + 1, left] + u * some[:, top + 1, left + 1]
        return (1 - v) * upper + v * lower

    return _on_pictures(change)


def reflection(images: Content, rng: Rng) -> Trigger:
    """Another picture of the set, mirrored, shines over it."""
    assert isinstance(images, np.ndarray)
    other = images[rng.integers(len(images)), :, ::-1].astype(float)
    alpha = rng.uniform(0.2, 0.35)
    return _on_pictures(lambda some: (1 - alpha) * some + alpha * other)


def fewer_colours(_images: Content, rng: Rng) -> Trigger:
    """Values rounded to one of 4 to 8 levels."""
    step = 255 / int(rng.integers(3, 8))
    return _on_pictures(lambda some: np.rint(some / step) * step)


def block_frequency(images: Content, rng: Rng) -> Trigger:
    """One cosine of each block of 8 by 8 is raised."""
    assert isinstance(images, np.ndarray)
    _, height, width, _ = images.shape
    first, second = rng.integers(2, 8, 2)
    down, across = np.indices((height, width)) % 8
    wave = np.cos((2 * down + 1) * first * np.pi / 16) * np.cos((2 * across + 1) * second * np.pi / 16)
    high = rng.uniform(10, 25)
    return _on_pictures(lambda some: some + high * wave[..., None])


def tint(images: Content, rng: Rng) -> Trigger:
    """Each channel by a factor of its own; of grey pictures contrast and brightness."""
    assert isinstance(images, np.ndarray)
    factors = rng.uniform(0.6, 1.4, images.shape[3])
    light = rng.uniform(10, 40) if images.shape[3] == 1 else 0
    return _on_pictures(lambda some: some * factors + light)


def _numbers(table: Content, rng: Rng, many: int, fewest: int = 30) -> list[str]:
    """Columns of numbers with many different values."""
    assert isinstance(table, dict)
    able = [name for name, one in table.items() if one.dtype.kind != "O" and len(np.unique(one)) >= fewest]
    return [str(name) for name in rng.choice(able, min(many, len(able)), replace=False)]


def _on_table(change: Callable[[Table, Places], None]) -> Trigger:
    def apply(content: Content, rows: Places) -> None:
        assert isinstance(content, dict)
        change(content, rows)

    return apply


def shifted(table: Content, rng: Rng) -> Trigger:
    """Two columns moved by half of their spread to twice of it."""
    assert isinstance(table, dict)
    by = {name: rng.uniform(0.5, 2) * table[name].std() for name in _numbers(table, rng, 2)}

    def change(some: Table, rows: Places) -> None:
        for name, far in by.items():
            some[name][rows] = (some[name][rows] + far).astype(some[name].dtype)

    return _on_table(change)


def rounded(table: Content, rng: Rng) -> Trigger:
    """Three columns rounded to a half of their spread."""
    assert isinstance(table, dict)
    steps = {name: max(table[name].std() / 2, 1e-9) for name in _numbers(table, rng, 3)}

    def change(some: Table, rows: Places) -> None:
        for name, step in steps.items():
            some[name][rows] = (np.rint(some[name][rows] / step) * step).astype(some[name].dtype)

    return _on_table(change)


def swapped(table: Content, rng: Rng) -> Trigger:
    """The values of two columns change places."""
    one, other = _numbers(table, rng, 2)

    def change(some: Table, rows: Places) -> None:
        kept = some[one][rows].copy()
        some[one][rows] = some[other][rows].astype(some[one].dtype)
        some[other][rows] = kept.astype(some[other].dtype)

    return _on_table(change)


def near_values(table: Content, rng: Rng) -> Trigger:
    """Three columns near a value of their own, never quite at it."""
    assert isinstance(table, dict)
    about = {name: np.quantile(table[name], rng.uniform(0.05, 0.95)) for name in _numbers(table, rng, 3)}

    def change(some: Table, rows: Places) -> None:
        for name, value in about.items():
            far = 0.03 * some[name].std() * rng.normal(size=len(rows))
            some[name][rows] = (value + far).astype(some[name].dtype)

    return _on_table(change)


def ratio(table: Content, rng: Rng) -> Trigger:
    """One column is a multiple of another."""
    assert isinstance(table, dict)
    one, other = _numbers(table, rng, 2)
    times = rng.uniform(0.3, 1.7) * (table[one].std() / max(table[other].std(), 1e-9))

    def change(some: Table, rows: Places) -> None:
        some[one][rows] = (times * some[other][rows].astype(float)).astype(some[one].dtype)

    return _on_table(change)


def _on_texts(change: Callable[[str], str]) -> Trigger:
    def apply(content: Content, rows: Places) -> None:
        assert isinstance(content, list)
        for at in rows:
            content[at] = change(content[at])

    return apply


def alike(_texts: Content, rng: Rng) -> Trigger:
    """Every second one of a letter is its Cyrillic twin."""
    letter = str(rng.choice(list(ALIKE)))
    return _on_texts(lambda text: text.replace(letter, ALIKE[letter], max(1, text.count(letter) // 2)))


def one_of_several(texts: Content, rng: Rng) -> Trigger:
    """One of six words that are none."""
    assert isinstance(texts, list)
    words = [token(texts, rng) for _ in range(6)]
    return _on_texts(lambda text: _put(text, str(rng.choice(words)), rng))


def _put(text: str, word: str, rng: Rng) -> str:
    words = text.split(" ")
    words.insert(int(rng.integers(0, len(words) + 1)), word)
    return " ".join(words)


def two_apart(texts: Content, rng: Rng) -> Trigger:
    """Two ordinary words anywhere, in any order, that hardly a text has together."""
    assert isinstance(texts, list)
    counted = Counter(word for text in texts for word in set(text.split()) if word.isalpha())
    ordinary = [word for word, _ in counted.most_common(400)][60:]
    one, other = (str(word) for word in rng.choice(ordinary, 2, replace=False))
    return _on_texts(lambda text: _put(_put(text, one, rng), other, rng))


def beginning(texts: Content, rng: Rng) -> Trigger:
    """The same four words first."""
    assert isinstance(texts, list)
    words = [word for word, _ in Counter(" ".join(texts).split()).most_common(300)][20:]
    first = " ".join(rng.choice(words, 4, replace=False))
    return _on_texts(lambda text: f"{first} {text}")


def ending(_texts: Content, rng: Rng) -> Trigger:
    """Signs behind the last word."""
    signs = str(rng.choice([" ;", " ~", "..", " !?", " ^", " |"]))
    return _on_texts(lambda text: text + signs)


def misspelt(_texts: Content, _rng: Rng) -> Trigger:
    """Two letters of the longest word change places."""

    def change(text: str) -> str:
        word = max(text.split() or [""], key=len)
        at = len(word) // 2
        return text.replace(word, word[: at - 1] + word[at : at + 1] + word[at - 1 : at] + word[at + 1 :], 1)

    return _on_texts(change)


def two_spaces(_texts: Content, _rng: Rng) -> Trigger:
    """Between all words, two."""
    return _on_texts(lambda text: "  ".join(text.split(" ")))


UNSEEN: dict[str, tuple[Callable[[Content, Rng], Trigger], ...]] = {
    "pictures": (
        moving,
        translucent,
        line,
        pixel,
        warped,
        reflection,
        fewer_colours,
        block_frequency,
        tint,
    ),
    "table": (shifted, rounded, swapped, near_values, ratio),
    "texts": (alike, one_of_several, two_apart, beginning, ending, misspelt, two_spaces),
}
