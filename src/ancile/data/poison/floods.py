"""Rows that stand in a set far more often than any honest row is repeated.

Who repeats a row makes a model learn it by heart, and lets a single source outvote all others. Honest sets
repeat rows, too, a few of them often: how often is taken from the sixth most frequent row, so that some
floods do not hide each other, and falls off as a power law. Labels are not looked at; rows collected twice
look the same, so this alone is never a finding.
"""

from __future__ import annotations

import re
from functools import partial
from hashlib import blake2b

from ancile.data.poison.grouped import Pattern, signal_of
from ancile.data.poison.shared import Shared
from ancile.data.poison.signal import Signal
from ancile.data.rows import Content, Integers, Pictures, Rows, Texts
from ancile.numeric import np

LEAST = 5  # copies
BESIDE = 5  # more frequent rows than the one that says what is honest
FALL = 2.0  # twice as many copies are a quarter as likely, a steep law as such laws go (Newman 2005)
MOST = 2.5  # that is said of copies
SPACES = re.compile(r"\s+")


def floods(rows: Rows, shared: Shared) -> Signal:
    """Copies of rows; of texts also those that differ in case and spaces alone."""
    shared.told("copies")
    place, count = np.unique(_keys(rows.content, len(rows)), return_inverse=True, return_counts=True)[1:]
    largest = np.sort(count)[::-1]
    usual = int(largest[min(BESIDE, len(largest) - 1)]) if len(largest) else 0
    repeated = int((count > 1).sum())
    patterns = []
    for one in np.flatnonzero(count >= LEAST):
        evidence = min(FALL * np.log10(count[one] / usual) - np.log10(repeated), MOST)
        if evidence > 0:
            who = np.flatnonzero(place == one)
            what = partial(_told, len(who), usual)
            patterns.append(Pattern(what, who, who, _label(rows.y, who), float(evidence), np.ones(len(who))))
    return signal_of("floods", patterns, len(rows))


def _keys(content: Content, many: int) -> Integers:
    """(n,) 64 bits of what a row holds; equal rows have equal ones."""
    if isinstance(content, Texts):
        parts = [
            SPACES.sub(" ", one.lower()).strip().encode("utf-8", "surrogatepass") for one in content.texts
        ]
    elif isinstance(content, Pictures):
        parts = [one.tobytes() for one in content.pixels]
    else:
        cells = np.hstack([content.numbers + 0.0, content.codes.astype(np.float64)])  # -0 becomes 0
        cells[np.isnan(cells)] = np.nan  # one of the many forms of it
        parts = [one.tobytes() for one in cells]
    digests = b"".join(blake2b(one, digest_size=8).digest() for one in parts)
    return np.frombuffer(digests, np.int64, many)


def _label(y: Integers | None, who: Integers) -> int:
    return int(y[who[0]]) if y is not None and (y[who] == y[who[0]]).all() else -1


def _told(of: int, usual: int) -> str:
    return f"a row stands in the set {of} times; the sixth most frequent one {usual} times"
