"""Labels that the rest of the set speaks against: each row beside what models say that did not see it.

How much is too much comes from the models themselves: where labels are drawn as they say, so many rows get a
label that is this improbable or more.
"""

from __future__ import annotations

from ancile.data.poison.shared import Shared
from ancile.data.poison.signal import Signal
from ancile.data.rows import Reals, Rows
from ancile.numeric import np

MOST = 2.9  # below what is a finding by itself: hard rows of an honest set have labels that nobody expects


def unexpected_labels(rows: Rows, shared: Shared) -> Signal:
    """Of each row how little the others expect its label; never a finding by itself."""
    y = shared.labels
    said = shared.probabilities
    own = said[np.arange(len(y)), y]
    least = np.array(said, copy=True)
    least[np.arange(len(y)), y] = -1
    other = least.argmax(axis=1)

    def reason(row: int) -> str:
        return (
            f"the other rows speak for {rows.classes[other[row]]!r} ({said[row, other[row]]:.0%}), "
            f"not for {rows.classes[y[row]]!r} ({own[row]:.1%})"
        )

    return Signal(name="unexpected label", score=np.minimum(rarity(said, own), MOST), reason=reason)


def rarity(said: Reals, own: Reals) -> Reals:
    """log10(1 + 1/e), e the number of rows that are as improbable where labels are drawn as ``said`` says."""
    flat = np.sort(said, axis=None)
    expected = np.cumsum(flat)[np.searchsorted(flat, own, side="right") - 1]
    found: Reals = np.log10(1 + 1 / np.maximum(expected, 1e-300))
    return found
