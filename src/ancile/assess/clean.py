"""The pass over the samples as they are: what can be judged at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ancile.assess.run import BATCH, Samples, predicted
from ancile.core.errors import AncileError
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.models.model import Model


class Clean(NamedTuple):
    """The samples that were reached, and the scores (n, classes) on them."""

    samples: Samples
    scores: NDArray[np.float64]
    complete: bool


def clean_pass(model: Model, samples: Samples, stop: Callable[[], bool]) -> Clean:
    """Scores batch by batch until ``stop`` or Ctrl-C; what was reached until then is what is judged.

    Raises AncileError where not one batch was reached.
    """
    parts: list[NDArray[np.float64]] = []
    try:
        for start in range(0, len(samples.y), BATCH):
            if stop():
                break
            parts.append(predicted(model, samples.x[start : start + BATCH]))
    except KeyboardInterrupt:
        pass
    if not parts:
        raise AncileError(
            "stopped before the model had judged one batch",
            value=f"0 of {len(samples.y)} samples",
            remedy="run the same command again, with a larger --budget or fewer --samples",
        )
    scores = np.concatenate(parts)
    n = len(scores)
    reached = Samples(samples.ids[:n], samples.x[:n], samples.y[:n])
    return Clean(reached, scores, complete=n == len(samples.y))
