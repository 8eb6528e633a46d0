"""Does the search for poison leave sets alone in which nobody planted anything?

Ten real sets, five draws of four thousand rows of each (all of what has fewer); a finding is a row or a group with
a score of 3 or more. Real sets hold wrong labels and copies, so that single rows above are counted beside. The
control hands it sets with 5 % of rows planted.
"""

from __future__ import annotations

import sys

import numpy as np

from ancile.data.poison.combine import FINDING
from ancile.data.poison.search import search
from bar import Bar
from poison_generator import poisoned
from poison_ours import as_rows
from poison_sets import SETS

SEEDS = range(5)
CONTROL = {"mnist": "patch", "creditcard_fraud": "combination", "sms_spam": "token"}


def alarms(name: str, seed: int, *, attack: str | None) -> tuple[int, int, float, str]:
    """Rows and groups that are findings, the highest score of all, and what the strongest group is."""
    rows = poisoned(name, attack or "", 0.05 if attack else 0, seed)
    found = search(as_rows(rows.content, rows.labels), seed=seed)
    groups = [group for group in found.groups if group.evidence >= FINDING]
    highest = max([float(found.score.max()), *(group.evidence for group in found.groups)])
    return int((found.score >= FINDING).sum()), len(groups), highest, groups[0].what if groups else ""


def measure(control: bool = False) -> list[Bar]:
    """One bar a set."""
    asked = dict(CONTROL) if control else dict.fromkeys(SETS)
    bars = []
    for name, attack in asked.items():
        said = [alarms(name, seed, attack=attack) for seed in SEEDS]
        rows, groups, highest, _ = (np.array(one) for one in zip(*said, strict=True))
        first = next((what for *_, what in said if what), "")
        bars.append(
            Bar(
                claim=f"poison: nothing is found in clean rows of {name}",
                measured=f"draws with a finding {((rows > 0) | (groups > 0)).sum()} of {len(said)}; rows {rows.tolist()}, "
                f"groups {groups.tolist()}, highest score {highest.max():.1f}{first and ': ' + first}",
                wanted="none",
                met=not rows.any() and not groups.any(),
                raw={"rows": rows.tolist(), "groups": groups.tolist(), "highest": highest.tolist()},
            )
        )
    return bars


if __name__ == "__main__":
    for bar in measure(control="control" in sys.argv):
        print(bar)
