"""Searches for the nearest adversarial example against their peers on one network, in one thread; prints JSON.

    nearest_race.py FILE [--control]      run in the peers' environment; FILE is of `nets.save`

Each side runs in turn, RUNS times, on the same samples with its own defaults, but for adv-lib's FMN steps, which are
Foolbox's 100 (its own 10 find little), with a first Linf step of 10 as in its paper, and both peers' Carlini-Wagner
steps. A race in which a side takes longer than LONG is run once. Distances are measured here; a result that the
network reads right, or that is out of bounds, is infinitely far. The control is ours alone, stopped after its first
step.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import count
from types import ModuleType

import numpy as np
import torch

from ancile.attacks.constraint import Constraint
from ancile.attacks.cw import cw
from ancile.attacks.deepfool import deepfool
from ancile.attacks.fmn import fmn
from ancile.attacks.streams import Streams
from ancile.models.torch_module import torch_model
from nets import World, load

RUNS = 2
LONG = 5.0  # seconds
ORDER = {"linf": torch.inf, "l2": 2.0, "l1": 1.0}
REACH = {"linf": 1.0, "l2": 1e3, "l1": 1e5, "l0": 1e6}  # all there is in [0, 1]
CONTROL_STEPS = 1
SHORT = "ancile, short form"  # of DeepFool: the likeliest class alone, and no turn at the end

Side = Callable[[], torch.Tensor]


def library() -> ModuleType:
    """adv-lib's attacks; what its other parts import and the attacks do not use is left empty."""
    for name in ("visdom", "torchvision", "torchvision.models"):
        sys.modules.setdefault(name, ModuleType(name))
    sys.modules["torchvision"].models = sys.modules["torchvision.models"]  # type: ignore[attr-defined]  # a stand-in
    import adv_lib.attacks

    attacks: ModuleType = adv_lib.attacks
    return attacks


def races(here: World, *, control: bool) -> dict[str, dict[str, Side]]:
    """Sides by attack and norm; the first is ours."""
    import foolbox

    peer, adv = foolbox.PyTorchModel(here.net, bounds=(0, 1)), library()
    model = torch_model(here.net, classes=here.classes, output="logits")
    rng = Streams(0, np.arange(len(here.x)))
    known = foolbox.attacks

    def mine(attack: Callable[..., torch.Tensor], norm: str, **settings: int) -> Side:
        constraint = Constraint(norm, REACH[norm])  # type: ignore[arg-type]  # one of the four
        calls = count()
        stop = (lambda: next(calls) >= CONTROL_STEPS) if control else None
        return lambda: attack(model, here.x, here.y, constraint, rng, on_step=stop, **settings)

    def foolbox_(attack: object) -> Side:
        return lambda: attack(peer, here.x, here.y, epsilons=None)[0]  # type: ignore[operator]  # untyped

    made: dict[str, dict[str, Side]] = {}
    for norm, fast in zip(REACH, ("LInfFMNAttack", "L2FMNAttack", "L1FMNAttack", "L0FMNAttack"), strict=True):
        first = {"\N{GREEK SMALL LETTER ALPHA}_init": 10.0} if norm == "linf" else {}
        made[f"fmn {norm}"] = {
            "ancile": mine(fmn, norm),
            "foolbox": foolbox_(getattr(known, fast)()),
            "adv-lib": partial(adv.fmn, here.net, here.x, here.y, ORDER.get(norm, 0), steps=100, **first),
        }
    for norm, deep in (("linf", "LinfDeepFoolAttack"), ("l2", "L2DeepFoolAttack")):
        made[f"deepfool {norm}"] = {
            "ancile": mine(deepfool, norm),
            SHORT: mine(deepfool, norm, classes=1, turns=0),
            "foolbox": foolbox_(getattr(known, deep)()),
            "adv-lib": partial(adv.df, here.net, here.x, here.y, norm=ORDER[norm]),
        }
    made["cw l2"] = {
        "ancile": mine(cw, "l2"),
        "foolbox": foolbox_(known.L2CarliniWagnerAttack(steps=CW_STEPS)),
        "adv-lib": lambda: adv.carlini_wagner_l2(here.net, here.x, here.y, max_iterations=CW_STEPS),
    }
    if control:
        return {
            name: {side: run for side, run in sides.items() if side in ("ancile", SHORT)}
            for name, sides in made.items()
        }
    return made


CW_STEPS = 100  # in each of its 9 rounds; its own 10,000 would take hours and 1,000 take minutes


def distances(here: World, found: torch.Tensor, norm: str) -> np.ndarray:
    """(n,) how far each result is."""
    with torch.no_grad():
        good = (here.net(found).argmax(1) != here.y) & ((found >= 0) & (found <= 1)).flatten(1).all(dim=1)
    change = (found - here.x).flatten(1).double()
    size = (change != 0).sum(dim=1).double() if norm == "l0" else change.norm(ORDER[norm], dim=1)
    return torch.where(good, size, torch.inf).numpy()


def main() -> None:
    """Print, for each race and side, CPU seconds of each run and the median distance."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    here = load(sys.argv[1])
    results: dict[str, dict[str, dict[str, object]]] = {}
    for name, sides in races(here, control="--control" in sys.argv).items():
        norm = name.split()[1]
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        median = {}
        while not any(sum(spent) > LONG or len(spent) == RUNS for spent in seconds.values()):
            for side, attack in sides.items():
                start = time.process_time()
                found = attack()
                seconds[side].append(time.process_time() - start)
                median[side] = float(np.median(distances(here, found.detach(), norm)))
        results[name] = {side: {"seconds": seconds[side], "median": median[side]} for side in sides}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
