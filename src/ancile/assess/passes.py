"""How many passes of a model that draws lots are right, and how many have to be.

A sample stands where most passes are right beyond doubt, by the test with which a smoothed classifier
abstains (Cohen et al., ICML 2019, arXiv:1902.02918, section 3.2.2): whoever may ask again soon has the wrong
answer from a model that is right hardly more often than a coin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.assess.run import predicted, wrong
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.models.model import Model

PASSES = 10
HALF = 0.5  # of the passes over a sample as it is, more than which have to be right
SURE = 0.9  # of those over an example: a fair coin does so in 1 of 93 times, and 0.8 in 1 of 18


def rights(
    model: Model, x: NDArray[np.float32], y: NDArray[np.int64], *, passes: int = PASSES
) -> NDArray[np.bool_]:
    """(passes, n) whether each pass got each sample right, or gave no answer."""
    return np.stack([~wrong(predicted(model, x), y) for _ in range(passes)])


def fooled(right: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n,) from (passes, n) whether it is in doubt that most passes are right."""
    return np.asarray(right.mean(axis=0) < SURE)
