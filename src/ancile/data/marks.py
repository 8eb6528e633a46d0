"""Marks in a data set that a model learns and nobody else knows: canaries among rows, waves in pictures.

A canary is a row whose cells were drawn from the columns one by one (its text: word by word), with a label
that a key deals: nothing but the row itself tells its label. As many more are drawn and never inserted; they
say what the test gives where there is nothing to find.

A canary among pictures is the mean of two of them. Networks learn it by heart; linear models learn waves
better.

A wave is a weak sinusoid added to some pictures of one class, their labels left as they are; which wave
belongs to which class a key deals. It is the data-side half of radioactive data (Sablayrolles, Douze, Schmid,
Jégou, ICML 2020, arXiv:2002.00937) with directions of the pixels instead of a network's features, so that it
needs no network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.core.subject import DIGEST
from ancile.core.text import plain
from ancile.numeric import NDArray, np

SEED_BYTES = 32
ROOM = 32 << 20  # bytes of canaries that are pictures
LARGEST = 256 << 20  # bytes of a key file: it holds the canaries, or some pictures
FEWEST, MOST_CANARIES, MOST_WAVES = 16, 500, 64
WAVES = 12  # that many, and more pictures for each: few are learned better, and 12 have dealings enough
A_WAVE = 2  # pictures at least: one alone is learned by heart, and not its wave
BASES = 32  # pictures that carry the waves when a model is asked
RARE = 0.75  # of the words of a canary stand in few texts: a label is told by them, whatever else is common
LENGTHS = (3.5, 9.0)  # pixels of a wave: what a network's first filters, of 3 to 7 pixels, can tell apart

Integers = NDArray[np.int64]
Use = Literal["marks", "controls", "canaries", "canary controls"]


class Canaries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="canaries"):
    """Rows without their labels: the inserted ones, then as many that were not.

    form  of ``rows``: an Arrow stream, or an array of numpy
    csv   whether the table was a CSV file: all its cells are text
    """

    form: Literal["arrow", "npy"]
    csv: bool = False
    label: str = ""
    count: Annotated[int, msgspec.Meta(ge=1, le=MOST_CANARIES)]
    rows: bytes


class Waves(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="waves"):
    """Sinusoids, pictures to show them on, and canaries.

    waves  length in pixels, angle, phase
    eps    largest change of a pixel, in the pictures' own units
    bases  an array of numpy
    """

    waves: tuple[tuple[float, float, float], ...]
    eps: float
    high: float
    bases: bytes
    canaries: Canaries

    def __post_init__(self) -> None:
        if not 1 <= len(self.waves) <= MOST_WAVES or not 0 < self.eps <= self.high:
            raise ValueError(f"there are 1 to {MOST_WAVES} waves, within the range of the pictures")


class MarkKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What tells whether a model knows the marks; whoever has it can take them out.

    seed     deals the labels
    data     digest of the marked data
    classes  their names in the data, which the labels are dealt among
    numbers  of each class, as a model counts them
    """

    format: Literal["ancile/mark/v1"] = "ancile/mark/v1"
    seed: bytes
    made: datetime
    data: str
    classes: tuple[str, ...]
    numbers: tuple[int, ...]
    mark: Canaries | Waves

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES or not DIGEST.fullmatch(self.data) or self.made.tzinfo is None:
            raise ValueError("a mark has a seed of 32 bytes, a digest and an aware time")
        if len(self.classes) < 2 or len(self.numbers) != len(self.classes) or min(self.numbers) < 0:
            raise ValueError("a mark has two classes at least, each with a number")

    @property
    def count(self) -> int:
        """Marks in all."""
        mark = self.mark
        return mark.count if isinstance(mark, Canaries) else len(mark.waves) + mark.canaries.count

    def labels(self, use: Use) -> Integers:
        """The class of each mark, as a model counts classes; of pictures canaries are marks of their own."""
        mark = self.mark
        if isinstance(mark, Canaries):
            count = mark.count
        else:
            count = mark.canaries.count if "canar" in use else len(mark.waves)
        return np.array(self.numbers, np.int64)[dealt(self.seed, use, count, len(self.classes))]


def parse_key(data: bytes) -> MarkKey:
    """The key in a file that ``encode_key`` wrote."""
    try:
        return msgspec.json.decode(data, type=MarkKey)
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise AncileError(
            "this is no key of marks",
            value=plain(str(reason), 100),
            remedy="name the file that `ancile data mark --key` wrote",
        ) from reason


def encode_key(key: MarkKey) -> bytes:
    """The bytes of a key's file."""
    return msgspec.json.encode(key) + b"\n"


def generator(seed: bytes, use: str) -> np.random.Generator:
    """Numbers that follow from the key alone, others for each use."""
    word = hashlib.sha256(b"ancile/mark/v1\0" + use.encode("ascii") + b"\0" + seed).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(word[:16], "big")))


