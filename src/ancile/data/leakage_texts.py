"""Texts of one set that are nearly texts of another: by the share of short pieces that both have.

Pieces are runs of five characters of the text in lower case, without marks. Candidates come from MinHash in
bands (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3), and each is compared
in full.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from ancile.data.checking.hashing import Words, mixed
from ancile.data.rows import Integers
from ancile.numeric import np

PIECE = 5  # characters
SHORTEST = 25  # characters of a text; shorter ones are alike by chance
LONGEST = 20_000  # characters of a text that are looked at
SHARED = 0.8  # of the pieces of both together
BANDS, ROWS = 16, 4  # finds 99.98 % of the pairs that share 0.8, and 6 % of those that share 0.2
MOST = 8  # candidates of a text in a band: of a flood one is as good as all
FACTORS = mixed(np.arange(1, BANDS * ROWS + 1, dtype=np.uint64)) | np.uint64(1)
NOT_WORDS = re.compile(r"[\W_]+")


def near_texts(train: Sequence[str], test: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs (text, text of the training set) that share most of their pieces; for each text the best."""
    base = _bands(train)
    found: dict[int, tuple[float, int]] = {}
    for at, candidates in _candidates(_bands(test), base):
        mine = _pieces(test[at])
        for other in candidates:
            theirs = _pieces(train[other])
            shared = np.intersect1d(mine, theirs, assume_unique=True).size
            share = shared / (mine.size + theirs.size - shared)
            if share >= SHARED and share > found.get(at, (0.0, 0))[0]:
                found[at] = share, other
    return [(at, other) for at, (_, other) in sorted(found.items())]


def _pieces(text: str) -> Words:
    """Different hashes of the pieces of a text; none of one that is too short."""
    plain = NOT_WORDS.sub(" ", unicodedata.normalize("NFKC", text[:LONGEST]).casefold()).strip()
    if len(plain) < SHORTEST:
        return np.zeros(0, dtype=np.uint64)
    letters = mixed(np.frombuffer(plain.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64))
    whole = np.zeros(len(letters) - PIECE + 1, dtype=np.uint64)
    for place in range(PIECE):
        whole = mixed(whole ^ letters[place : place + len(whole)])
    return np.unique(whole)


def _bands(texts: Sequence[str]) -> tuple[Words, Integers]:
    """(n, BANDS) a word for each band of the texts that are long enough, and which those are."""
    found, places = [], []
    for at, text in enumerate(texts):
        pieces = _pieces(text)
        if pieces.size:
            least = np.array(
                [(pieces * factor >> np.uint64(16)).min() for factor in FACTORS], dtype=np.uint64
            )
            found.append(least)
            places.append(at)
    least = np.array(found, dtype=np.uint64).reshape(-1, BANDS, ROWS)
    words = np.zeros(least.shape[:2], dtype=np.uint64)
    for row in range(ROWS):
        words = mixed(words ^ least[:, :, row])
    return words, np.array(places, dtype=np.int64)


def _candidates(test: tuple[Words, Integers], base: tuple[Words, Integers]) -> Iterator[tuple[int, set[int]]]:
    """For each text the texts of the base that share a band with it."""
    found: dict[int, set[int]] = {}
    (words, places), (known, known_places) = test, base
    for band in range(BANDS):
        order = np.argsort(known[:, band], kind="stable")
        held = known[order, band]
        low, high = (np.searchsorted(held, words[:, band], side) for side in ("left", "right"))
        for at in np.flatnonzero(high > low):
            some = order[low[at] : min(high[at], low[at] + MOST)]
            found.setdefault(int(places[at]), set()).update(known_places[some].tolist())
    yield from found.items()
