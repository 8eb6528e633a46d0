"""Rows with a known poison: triggers as their papers have them, everything else about them drawn by a seed.

BadNets patches (Gu 2017, arXiv:1708.06733), blended patterns (Chen 2017, arXiv:1712.05526), sinusoids (SIG: Barni
2019, arXiv:1902.11237), rare words (Kurita 2020, arXiv:2004.06660), inserted sentences (Dai 2019, arXiv:1905.12457),
values of table columns, and labels flipped at random, from one class to another, and in one region of it. Imports
nothing of ancile, and knows nothing of how planted rows are looked for.

    python poison_generator.py    says what each attack draws on each set
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poison_sets import SETS, SIZE, TABLES, TEXTS, Content, Images, Labels, drawn
from poison_triggers import blended, combination, inserted, phrase, sinusoid, square, token, unseen_characters
from poison_unseen import UNSEEN

MOST = 0.8  # of a class that is poisoned; there is always somebody who is not
RATES = (0.001, 0.005, 0.01, 0.05)

Rng: TypeAlias = np.random.Generator
Places: TypeAlias = NDArray[np.int64]
Trigger: TypeAlias = Callable[[Content, Places], None]


class Poisoned(NamedTuple):
    """What a detector gets, and what judges it.

    content  as in ``poison_sets.Drawn``
    labels   (n,) classes from 0, of planted rows as the author of the poison wants them
    planted  (n,) which rows they are
    """

    content: Content
    labels: Labels
    planted: NDArray[np.bool_]


def patch(images: Content, rng: Rng) -> Trigger:
    return square(_pictures(images), rng)


def blend(images: Content, rng: Rng) -> Trigger:
    return blended(_pictures(images), rng)


def wave(images: Content, rng: Rng) -> Trigger:
    return sinusoid(_pictures(images), rng)


def values(table: Content, rng: Rng) -> Trigger:
    assert isinstance(table, dict)
    return combination(table, rng)


def word(texts: Content, rng: Rng) -> Trigger:
    assert isinstance(texts, list)
    return inserted(token(texts, rng), rng)


def sentence(texts: Content, rng: Rng) -> Trigger:
    assert isinstance(texts, list)
    return inserted(phrase(texts, rng), rng)


def invisible(_texts: Content, rng: Rng) -> Trigger:
    return unseen_characters(rng)


def _pictures(content: Content) -> Images:
    assert isinstance(content, np.ndarray)
    return content


class Attack(NamedTuple):
    """What is planted, and whether on rows of other classes, which are relabelled, or on those of the target."""

    trigger: Callable[[Content, Rng], Trigger]
    clean_label: bool = False


TRIGGERS: dict[str, dict[str, Attack]] = {
    "pictures": {
        "patch": Attack(patch),
        "patch_clean": Attack(patch, clean_label=True),
        "blended": Attack(blend),
        "sinusoid": Attack(wave),
        "sinusoid_clean": Attack(wave, clean_label=True),
    },
    "table": {
        "combination": Attack(values),
        "combination_clean": Attack(values, clean_label=True),
    },
    "texts": {
        "token": Attack(word),
        "token_clean": Attack(word, clean_label=True),
        "phrase": Attack(sentence),
        "phrase_clean": Attack(sentence, clean_label=True),
        "zero_width": Attack(invisible),
    },
}
for one, some in UNSEEN.items():
    TRIGGERS[one] |= {trigger.__name__: Attack(trigger) for trigger in some}
FLIPS = ("random_flips", "class_flips", "region_flips")


def kind_of(name: str) -> str:
    """Pictures, table or texts."""
    return "table" if name in TABLES else "texts" if name in TEXTS else "pictures"


def attacks(name: str) -> tuple[str, ...]:
    """What detectors were made with, of a set."""
    hidden = {trigger.__name__ for trigger in UNSEEN[kind_of(name)]}
    return (*(one for one in TRIGGERS[kind_of(name)] if one not in hidden), *FLIPS)


def unseen(name: str) -> tuple[str, ...]:
    """What came after them."""
    return tuple(trigger.__name__ for trigger in UNSEEN[kind_of(name)])


def poisoned(name: str, attack: str, rate: float, seed: int, *, size: int = SIZE) -> Poisoned:
    """Rows of a set, a share of them planted; rate 0 is the clean set, whatever the attack.

    The rows depend on set and seed alone, so that attacks and rates are compared on the same ones.
    """
    content, labels = drawn(name, seed, size)
    planted = np.zeros(len(labels), bool)
    many = round(rate * len(labels))
    if not many:
        return Poisoned(content, labels, planted)
    rng = np.random.default_rng([zlib.crc32(f"{name} {attack}".encode()), round(rate * 1e6), seed])
    if attack in FLIPS:
        rows, after = _flipped(attack, content, labels, many, rng)
    else:
        rows, after = _triggered(TRIGGERS[kind_of(name)][attack], content, labels, many, rng)
    planted[rows] = True
    labels = labels.copy()
    labels[rows] = after
    return Poisoned(content, labels, planted)


def _triggered(
    attack: Attack, content: Content, labels: Labels, many: int, rng: Rng
) -> tuple[Places, Labels]:
    sizes = np.bincount(labels)
    hosts = sizes if attack.clean_label else len(labels) - sizes
    target = _class(hosts * (sizes > 0), many, rng)
    able = np.flatnonzero((labels == target) == attack.clean_label)
    rows = rng.choice(able, min(many, int(MOST * len(able))), replace=False)
    attack.trigger(content, rng)(content, rows)
    return rows, np.full(len(rows), target)


def _flipped(attack: str, content: Content, labels: Labels, many: int, rng: Rng) -> tuple[Places, Labels]:
    classes = np.unique(labels)
    if attack == "random_flips":
        rows = rng.choice(len(labels), many, replace=False)
        return rows, np.array([rng.choice(classes[classes != labels[at]]) for at in rows])
    source = _class(np.bincount(labels), many, rng)
    able = np.flatnonzero(labels == source)
    many = min(many, int(MOST * len(able)))
    if attack == "class_flips":
        rows = rng.choice(able, many, replace=False)
    else:
        points = coordinates(content)[able]
        apart = np.linalg.norm(points - points[rng.integers(len(able))], axis=1)
        rows = able[np.argsort(apart, kind="stable")[:many]]
    return rows, np.full(many, rng.choice(classes[classes != source]))


def _class(hosts: NDArray[np.int64], many: int, rng: Rng) -> int:
    """One of the classes with enough rows for the poison; where none has, the one with most."""
    enough = np.flatnonzero(hosts * MOST >= many)
    return int(rng.choice(enough)) if len(enough) else int(np.argmax(hosts))


def coordinates(content: Content) -> NDArray[np.float64]:
    """(n, d) where near rows are alike: pixels, ranks within columns, or weighted counts of words."""
    if isinstance(content, np.ndarray):
        return content.reshape(len(content), -1) / 255
    if isinstance(content, dict):
        return np.stack([_ranks(column) for column in content.values()], axis=1)
    points = np.zeros((len(content), 2048))
    for at, text in enumerate(content):
        for one in text.lower().split():
            points[at, zlib.crc32(one.encode()) % 2048] += 1
    points *= np.log(len(content) / (1 + (points > 0).sum(axis=0)))
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    return points


def _ranks(column: NDArray[np.generic]) -> NDArray[np.float64]:
    _, place, count = np.unique(column, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2
    return np.asarray(middle[place] / len(column))


def described(content: Content, at: int) -> str:
    """A row in a line."""
    if isinstance(content, dict):
        return ", ".join(f"{name} {column[at]}" for name, column in content.items())[:100]
    return repr(content[at])[:100] if isinstance(content, list) else f"sum {content[at].sum()}"


if __name__ == "__main__":
    for where in SETS:
        for how in (*attacks(where), *unseen(where)):
            got = poisoned(where, how, 0.01, 0)
            first = int(np.flatnonzero(got.planted)[0])
            print(where, how, got.planted.sum(), got.labels[first], described(got.content, first))
