"""Fast gradient sign method: Goodfellow, Shlens, Szegedy, ICLR 2015, arXiv:1412.6572, section 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.attacks.constraint import Constraint
from ancile.attacks.losses import choose
from ancile.attacks.stop import OnStep, stopped
from ancile.attacks.streams import Streams

if TYPE_CHECKING:
    import torch

    from ancile.models.model import GradientModel


def fgsm(
    model: GradientModel,
    x: torch.Tensor,
    y: torch.Tensor,
    constraint: Constraint,
    rng: Streams,  # noqa: ARG001 - one signature for all attacks
    *,
    loss: str = "ce",
    on_step: OnStep = None,
) -> torch.Tensor:
    """One step along the gradient to the surface of the ball around each sample.

    x        (n, *shape), in the data's own units
    y        (n,) true labels
    loss     ``ce``, ``margin`` or ``dlr``
    on_step  asked once, before the step; True leaves the samples as they are
    returns  (n, *shape) inside the ball; whether it fools the model is the caller's to judge

    Linf takes the gradient's sign, L2 its direction (fast gradient method), L1 fills the room of the steepest
    features, L0 takes those that gain most to a bound. A sample without gradient stays as it is. Draws
    nothing from ``rng``. Cost: 1 forward, 1 backward a sample; nothing where eps is 0.
    """
    if constraint.eps == 0 or not len(x) or stopped(on_step):
        return x.clone()
    raised = choose(loss, model.traits.classes).function
    ball = constraint.ball(x)
    gradient = model.gradient(x, lambda logits: raised(logits, y).sum()).gradient
    return ball.step_(x.clone(), gradient, constraint.eps)
