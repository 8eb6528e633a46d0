"""Labels that the rest of the set speaks against: each row beside what models say that did not see it.

Of more than two classes, exchanges that go one way back each other up. How much is too much comes from the
models themselves: where labels are drawn as they say, so many rows get a label that is as bad or worse.
"""

from __future__ import annotations

from ancile.data.poison.exchange import posterior
from ancile.data.poison.exchanged import exchanges
from ancile.data.poison.guesses import LEAST
from ancile.data.poison.shared import Shared
from ancile.data.poison.signal import Signal
from ancile.data.rows import Integers, Reals, Rows
from ancile.numeric import np

DRAWS = 5  # of labels as the models say
MOST = 2.9  # below what is a finding by itself: hard rows of an honest set have labels that nobody expects


def unexpected_labels(rows: Rows, shared: Shared) -> Signal:
    """Of each row how little the others expect its label; never a finding by itself."""
    y = shared.labels
    said = shared.probabilities
    own = chance_right(said, y)
    for one in exchanges(posterior(said, y), y):
        own[one.rows] *= 10.0 ** -max(one.evidence, 0)
    others = np.array(said, copy=True)
    others[np.arange(len(y)), y] = -1
    other = others.argmax(axis=1)

    def reason(row: int) -> str:
        return (
            f"the other rows speak for {rows.classes[other[row]]!r} ({said[row, other[row]]:.0%}), "
            f"not for {rows.classes[y[row]]!r} ({said[row, y[row]]:.1%})"
        )

    return Signal(
        name="unexpected label", score=rarity(as_bad(said, own, shared.rng("labels"))), reason=reason
    )


def chance_right(said: Reals, y: Integers) -> Reals:
    """(n,) of each label: what models say of it, and what is left of that when exchanges are reckoned with.

    The root of the first times the second: where models are weak, their own mistakes look like exchanges.
    """
    said = np.maximum(said, LEAST)  # of two labels that were thought impossible one is still more so
    own: Reals = said[np.arange(len(y)), y]
    if said.shape[1] < 3:  # there is one other class: exchanges would only say which of the two is larger
        return own
    found: Reals = np.sqrt(own) * posterior(said, y)[np.arange(len(y)), y]
    return found


def as_bad(said: Reals, right: Reals, rng: np.random.Generator) -> Reals:
    """(n,) how many rows are as bad or worse where every label is drawn as the models say."""
    sure = said.cumsum(axis=1)
    drawn = []
    for _ in range(DRAWS):
        y = (rng.random((len(said), 1)) * sure[:, -1:] > sure).sum(axis=1)
        drawn.append(chance_right(said, np.minimum(y, said.shape[1] - 1)))
    null = np.sort(np.concatenate(drawn))
    # between what was drawn no two are as bad; below all of it: as rare as it is improbable
    count = np.interp(right, null, np.arange(1, len(null) + 1) / DRAWS)
    found: Reals = np.where(right < null[0], right / max(float(null[0]), 1e-300) / DRAWS, count)
    return found


def rarity(expected: Reals) -> Reals:
    """log10(1 + 1/e), e how many rows (n,) of a clean set are as bad or worse; below 2.9."""
    found: Reals = MOST * np.tanh(np.log10(1 + 1 / np.maximum(expected, 1e-300)) / MOST)
    return found
