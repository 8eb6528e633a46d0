"""One attack of the table against one model, arrays in and arrays out, whatever the attack works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from ancile.attacks.constraint import Constraint
from ancile.attacks.streams import Streams
from ancile.attacks.table import row
from ancile.core.extras import needs
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.models.model import GradientModel, Model

Stop = Callable[[], bool]


def launch(
    attack: str,
    model: Model,
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    constraint: Constraint,
    rng: Streams,
    *,
    settings: Mapping[str, str | int | float],
    stop: Stop,
) -> NDArray[np.float32]:
    """Candidates (n, *shape) of the named attack, in the ball; whether they fool is the caller's to judge.

    settings  keyword arguments of the attack
    stop      asked between steps; True ends the attack with the best found so far
    """
    function = row(attack).load()
    if row(attack).needs != "gradients":
        return np.asarray(
            function(model.scores, x, y, constraint, rng, on_step=stop, **settings), dtype=np.float32
        )
    torch = needs("torch", "torch")
    white = cast("GradientModel", model)
    inputs = torch.from_numpy(x).to(device=white.device, dtype=white.dtype)
    labels = torch.from_numpy(y).to(device=white.device)
    found = function(white, inputs, labels, constraint, rng, on_step=stop, **settings)
    rounded = np.asarray(found.detach().to(device="cpu", dtype=torch.float32).numpy())
    # What float64 holds inside the ball may round to float32 outside of it
    return rounded if white.dtype == torch.float32 else constraint.project(rounded, x)
