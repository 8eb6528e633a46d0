"""Which class is exchanged for which, and what that says of each row: a mixture with a table of exchanges.

Dawid and Skene 1979, with what the models say as the prior of a row's class: given label b has, under class
a, the chance T[a, b], learnt with the classes in turn. Wrong labels that go one way back each other up.
"""

from __future__ import annotations

from ancile.data.rows import Integers, Reals
from ancile.numeric import np

ROUNDS = 20
WRONG = 0.02  # share of wrong labels at the start
PRIOR = 0.5  # of a row for every kind of exchange, as Jeffreys has it: none is impossible


def posterior(said: Reals, y: Integers) -> Reals:
    """(n, classes) of the class that each row really has, by what models say and how labels are exchanged."""
    classes = said.shape[1]
    table = np.full((classes, classes), WRONG / classes)
    table[np.arange(classes), np.arange(classes)] = 1 - WRONG
    real = said
    for _ in range(ROUNDS):
        real = said * table[:, y].T
        real = real / real.sum(axis=1, keepdims=True)
        counts = np.zeros((classes, classes))
        np.add.at(counts.T, y, real)
        table = counts + PRIOR
        table = table / table.sum(axis=1, keepdims=True)
    found: Reals = real
    return found
