"""How many of the planted rows are among the first of the list, ours beside cleanlab and the textbook detectors?

Five sets, every attack of the generator, five seeds; neither the rate nor the trigger nor the class is known to
anyone. A line is a set, an attack and a rate; its best peer is that with the highest mean recall over the seeds, at
each review by itself. Behind by more than two points is a paired t-test over seeds at 5 %, Holm-corrected for the
lines. The control ranks by a die.

    python poison_recall.py [control]               1 %, and patches at 0.1 %: what ``measure`` takes
    python poison_recall.py keep RATES SEEDS [SET…]  keeps what both sides say, job by job; rates with commas
    python poison_recall.py unseen RATES SEEDS [SET…]  likewise of triggers of ``poison_unseen``
    python poison_recall.py table                   of all that is kept of the present sources, into its page
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from bar import Bar
from poison_generator import RATES, attacks, unseen
from poison_run import KEPT, Job, Judged, judged, kept

SETS = ("mnist", "gtsrb", "creditcard_fraud", "credit_default", "sms_spam")
SEEDS = range(5)
MARGIN, LEVEL, FEWEST = 0.02, 0.05, 3
LEAST_PATCH, FLOOR = 0.9, 0.5  # of patches at 1 % within twice the review; at 0.1 % within five times
CONTROL = (("mnist", "patch"), ("creditcard_fraud", "random_flips"), ("sms_spam", "random_flips"))
PAGE = Path(__file__).parent.parent / "docs" / "data-poisoning.md"
BEGIN = "<!-- written by bench/poison_recall.py -->\n"

Reals = NDArray[np.float64]


class Line(NamedTuple):
    """One set, attack and rate.

    ours  (seeds, reviews) recall
    best  at each review the name of the best peer
    peer  (seeds, reviews) its recall
    """

    name: str
    attack: str
    rate: float
    ours: Reals
    best: tuple[str, ...]
    peer: Reals

    @property
    def ahead(self) -> Reals:
        """(seeds,) at one review."""
        return self.ours[:, 0] - self.peer[:, 0]


def lines(found: dict[Job, Judged]) -> list[Line]:
    """Jobs that differ in the seed alone are one."""
    by_line: dict[tuple[str, str, float], list[Judged]] = {}
    for job, said in found.items():
        by_line.setdefault(job[:3], []).append(said)
    return [_line(*key, some) for key, some in by_line.items()]


def _line(name: str, attack: str, rate: float, some: list[Judged]) -> Line:
    sides = {side: np.array([one.recall[side] for one in some]) for side in some[0].recall}
    ours = sides.pop("ours")
    best = [max(sides, key=lambda side: float(sides[side][:, at].mean())) for at in range(ours.shape[1])]
    peer = np.stack([sides[side][:, at] for at, side in enumerate(best)], axis=1)
    return Line(name, attack, rate, ours, tuple(best), peer)


def behind(differences: Reals) -> float:
    """The chance of so low a mean, were the two points of MARGIN true."""
    spread = max(float(differences.std(ddof=1)), 1e-6) / np.sqrt(len(differences))
    return float(student.cdf((differences.mean() + MARGIN) / spread, len(differences) - 1))


def rejected(chances: list[float]) -> int:
    """How many of them Holm (1979) rejects at LEVEL."""
    for at, chance in enumerate(sorted(chances)):
        if chance > LEVEL / (len(chances) - at):
            return at
    return len(chances)


def between(values: Reals) -> str:
    """Mean, and where it lies with 95 % by Student, of three runs or more."""
    if len(values) < FEWEST:
        return f"{values.mean():.2f}"
    far = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.2f} ({values.mean() - far:+.2f} to {values.mean() + far:+.2f})"


def bars(every: list[Line]) -> list[Bar]:
    """What the lines add up to."""
    means = np.array([line.ahead.mean() for line in every])
    worst = every[int(means.argmin())]
    bad = rejected([behind(line.ahead) for line in every])
    raw = {f"{line.name} {line.attack} {line.rate:g}": line.ahead.tolist() for line in every}
    found = [
        Bar(
            claim="poison: on no line behind the best peer by more than two points, as many rows reviewed as planted",
            measured=f"{bad} of {len(every)} lines by the test, {(means < -MARGIN).sum()} in the mean; the worst, "
            f"{worst.name} {worst.attack} at {worst.rate:.1%}: {between(worst.ahead)}",
            wanted="none by the test",
            met=bad == 0,
            raw=raw,
        ),
        Bar(
            claim="poison: ahead of the best peer in the median of the lines",
            measured=f"{np.median(means):+.3f}; ahead on {(means > 0).sum()}, equal on {(means == 0).sum()}",
            wanted="above 0",
            met=bool(np.median(means) > 0),
            raw=raw,
        ),
    ]
    return [*found, *patches(every, 0.01, 1, LEAST_PATCH), *patches(every, 0.001, 2, FLOOR)]


def patches(every: list[Line], rate: float, review: int, least: float) -> list[Bar]:
    """Rows with a patch, where the rate was measured."""
    some = [line for line in every if line.attack == "patch" and line.rate == rate]
    times = ("as many", "twice as many", "five times as many")[review]
    return [
        Bar(
            claim=f"poison: patches of {rate:.1%} found in {times} rows",
            measured="; ".join(
                f"{line.name} {line.ours[:, review].mean():.2f}, {line.best[review]} {line.peer[:, review].mean():.2f}"
                for line in some
            ),
            wanted=f"at least {least:g} on each",
            met=all(line.ours[:, review].mean() >= least for line in some),
            raw={line.name: line.ours[:, review].tolist() for line in some},
        )
    ] * bool(some)


def table(every: list[Line]) -> str:
    """One row a line, in Markdown."""
    rows = [
        "| set | attack | rate | seeds | ours, at 1, 2 and 5 times | best peer, likewise | ahead at 1 (95 % of 3 seeds or more) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for line in sorted(every, key=lambda one: (SETS.index(one.name), one.attack, one.rate)):
        mine, theirs = (
            " / ".join(f"{share:.2f}" for share in one.mean(axis=0)) for one in (line.ours, line.peer)
        )
        far = line.ahead.mean() < -MARGIN
        ahead = f"**{between(line.ahead)}**" if far else between(line.ahead)
        rows.append(
            f"| {line.name} | {line.attack} | {line.rate:.1%} | {len(line.ours)} | {mine} | {theirs}, {line.best[0]} | {ahead} |"
        )
    return "\n".join(rows) + "\n"


def jobs_of(
    rates: Sequence[float],
    seeds: range,
    names: Sequence[str] = SETS,
    of: Callable[[str], Sequence[str]] = attacks,
) -> list[Job]:
    return [
        Job(name, attack, rate, seed)
        for seed in seeds
        for name in names
        for rate in rates
        for attack in of(name)
    ]


def measure(control: bool = False) -> list[Bar]:
    """All lines at 1 %, and patches at 0.1 %."""
    floor = [Job(name, "patch", RATES[0], seed) for name in ("mnist", "gtsrb") for seed in SEEDS]
    jobs = [*jobs_of((0.01,), SEEDS), *floor]
    if control:
        jobs = [Job(*line, rate, seed) for line in CONTROL for rate in RATES[::2] for seed in SEEDS]
    with TemporaryDirectory() as folder:
        return bars(lines(judged(jobs, Path(folder), blind=control)))


def written() -> list[Bar]:
    """Of what is kept, the table put into its page."""
    jobs = [*jobs_of(RATES, SEEDS), *jobs_of(RATES, SEEDS, of=unseen)]
    every = lines(judged([job for job in jobs if kept(job, KEPT)], KEPT))
    before, _, after = PAGE.read_text("utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + table(every) + after[after.index("\n## ") :], "utf-8")
    whole = [line for line in every if len(line.ours) >= FEWEST]
    return bars(whole) if whole else []


def main(mode: str, *rest: str) -> None:
    """As the lines at the top have it."""
    if mode in {"keep", "unseen"}:
        rates = [float(rate) for rate in rest[0].split(",")]
        for job in jobs_of(
            rates, range(int(rest[1])), rest[2:] or SETS, attacks if mode == "keep" else unseen
        ):
            judged([job], KEPT)
            print(job, flush=True)
        return
    for bar in written() if mode == "table" else measure(control=mode == "control"):
        print(bar)


if __name__ == "__main__":
    main(*(sys.argv[1:] or [""]))
