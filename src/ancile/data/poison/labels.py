"""Labels that the rest of the set speaks against: each row beside what models say that did not see it.

Of more than two classes, exchanges that go one way back each other up. The chance that a label is right,
added up over the rows that are as bad or worse, is how many of them are clean.
"""

from __future__ import annotations

from ancile.data.poison.exchange import posterior
from ancile.data.poison.shared import Shared
from ancile.data.poison.signal import Signal
from ancile.data.rows import Integers, Reals, Rows
from ancile.numeric import np

MOST = 2.9  # below what is a finding by itself: hard rows of an honest set have labels that nobody expects


def unexpected_labels(rows: Rows, shared: Shared) -> Signal:
    """Of each row how little the others expect its label; never a finding by itself."""
    y = shared.labels
    said = shared.probabilities
    own = chance_right(said, y)
    others = np.array(said, copy=True)
    others[np.arange(len(y)), y] = -1
    other = others.argmax(axis=1)

    def reason(row: int) -> str:
        return (
            f"the other rows speak for {rows.classes[other[row]]!r} ({said[row, other[row]]:.0%}), "
            f"not for {rows.classes[y[row]]!r} ({said[row, y[row]]:.1%})"
        )

    return Signal(name="unexpected label", score=rarity(own), reason=reason)


def chance_right(said: Reals, y: Integers) -> Reals:
    """(n,) of each label: what models say of it, and what is left of that when exchanges are reckoned with.

    The root of the first times the second: where models are weak, their own mistakes look like exchanges.
    """
    own = said[np.arange(len(y)), y]
    if said.shape[1] < 3:  # there is one other class: exchanges would only say which of the two is larger
        return own
    found: Reals = np.sqrt(own) * posterior(said, y)[np.arange(len(y)), y]
    return found


def rarity(right: Reals) -> Reals:
    """From the chance (n,) that a label is right: log10(1 + 1/e), e the right ones as bad; below 2.9."""
    order = np.argsort(right, kind="stable")
    expected = np.empty_like(right)
    expected[order] = np.cumsum(right[order])
    found: Reals = MOST * np.tanh(np.log10(1 + 1 / np.maximum(expected, 1e-300)) / MOST)
    return found
