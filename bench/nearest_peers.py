"""The nearest adversarial examples of FMN, DeepFool and Carlini-Wagner against Foolbox's and adv-lib's.

On an MNIST checkpoint that thresholds its input and on a small network for traffic signs, hardened here in a
minute. What nearest_race.py says of its settings holds for all sides. DeepFool has a short form here too, which
compares no classes and does not turn back: adv-lib's ends after a step or two on nets that threshold their input, farther
off, and our own default goes on. Needs the data beside the checkout.
"""

from __future__ import annotations

import json
import math
import tempfile
from functools import cache
from pathlib import Path
from statistics import median

import nets
from bar import Bar
from peers import in_peers

MOST = 0.5  # of a peer's CPU time
SAMPLES = 100
SLACK = 1e-6  # of a distance: float32

Results = dict[str, dict[str, dict[str, object]]]


@cache
def world(name: str) -> bytes:
    """The file of a network with samples: made once, the same for all sides."""
    here = nets.mnist("fast_at") if name == "fast_at" else nets.gtsrb("linf", 4 / 255)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.pt"
        kind = "signs" if name == "traffic signs" else name
        nets.save(here._replace(x=here.x[:SAMPLES], y=here.y[:SAMPLES]), path, kind)
        return path.read_bytes()


@cache
def raced(name: str, *, control: bool) -> Results:
    """What the race prints for one network; the control's peers are those of the race itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world.pt"
        path.write_bytes(world(name))
        found: Results = json.loads(
            in_peers("nearest_race.py", str(path), *(["--control"] if control else [])).splitlines()[-1]
        )
    if control:
        whole = raced(name, control=False)
        found = {attack: {**whole[attack], **found[attack]} for attack in whole}
    return found


def measure(control: bool = False) -> list[Bar]:
    """One bar a network, attack, norm and peer; the control stops ours after its first step."""
    bars = []
    for name in ("fast_at", "traffic signs"):
        for attack, sides in raced(name, control=control).items():
            bars += [against(name, attack, sides, peer) for peer in sides if not peer.startswith("ancile")]
    return bars


def against(name: str, attack: str, sides: dict[str, dict[str, object]], peer: str) -> Bar:
    """The bar on one peer; of an attack with a short form, either may meet it, and both are shown."""
    theirs = sides[peer]
    ours = {side: found for side, found in sides.items() if side.startswith("ancile")}
    said, met = [], False
    for side, mine in ours.items():
        ratios = [a / b for a, b in zip(mine["seconds"], theirs["seconds"], strict=False)]  # type: ignore[call-overload]  # lists
        near, far = float(str(mine["median"])), float(str(theirs["median"]))
        form = side.removeprefix("ancile").removeprefix(", ")
        said.append(
            f"{form}{': ' if form else ''}median distance {near:.4g} against {far:.4g}, "
            f"ours / {peer} = {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )
        met |= math.isfinite(near) and near <= far * (1 + SLACK) and median(ratios) <= MOST
    return Bar(
        claim=f"{attack} on {name}: nearer than {peer}'s at half its CPU time",
        measured=f"{'; '.join(said)}; {SAMPLES} samples",
        wanted=f"not farther, at most {MOST:g}",
        met=met,
        raw={side: found["seconds"] for side, found in (*ours.items(), (peer, theirs))},  # type: ignore[misc]  # lists
    )


if __name__ == "__main__":
    for bar in measure():
        print(bar)
