"""Models whose gradients mislead: none passes, none looks stronger than it is, and no honest one is accused.

At ``quick``. The best attack on a masked network is the better of ours and of a long PGD of someone who knows
the mask: it climbs on the network below it and tries what it meets on the masked one. Stochastic networks are
judged by most of several passes. A network that is refused with an error has neither figure nor pass. The
control ignores what the second look found.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import NamedTuple

import numpy as np
import torch

import masked_models
from ancile.assess.evasion import Assessment, Context, Settings, assess_evasion
from ancile.assess.run import Samples
from ancile.attacks.constraint import Constraint
from ancile.attacks.losses import margin
from ancile.core.errors import AncileError
from ancile.core.subject import Subject, digest_of
from ancile.models.in_process import model_here
from bar import Bar
from masked_models import Case

SAMPLES = 60
STEPS, EVERY, PASSES, JUDGED, HALF = 60, 4, 10, 30, 0.5
DRAWS = 8  # passes whose mean gradient is followed where a network draws lots
POINTS = 3.0  # above the best attack that a figure may lie
ACCUSATIONS = frozenset(
    f"evasion-{name}"
    for name in (
        "lost-gradient", "masked-gradient", "saturated-scores", "unsteady-model", "company", "weak-attack",
        "unbounded-failure", "single-step",
    )
)  # fmt: skip


class Seen(NamedTuple):
    """What was found of one model; figures in percent, ``first`` before the second look."""

    figure: float
    first: float
    best: float
    outcome: str
    first_outcome: str
    accused: tuple[str, ...]


@cache
def seen(case: Case) -> Seen:
    """The assessment of one model, and the attack of someone who knows its mask."""
    torch.manual_seed(0)
    net, (x, y) = case.make(), masked_models.samples(case.world, SAMPLES)
    try:
        made = assessed(case, net, x, y)
    except AncileError as refusal:  # no figure, no pass: nothing flatters
        told = f"refused: {refusal.what}"
        return Seen(0.0, 0.0, 0.0, told, told, ())
    result, findings = made.result, made.report.findings
    places = [i for i, effect in enumerate(result.state.log) if not effect.name.startswith("doubt")]
    early = result.correct & ~(result.broken & np.isin(result.broken_by, places))
    statuses: dict[str, str] = {f.check: f.status for f in findings if f.status in ("WARN", "ERROR")}
    errors = {name for name, status in statuses.items() if status == "ERROR"}
    figure = 100 * float(result.robust.mean())
    known = figure if case.kind == "honest" else 100 * knowing(case, net, x, y)
    return Seen(
        figure=figure,
        first=100 * float(early.mean()),
        best=min(figure, known),
        outcome=made.report.outcome,
        first_outcome="no_conclusion" if errors - ACCUSATIONS else "pass",
        accused=tuple(sorted(set(statuses) & ACCUSATIONS)),
    )


def assessed(case: Case, net: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> Assessment:
    """As ``ancile assess --effort quick`` does."""
    rows, subject = x.numpy(), Subject(kind="model", name=case.name, digest=digest_of(case.name.encode()))
    return assess_evasion(
        model_here(net, rows[:64]).model,
        Samples(np.arange(len(rows), dtype=np.int64), rows, y.numpy()),
        Constraint(norm="linf", eps=case.eps),
        settings=Settings(effort="quick", curve=False),
        context=Context(subject=subject, data=subject, available=len(rows)),
    )


def knowing(case: Case, net: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Robust accuracy of the masked network against PGD on the one below, and on itself where it draws lots."""
    worst, least = x.clone(), right(net, x, y, PASSES)
    grounds = [(case.base(), 1), *([(net, DRAWS)] if case.kind in masked_models.DRAWN else [])]
    low, high = (x - case.eps).clamp_min(0), (x + case.eps).clamp_max(1)
    drawn = torch.Generator().manual_seed(0)
    other = low + (high - low) * torch.rand(x.shape, generator=drawn)
    for (ground, draws), start in itertools.product(grounds, (x, other)):
        at = start
        for step in range(STEPS):
            leaf = at.detach().requires_grad_()
            total = torch.stack([margin(ground(leaf), y).sum() for _ in range(draws)]).sum()
            (gradient,) = torch.autograd.grad(total, leaf)
            move = case.eps * 0.5 * (1 - step / STEPS)
            at = (at + move * gradient.sign()).clamp(low, high)
            if step % EVERY == EVERY - 1:
                share = right(net, at, y, PASSES)
                better = share < least
                worst[better], least[better] = at[better], share[better]
    # The least of many shares flatters the attack: what was chosen is judged on passes of its own
    stands = (right(net, x, y, JUDGED) > HALF) & (right(net, worst, y, JUDGED) > HALF)
    return float(stands.float().mean())


def right(net: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, passes: int) -> torch.Tensor:
    """(n,) share of passes that are right, or give no answer."""
    with torch.no_grad():
        found = torch.stack([net(x) for _ in range(passes)])
    return ((found.argmax(dim=2) == y) | ~found.isfinite().all(dim=2)).float().mean(dim=0)


def of_kind(kind: str, cases: list[Case], *, control: bool) -> Bar:
    """The bar of one kind of mask."""
    found = {case.name: seen(case) for case in cases}
    words, met = [], True
    for name, one in found.items():
        figure, outcome = (one.first, one.first_outcome) if control else (one.figure, one.outcome)
        met &= outcome != "pass" and figure <= one.best + POINTS
        words.append(f"{name}: {outcome}, {figure:.0f} (best attack {one.best:.0f}) %")
    return Bar(
        claim=f"masked gradients, {kind}: no pass and no figure that flatters",
        measured="; ".join(words),
        wanted=f"no pass, at most {POINTS:g} points above the best attack",
        met=met,
    )


def measure(control: bool = False) -> list[Bar]:
    """One bar a kind, and one for the honest; the control of that has a masked one among them."""
    masked = list(masked_models.masked())
    bars = [
        of_kind(kind, [case for case in masked if case.kind == kind], control=control)
        for kind in masked_models.KINDS
    ]
    honest = [*masked_models.honest(), *(masked[:1] if control else [])]
    found = {case.name: seen(case) for case in honest}
    words = [
        f"{name}: {one.figure:.0f} %{', ' + ', '.join(one.accused) if one.accused else ''}"
        for name, one in found.items()
    ]
    bars.append(
        Bar(
            claim="honest models are not accused of masking (fast_at and pgd_at threshold pixels, "
            "but their slopes are those of their shape)",
            measured="; ".join(words),
            wanted="no finding of a mask",
            met=not any(one.accused for one in found.values()),
        )
    )
    return bars


if __name__ == "__main__":
    torch.set_num_threads(1)
    for bar in measure():
        print(bar)
