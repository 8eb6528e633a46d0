"""Is a search seen that twenty keys share, and are benign callers beside it left alone?

The data sets, models and walks of serve_detection.py. The keys take turns with one query each, five benign
queries of thirty other identities between two of them; each identity has a window of its own, all share one
crowd. Success is half of the first boundary distance within 200 queries. The adaptive author reads the
detector of single identities. Benign crowds are ten identities of a kind with 600 queries each, in random
order. The control is a limit out of reach.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ancile.serve.attackers.disguise import Disguise, reader
from ancile.serve.attackers.target import Target
from ancile.serve.attackers.walks import WALKS, walk
from ancile.serve.calibration import calibrate
from ancile.serve.crowds import pairs_of
from ancile.serve.guards.collusion import Crowd, Pairs, collusion
from ancile.serve.guards.sequence import Benign, Window, sequence
from bar import Bar
from serve_victims import BENIGN, SETS, Rows, Victim, victim

KEYS, BETWEEN, BESIDE = 20, 5, 30  # of the search; benign queries between two; identities that ask them
RUNS, QUERIES = 10, 200
CROWDS, MEMBERS = 5, 10
LEAST_RANK = 0.1  # of a query that the adaptive author still asks
MOST_BENIGN, LEAST_SEEN = 0.01, 0.50


@dataclass
class Member:
    """One identity as the gateway sees it: whether ``collusion`` and ``sequence`` spoke."""

    benign: Benign
    known: Pairs
    crowd: Crowd
    who: int
    total: float = 0.0
    shared: bool = False
    alone: bool = False
    window: Window = field(init=False)
    seen: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.window = Window(self.benign.width)

    def ask(self, row: Rows) -> bool:
        self.alone |= sequence(row[None], self.window, self.benign).reaction != "allow"
        if row.tobytes() in self.seen:
            return False
        self.seen.add(row.tobytes())
        said, self.total = collusion(
            self.window.point(0), self.who, self.total, crowd=self.crowd, known=self.known
        )
        self.shared |= said.reaction != "allow"
        return said.reaction != "allow"


@dataclass(frozen=True)
class Gateway:
    """What was learned from the reference set of one victim."""

    one: Victim
    benign: Benign
    known: Pairs

    def members(self, count: int) -> list[Member]:
        """Identities of one crowd."""
        crowd = Crowd(self.benign.width)
        return [Member(self.benign, self.known, crowd, who + 1) for who in range(count)]


def benign_crowds(at: Gateway, rng: np.random.Generator) -> list[Member]:
    """Members of crowds of each kind, after all they asked."""
    found = []
    for make in BENIGN.values():
        for _ in range(CROWDS):
            members = at.members(MEMBERS)
            streams = [make(at.one.judged, rng) for _ in members]
            for turn in zip(*streams, strict=True):
                for who in rng.permutation(MEMBERS):
                    members[who].ask(turn[who])
            found += members
    return found


@dataclass(frozen=True)
class Run:
    """Query of the search at which a key was flagged, and at which it succeeded; 0 for never."""

    seen: int
    succeeded: int
    alone: bool
    beside: float

    @property
    def before(self) -> bool:
        """Seen, and if it succeeded, before."""
        return self.seen > 0 and (not self.succeeded or self.seen < self.succeeded)


def searched(at: Gateway, name: str, own: Benign | None, seed: int) -> Run:
    """One search from a judging row of the right label; ``own`` is what an adaptive author reckons with."""
    one, rng = at.one, np.random.default_rng(seed)
    labels = one.labels(one.judged)
    sample = rng.choice(np.flatnonzero(labels == one.judged_labels))
    start = rng.choice(np.flatnonzero(labels != labels[sample]))
    members, asked, seen = at.members(KEYS + BESIDE), 0, 0
    keys, beside = members[:KEYS], members[KEYS:]

    def ask(row: Rows) -> Rows:
        nonlocal asked, seen
        for _ in range(BETWEEN):
            beside[rng.integers(BESIDE)].ask(one.judged[rng.integers(len(one.judged))])
        asked += 1
        if keys[asked % KEYS].ask(row) and not seen:
            seen = asked
        return one.scores(row[None])[0]

    disguise = Disguise() if own is None else Disguise(rank=reader(own), least=LEAST_RANK, rng=rng)
    target = Target(ask, one.judged[sample], space=one.space, queries=QUERIES, disguise=disguise)
    walk(name, target, one.judged[start], rng)
    return Run(
        seen,
        asked if target.succeeded else 0,
        any(key.alone for key in keys),
        float(np.mean([other.shared for other in beside])),
    )


def measure(*, control: bool = False, sets: Sequence[str] = SETS) -> list[Bar]:
    """Every bar of every data set."""
    return [bar for name in sets for bar in _measured(victim(name), control=control)]


def _measured(one: Victim, *, control: bool) -> list[Bar]:
    benign, own = calibrate(one.reference), calibrate(one.own)
    known = pairs_of(one.reference, benign)
    at = Gateway(one, benign, known._replace(limit=1e9) if control else known)
    searches = [_searches(at, "naive", None)]
    if control:
        return searches
    found = benign_crowds(at, np.random.default_rng(7))
    share = float(np.mean([member.shared for member in found]))
    first = Bar(
        claim=f"{one.name}: benign callers in a crowd are left alone",
        measured=f"{share:.1%} of {len(found)} identities flagged by collusion in 600 requests",
        wanted=f"at most {MOST_BENIGN:.0%}",
        met=share <= MOST_BENIGN,
        raw={"share": [share]},
    )
    return [first, *searches, _searches(at, "adaptive", own)]


def _searches(at: Gateway, form: str, own: Benign | None) -> Bar:
    runs = {name: [searched(at, name, own, seed) for seed in range(RUNS)] for name in WALKS}
    every = [run for some in runs.values() for run in some]
    share = float(np.mean([run.before for run in every]))
    each = ", ".join(
        f"{name} {sum(run.before for run in some)} (query "
        f"{int(np.median([run.seen for run in some if run.seen] or [0]))})"
        for name, some in runs.items()
    )
    beside = float(np.mean([run.beside for run in every]))
    return Bar(
        claim=f"{at.one.name}: a search that {KEYS} keys share, {form}",
        measured=f"{share:.0%} of {len(every)} seen before success: {each}, of {RUNS} each; by sequence "
        f"{sum(run.alone for run in every)}; {beside:.2%} of the benign identities beside it flagged",
        wanted=f"seen before success in {LEAST_SEEN:.0%}",
        met=share >= LEAST_SEEN,
        raw={name: [run.seen for run in some] for name, some in runs.items()},
    )


if __name__ == "__main__":
    chosen = [name for name in sys.argv[1:] if name in SETS] or SETS
    for bar in measure(control="--control" in sys.argv, sets=chosen):
        print(bar, flush=True)
