"""The cascade or AutoAttack on one network from a file, in one thread; prints JSON. Run in the peers' environment.

    cascade_race.py FILE NORM EPS SIDE      SIDE: autoattack, an effort of the cascade, or one of CONTROLS

FILE is of `nets.save`. Time is CPU, the cascade's with its trial of search forms, its confirmations and one
more pass over what it hands back. Robust accuracy is judged by the network; a result outside ball or bounds by
over 1e-6 counts as robust.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np
import torch

from ancile.attacks.cascade import Means, advance, begin
from ancile.attacks.constraint import Constraint
from ancile.attacks.standing import batches
from ancile.attacks.streams import Streams
from ancile.models.form import search_form
from ancile.models.torch_module import torch_model
from nets import World, load

BATCH = 250  # of AutoAttack, as in its own examples
TRIAL = 0.5  # CPU seconds at most for trying search forms
CONTROLS = {"clean": 1, "opening": 2}  # phases after which a control ends: the samples as they are, one climb
# Of AutoAttack's standard ensemble what two classes leave: its targeted parts need four
FEW_CLASSES = ("apgd-ce", "fab", "square")


def cascade(here: World, norm: str, eps: float, effort: str) -> torch.Tensor:
    """The cascade's candidates; of a control those after its first phases."""
    model = torch_model(here.net, classes=here.classes, output="logits")
    search, form = search_form(model, here.x[:128], seconds=TRIAL)
    constraint, rng = Constraint(norm, eps), Streams(0, np.arange(len(here.x)))  # type: ignore[arg-type]  # from the command line
    run = begin(
        model, here.x, here.y, constraint, rng,
        effort="quick" if effort in CONTROLS else effort,  # type: ignore[arg-type]  # likewise
        means=Means(search, batch=form.batch),
    )  # fmt: skip
    while advance(run):
        if len(run.log) == CONTROLS.get(effort):
            break
    return run.candidates


def autoattack(here: World, norm: str, eps: float) -> torch.Tensor:
    """AutoAttack's standard version, without its targeted parts where there are fewer than four classes."""
    from pyautoattack import AutoAttack  # type: ignore[import-not-found]  # of the peers' environment

    rows = here.x.ndim == 2  # its Square attack knows images alone: a row is one of a single line
    net = torch.nn.Sequential(torch.nn.Flatten(), here.net) if rows else here.net
    x = here.x[:, None, None] if rows else here.x
    named = {"linf": "Linf", "l2": "L2", "l1": "L1"}[norm]
    custom = {"version": "custom", "attacks": list(FEW_CLASSES)} if here.classes < 4 else {}
    attack = AutoAttack(net, norm=named, eps=eps, seed=0, device="cpu", **custom)
    if custom:
        attack.apgd.n_restarts, attack.fab.n_restarts, attack.square.n_queries = 1, 1, 5000
    found: torch.Tensor = attack.run_standard_evaluation(x, here.y, batch_size=BATCH)[0]
    return found.reshape(here.x.shape)


def stands(here: World, found: torch.Tensor, norm: str, eps: float) -> torch.Tensor:
    """(n,) whether the network is right on the sample and on what was found for it."""
    change = (found - here.x).flatten(1).double()
    order = {"linf": torch.inf, "l2": 2, "l1": 1}[norm]
    inside = (change.norm(order, dim=1) <= eps + 1e-6) & ((found >= 0) & (found <= 1)).flatten(1).all(dim=1)
    clean, right = right_on(here, here.x), right_on(here, found)
    return torch.logical_and(clean, torch.logical_or(right, ~inside))


def right_on(here: World, x: torch.Tensor) -> torch.Tensor:
    """(n,) whether the network decides as the labels say."""
    with torch.no_grad():
        decided = torch.cat([here.net(part) for part in batches(x, 256)]).argmax(dim=1)
    return torch.eq(decided, here.y)


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    here, norm, eps, side = load(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4]
    start = time.process_time()
    found = autoattack(here, norm, eps) if side == "autoattack" else cascade(here, norm, eps, side)
    standing = stands(here, found, norm, eps)
    print(json.dumps({"seconds": time.process_time() - start, "stands": standing.tolist()}))


if __name__ == "__main__":
    main()
