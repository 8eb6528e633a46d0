"""Classes that a model never gives and yet holds as its second choice: a search that leaves them out.

What attacks raise is the likeliest wrong class. A class that always comes second and never first leads them
astray, though every gradient keeps its promise; the indicators of Pintor et al. 2022 see nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from ancile.assess.run import UNBROKEN, Job, State, predicted
from ancile.attacks.streams import Streams
from ancile.core.extras import needs
from ancile.models.around import Reread
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from ancile.core.strength import Effort
    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

SHARE = 0.25  # of the samples, that such a class comes second on
REPEATS = (
    3  # samples on which each of them does so: where there are many classes, chance has others each time
)
BEHIND = 1.0  # below the least of the other logits


def decoys(job: Job, state: State, right: NDArray[np.intp]) -> NDArray[np.intp]:
    """The classes that the model gave to nothing so far and that come second again and again; mostly none."""
    scores, y = predicted(job.model, job.samples.x), job.samples.y
    met = state.scores[state.broken_by != UNBROKEN]
    given = np.zeros(scores.shape[1], dtype=np.bool_)
    for classes in (y, scores.argmax(axis=1), met[np.isfinite(met).all(axis=1)].argmax(axis=1)):
        given[classes] = True
    others = scores[right].copy()
    others[np.arange(len(right)), y[right]] = -np.inf
    second = others.argmax(axis=1)
    lures = second[~given[second]]
    often = len(lures) >= SHARE * len(right) and len(lures) >= REPEATS * len(np.unique(lures))
    return np.flatnonzero(~given) if often else np.empty(0, dtype=np.intp)


def undeceived(
    job: Job, left_out: NDArray[np.intp], *, effort: Effort
) -> Callable[[NDArray[np.float32], NDArray[np.int64], Streams], NDArray[np.float32]]:
    """A cascade on the network without some of its classes."""
    from ancile.attacks.cascade import cascade  # noqa: PLC0415 - an extra

    view = _Without(cast("GradientModel", job.model), left_out)

    def found(x: NDArray[np.float32], y: NDArray[np.int64], streams: Streams) -> NDArray[np.float32]:
        inputs = torch.from_numpy(x).to(device=view.device, dtype=view.dtype)
        labels = torch.from_numpy(y).to(view.device)
        got = cascade(view, inputs, labels, job.constraint, streams, effort=effort, on_step=job.stop)
        return job.constraint.project(got.cpu().numpy().astype(np.float32), x)

    return found


class _Without(Reread):
    """A ``GradientModel`` in which some classes come last."""

    def __init__(self, model: GradientModel, left_out: NDArray[np.intp]) -> None:
        super().__init__(model)
        self._out = torch.zeros(model.traits.classes, dtype=torch.bool, device=model.device)
        self._out[torch.from_numpy(left_out)] = True

    def read(self, logits: torch.Tensor) -> torch.Tensor:
        """(n, classes) those of the model inside, but for the classes that come last."""
        kept = logits[:, ~self._out]
        return torch.where(self._out, kept.amin(dim=1, keepdim=True).detach() - BEHIND, logits)
