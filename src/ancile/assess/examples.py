"""The file of adversarial examples: whoever doubts a figure checks it with ten lines of numpy."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ancile.numeric import np

if TYPE_CHECKING:
    from ancile.assess.result import Result


def examples_file(result: Result) -> bytes:
    """An .npz of index (row of the data), x, y, x_adv, label_before, label_after and distance.

    One row a drawn sample; ``x_adv`` is ``x`` where nothing was found, and distances are in the norm of the
    constraint.
    """
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        index=result.samples.ids,
        x=result.samples.x,
        y=result.samples.y,
        x_adv=result.x_adv,
        label_before=result.scores.argmax(axis=1),
        label_after=result.attacked_scores.argmax(axis=1),
        distance=result.distances,
    )
    return buffer.getvalue()