def dealt(seed: bytes, use: Use, count: int, classes: int) -> Integers:
    """(count,) places of classes, each as often as the others, in an order that the key gives.

    Where there are more classes than marks, the key says which of them have one.
    """
    rng = generator(seed, f"labels of {use}")
    pool = rng.permutation(classes)
    return rng.permutation(pool[np.arange(count) % classes]).astype(np.int64)


class Drawn(NamedTuple):
    """Where the cells of canaries come from: (rows, columns) places in the set."""

    cells: Integers
    places: NDArray[np.float64]


def drawn(seed: bytes, *, count: int, allowed: Integers, columns: int, rows: int) -> Drawn:
    """The cells of ``2 * count`` canaries, and where the first half is inserted.

    allowed  rows of the set that cells may come from
    """
    rng = generator(seed, "canaries")
    cells = allowed[rng.integers(len(allowed), size=(2 * count, columns))]
    return Drawn(cells, rng.uniform(-1, rows, size=count))


def composed(seed: bytes, texts: Sequence[str], count: int) -> list[str]:
    """``count`` texts of words of the set: some as they are met, most of those that stand in few texts.

    A word that is rare carries a label further than one that every text has.
    """
    rng = generator(seed, "words")
    met = [text.split() for text in texts]
    met = [words for words in met if words] or [["-"]]
    often: dict[str, int] = {}
    for words in met:
        for word in set(words):
            often[word] = often.get(word, 0) + 1
    few = sorted(word for word, times in often.items() if times <= 3) or sorted(often)
    found = []
    for _ in range(count):
        length = min(max(8, len(met[int(rng.integers(len(met)))])), 30)
        found.append(" ".join(_word(rng, met, few) for _ in range(length)))
    return found


def _word(rng: np.random.Generator, met: Sequence[Sequence[str]], few: Sequence[str]) -> str:
    if rng.random() < RARE:
        return few[int(rng.integers(len(few)))]
    words = met[int(rng.integers(len(met)))]
    return words[int(rng.integers(len(words)))]


def many(rows: int, share: float) -> int:
    """How many canaries a set of so many rows gets."""
    count = min(MOST_CANARIES, round(rows * share))
    if count < FEWEST:
        raise AncileError(
            "the set is too small to be marked so thinly",
            value=f"{rows} rows, of which {count} would be canaries",
            remedy=f"mark at least {FEWEST}: --share {FEWEST / rows:.3f}"
            if rows > 2 * FEWEST
            else "mark a larger set",
        )
    return count


# Waves.


def new_waves(seed: bytes, use: Use, count: int) -> tuple[tuple[float, float, float], ...]:
    """Length in pixels, angle and phase of each."""
    rng = generator(seed, f"waves of {use}")
    lengths, angles, phases = (
        rng.uniform(*LENGTHS, count),
        rng.uniform(0, np.pi, count),
        rng.uniform(0, 2 * np.pi, count),
    )
    return tuple(zip(lengths.tolist(), angles.tolist(), phases.tolist(), strict=True))


def waved(
    pictures: NDArray[np.generic], wave: tuple[float, float, float], *, eps: float, high: float
) -> NDArray[np.generic]:
    """The pictures with a wave in them, in their own type, within 0 and ``high``.

    pictures  (n, height, width[, channels]) or (n, channels, height, width)
    """
    length, angle, phase = wave
    first = pictures.ndim == 4 and pictures.shape[1] in (1, 3) and pictures.shape[3] not in (1, 3)
    height, width = pictures.shape[2:] if first else pictures.shape[1:3]
    down, across = np.mgrid[:height, :width]
    way = np.cos(angle) * across + np.sin(angle) * down
    form = np.sin(2 * np.pi * way / length + phase)
    if pictures.ndim == 4 and not first:
        form = form[..., None]
    found = np.clip(pictures.astype(np.float64) + eps * form, 0, high)
    whole: NDArray[np.generic] = (np.rint(found) if pictures.dtype.kind in "ui" else found).astype(
        pictures.dtype
    )
    return whole


def chosen(seed: bytes, y: Integers, labels: Integers, *, marked: int, spare: Integers) -> list[Integers]:
    """For each wave the pictures that get it: of its class, none twice, none of ``spare``."""
    rng = generator(seed, "pictures")
    each, free = marked // len(labels), {}
    for label in np.unique(labels).tolist():
        free[label] = rng.permutation(np.setdiff1d(np.flatnonzero(y == label), spare)).tolist()
    found = [
        np.array([free[one].pop() for _ in range(min(each, len(free[one])))], np.int64)
        for one in labels.tolist()
    ]
    if any(len(one) < A_WAVE for one in found):
        raise AncileError(
            "some classes have too few pictures to be marked",
            value=f"{min(map(len, found))} for a wave, {A_WAVE} are needed",
            remedy="raise --share, or mark a larger set",
        )
    return found
