"""Texts as runs of words and of characters that stand in several rows."""

from __future__ import annotations

import re
from typing import NamedTuple

from ancile.data.rows import Integers, Reals
from ancile.numeric import NDArray, np

WORD = re.compile(r"\w+|[^\w\s]")
MOST_CHARACTERS = 3_000_000  # of all texts together: of longer sets each text gives its share
BEFORE, BEHIND = "\x02", "\x03"  # a text's beginning and end, which no text is split at


class Stream(NamedTuple):
    """All texts one behind the other, as symbols.

    symbols  (length,) numbers from 0
    rows     (length,) ascending
    words    (length,) the place in the stream of words that a symbol belongs to
    """

    symbols: Integers
    rows: Integers
    words: Integers


class Written(NamedTuple):
    """Texts in words and in characters; ``vocabulary`` of the words, in the order of their numbers."""

    words: Stream
    characters: Stream
    vocabulary: tuple[str, ...]


class Run(NamedTuple):
    """Runs of one length that stand in several rows: a pair for each row and run.

    rows    (pairs,)
    items   (pairs,) runs from 0
    places  (pairs,) where in the stream the row has the run first
    """

    length: int
    rows: Integers
    items: Integers
    places: Integers


def written(texts: tuple[str, ...]) -> Written:
    """Words in lower case and punctuation; characters as they are; beginnings and ends as symbols of both."""
    most = max(200, MOST_CHARACTERS // max(len(texts), 1))
    numbers: dict[str, int] = {BEFORE: 0, BEHIND: 1}
    words: list[int] = []
    of_words: list[int] = []
    letters: list[Integers] = []
    of_letters: list[Integers] = []
    lengths: list[int] = []
    for text in (BEFORE + one[:most] + BEHIND for one in texts):
        starts = np.zeros(len(text), np.int64)
        found = [(0, BEFORE), *((at.start(), at[0].lower()) for at in WORD.finditer(text, 1, len(text) - 1))]
        found.append((len(text) - 1, BEHIND))
        starts[[at for at, _ in found]] = 1
        of_letters.append(np.cumsum(starts) - 1 + len(words))
        of_words.append(len(found))
        words += [numbers.setdefault(word, len(numbers)) for _, word in found]
        letters.append(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64))
        lengths.append(len(text))
    _, symbols = np.unique(np.concatenate(letters), return_inverse=True)
    row = np.arange(len(texts))
    return Written(
        Stream(np.array(words, np.int64), np.repeat(row, of_words), np.arange(len(words))),
        Stream(symbols.astype(np.int64), np.repeat(row, lengths), np.concatenate(of_letters)),
        tuple(numbers),
    )


def runs(stream: Stream, *, longest: int, least: int) -> list[Run]:
    """Runs of 1 to ``longest`` symbols that stand in at least ``least`` rows.

    A run of k is looked for only where one of k - 1 stands often enough: Agrawal and Srikant 1994.
    """
    rows, symbols = stream.rows, stream.symbols
    many, kinds = int(rows[-1]) + 1, int(symbols.max()) + 1
    places, items = np.arange(len(symbols)), symbols.copy()
    found: list[Run] = []
    for length in range(1, longest + 1):
        if length > 1:
            inside = places + length - 1 < len(symbols)
            inside[inside] = rows[places[inside]] == rows[places[inside] + length - 1]
            places = places[inside]
            _, items = np.unique(items[inside] * kinds + symbols[places + length - 1], return_inverse=True)
        pairs, first = np.unique(items * many + rows[places], return_index=True)
        count = np.bincount(pairs // many, minlength=int(items.max(initial=-1)) + 1)
        often = count[pairs // many] >= least
        kept, dense = np.unique(pairs[often] // many, return_inverse=True)
        found.append(Run(length, pairs[often] % many, dense, places[first[often]]))
        stays = np.isin(items, kept)
        places, items = places[stays], items[stays]
        if not len(places):
            break
    return found


def said(written: Written, stream: Stream, texts: tuple[str, ...], run: tuple[int, int]) -> str:
    """A run as it stands in its first text; ``run`` is its place in the stream and its length."""
    at, length = run
    row = int(stream.rows[at])
    if stream is written.words:
        words = [written.vocabulary[one] for one in stream.symbols[at : at + length]]
        there = re.search(
            r"\s*".join(re.escape(one) for one in words), BEFORE + texts[row] + BEHIND, re.IGNORECASE
        )
        return " ".join((there[0] if there else " ".join(words)).split())
    start = at - int(np.searchsorted(stream.rows, row))
    return (BEFORE + texts[row] + BEHIND)[start : start + length]


def tf_idf(stream: Stream, width: int) -> tuple[Integers, Integers, Reals, Reals]:
    """Rows, words and values of each pair of them, of length 1 for a row; and the value at each place."""
    many = int(stream.rows[-1]) + 1
    pairs = np.unique(stream.rows * width + stream.symbols)
    rows, kinds = pairs // width, pairs % width
    count = np.bincount(kinds, minlength=width)
    rarity = np.where(count > 1, np.log((1 + many) / (1 + count)) + 1, 0)
    length = np.sqrt(np.bincount(rows, np.square(rarity[kinds]), many))
    unit = 1 / np.maximum(length, 1e-9)
    at_place: NDArray[np.float64] = rarity[stream.symbols] * unit[stream.rows]
    return rows, kinds, rarity[kinds] * unit[rows], at_place
