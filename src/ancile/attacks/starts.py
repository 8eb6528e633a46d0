"""Where an attack begins, inside the ball: random, a corner, the middle of the range, output-diversified.

Each draws from the sample's own streams; ``step`` tells one restart's draws from another's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, get_args

from ancile.attacks.ball import Ball
from ancile.attacks.constraint import Constraint
from ancile.attacks.streams import Streams
from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from ancile.models.model import GradientModel
else:
    torch = needs("torch", "torch")

Start = Literal["random", "corner", "middle", "diverse", "sample"]

DIVERSE_STEPS = 2  # of length eps: Tashiro, Song, Ermon 2020, arXiv:2003.06878, section 4.1, white box
NOISE = 0.05  # of the range: two runs from the middle do not coincide


def start_at(
    start: Start,
    model: GradientModel,
    ball: Ball[torch.Tensor],
    constraint: Constraint,
    rng: Streams,
    *,
    step: int = 0,
    purpose: str = "start",
) -> torch.Tensor:
    """The start of this name for each sample of the ball."""
    if start == "random":
        return random_start(ball, rng, step=step, purpose=purpose)
    if start == "corner":
        return corner_start(ball, rng, step=step, purpose=purpose)
    if start == "middle":
        return middle_start(ball, constraint, rng, step=step, purpose=purpose)
    if start == "diverse":
        return diverse_start(model, ball, rng, step=step, purpose=purpose)
    if start == "sample":
        return ball.around.clone()
    raise AncileError(
        "no such start", value=plain(f"start={start}"), remedy=f"give one of {', '.join(get_args(Start))}"
    )


def random_start(
    ball: Ball[torch.Tensor], rng: Streams, *, step: int = 0, purpose: str = "start"
) -> torch.Tensor:
    """A point drawn evenly from the ball, then cut by the bounds; in L0 random places at random values.

    Evenly in L1: Calafiore, Dabbene, Tempo 1998, exponential lengths and one more than there are features.
    """
    around, size = ball.around, ball.around[0].numel()
    if ball.still:
        return around.clone()
    if ball.norm == "l0":
        return _scattered(ball, rng, step, purpose)
    if ball.norm == "linf":
        drawn = 2.0 * rng.uniform(f"{purpose}-start", size, step=step) - 1.0
    else:
        movable = _movable(ball)
        drawn = _within(ball.norm == "l1", movable, rng, step, purpose)
    shift = _tensor(drawn, ball) * ball.eps
    return ball.project((around + (shift if ball.unit is None else shift * ball.unit)).to(around.dtype))


def corner_start(
    ball: Ball[torch.Tensor], rng: Streams, *, step: int = 0, purpose: str = "corner"
) -> torch.Tensor:
    """A corner of the ball: in Linf each feature at an end, in L2 a diagonal, else some all the way."""
    size = ball.around[0].numel()
    if ball.still:
        return ball.around.clone()
    drawn = rng.signs(f"{purpose}-sign", size, step=step)
    if ball.norm in ("l1", "l0"):
        drawn = drawn * rng.uniform(f"{purpose}-place", size, step=step)
    return ball.step_(ball.around.clone(), _tensor(drawn, ball).to(ball.around.dtype), ball.eps)


def middle_start(
    ball: Ball[torch.Tensor],
    constraint: Constraint,
    rng: Streams,
    *,
    share: float = 0.5,
    step: int = 0,
    purpose: str = "middle",
) -> torch.Tensor:
    """The point of the ball nearest to a constant ``share`` of the way from low to high, with a little noise.

    A network that thresholds its input has no gradient at the ball's corners; from the middle it has.
    """
    around = ball.around
    noise = _tensor(2.0 * rng.uniform(f"{purpose}-start", around[0].numel(), step=step) - 1.0, ball)
    low, high = (
        torch.as_tensor(np.asarray(v), dtype=torch.float64, device=around.device)
        for v in (constraint.low, constraint.high)
    )
    return ball.project((low + (high - low) * (share + NOISE * noise)).to(around.dtype))


def diverse_start(
    model: GradientModel, ball: Ball[torch.Tensor], rng: Streams, *, step: int = 0, purpose: str = "diverse"
) -> torch.Tensor:
    """A random start pushed towards random logits: Tashiro, Song, Ermon 2020, arXiv:2003.06878, equation 4.

    Cost: 2 forwards, 2 backwards a sample.
    """
    x = random_start(ball, rng, step=step, purpose=purpose)
    drawn = 2.0 * rng.uniform(f"{purpose}-logits", model.traits.classes, step=step) - 1.0
    wanted = torch.from_numpy(drawn).to(x)
    for _ in range(DIVERSE_STEPS):
        gradient = model.gradient(x, lambda logits: (logits * wanted).sum()).gradient
        x = ball.step_(x, gradient, ball.eps)
    return x


def _within(
    cross: bool, movable: NDArray[np.bool_], rng: Streams, step: int, purpose: str
) -> NDArray[np.float64]:
    """(n, size) even draws from the unit ball of the movable features, in L1 where ``cross``, else in L2."""
    size = len(movable)
    if cross:
        signs = rng.signs(f"{purpose}-start", size, step=step)
        lengths = -np.log(rng.uniform(f"{purpose}-length", size + 1, step=step))
        total = (lengths[:, :size] * movable).sum(axis=1, keepdims=True) + lengths[:, size:]
        return np.asarray(signs * movable * lengths[:, :size] / total)
    direction = rng.normal(f"{purpose}-start", size, step=step) * movable
    length = np.sqrt((direction**2).sum(axis=1, keepdims=True))
    radius = rng.uniform(f"{purpose}-radius", 1, step=step) ** (1.0 / max(1.0, movable.sum()))
    return np.asarray(direction / np.where(length > 0, length, 1.0) * radius)


def _scattered(ball: Ball[torch.Tensor], rng: Streams, step: int, purpose: str) -> torch.Tensor:
    """As many random places as may change, each at a random value within its bounds."""
    share = _tensor(rng.uniform(f"{purpose}-start", ball.around[0].numel(), step=step), ball)
    x = (ball.low + (ball.high - ball.low) * share).to(ball.around.dtype)
    places = ball.changed(x)
    order = torch.from_numpy(rng.uniform(f"{purpose}-place", ball.spots.places, step=step)).to(places.device)
    order = torch.where(places, order, 2.0)
    count = min(math.floor(ball.eps), ball.spots.places)
    chosen = torch.zeros_like(places).scatter(1, order.argsort(dim=1, stable=True)[:, :count], value=True)
    return ball.project(ball.only(x, chosen))


def _tensor(drawn: NDArray[np.float64], ball: Ball[torch.Tensor]) -> torch.Tensor:
    return torch.from_numpy(drawn.reshape(ball.around.shape)).to(device=ball.around.device)


def _movable(ball: Ball[torch.Tensor]) -> NDArray[np.bool_]:
    unit = torch.ones((), dtype=torch.float64) if ball.unit is None else ball.unit.cpu()
    return np.asarray((unit > 0).expand(ball.around.shape[1:]).reshape(-1).numpy())
