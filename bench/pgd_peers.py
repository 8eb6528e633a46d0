"""PGD-20 against torchattacks, Foolbox and ART on a small digits network: CPU time at equal or lower accuracy.

What is gained is that a broken sample leaves the batch at once: much where samples fall early, little on a
network that was hardened against this very attack. Both are printed; the bar is on the first. What pgd_race.py
says of its settings holds for all sides.
"""

from __future__ import annotations

import json
from statistics import median

from bar import Bar
from peers import in_peers

WANTED = {"torchattacks": 0.6, "foolbox": 0.5, "art": 0.4}
SETTINGS = "Linf eps 0.15, cross entropy, no random start, 597 samples in one call, one thread"

Race = dict[str, dict[str, list[float]]]


def measure(control: bool = False) -> list[Bar]:
    """One bar a peer; the control attacks sample by sample."""
    races: dict[str, Race] = json.loads(in_peers("pgd_race.py", *(["--control"] if control else [])))
    first, *others = races
    bars = []
    for peer, most in WANTED.items():
        middle, spread = ratios(races[first], peer)
        mine, theirs = (races[first][side]["robust"][0] for side in ("ancile", peer))
        also = "; ".join(f"{name}: {ratios(races[name], peer)[0]:.2f}" for name in others)
        bars.append(
            Bar(
                claim=f"PGD-20 on a digits network takes at most {most:g} of {peer}'s CPU time ({SETTINGS})",
                measured=f"ours / {peer} = {middle:.2f} ({spread}), robust accuracy {mine:.1f} against {theirs:.1f}"
                + (f"; network and eps otherwise: {also}" if also else ""),
                wanted=f"at most {most:g}, robust accuracy not above",
                met=middle <= most and mine <= theirs,
                raw={
                    f"{name}: {side}": race[side]["seconds"] for name, race in races.items() for side in race
                },
            )
        )
    return bars


def ratios(race: Race, peer: str) -> tuple[float, str]:
    """Median of the ratios of runs beside each other, and their spread."""
    found = [a / b for a, b in zip(race["ancile"]["seconds"], race[peer]["seconds"], strict=True)]
    return median(found), f"{min(found):.2f} to {max(found):.2f}"


if __name__ == "__main__":
    for bar in measure():
        print(bar)
