"""Who or what brought the rows that are bad: sources with more of the worst rows than expected.

A count of the worst rows of a source beside what its classes would have anywhere, with room for honest
sources that are harder than others.
"""

from __future__ import annotations

from collections.abc import Sequence

from ancile.data.poison.combine import combined
from ancile.data.poison.signal import Group, Signal
from ancile.data.poison.tails import excess
from ancile.data.rows import Integers, Rows
from ancile.numeric import NDArray, np

WORST = (0.005, 0.02, 0.05)  # shares of all rows that are looked at, worst first
HARDER = 2.0  # times as many of the worst as the classes explain are still honest
FEWEST = 5  # rows of a source among the worst


def bad_sources(rows: Rows, signals: Sequence[Signal]) -> Signal | None:
    """What the other signals say of sources as a whole; None where rows have no sources, or all the same."""
    sources = rows.sources
    if sources is None or len(np.unique(sources)) < 2 or not signals:
        return None
    found = combined(signals, len(rows))
    said = np.max([signal.score for signal in signals], axis=0) > 0
    score = np.zeros(len(rows))
    groups = []
    why: dict[int, str] = {}
    for source in np.unique(sources):
        mine = np.flatnonzero(sources == source)
        evidence, worst, expected = strongest(found.order, said, rows, mine)
        if evidence <= 0:
            continue
        name = rows.source_names[source] if source < len(rows.source_names) else str(source)
        words = f"source {name!r} has {len(worst)} of the worst rows, {expected:.1f} would be its part"
        groups.append(Group(what=words, rows=worst, evidence=evidence))
        score[mine] = min(evidence, 1.0)  # from a bad source, and nothing else against it
        score[worst] = evidence
        why |= dict.fromkeys(mine.tolist(), words)
    groups.sort(key=lambda group: -group.evidence)
    return Signal(name="source", score=score, reason=lambda row: why.get(row, ""), groups=tuple(groups))


def strongest(
    order: Integers, said: NDArray[np.bool_], rows: Rows, mine: Integers
) -> tuple[float, Integers, float]:
    """The best evidence over several shares of the worst: it, the rows of the source among them, its part."""
    best = (0.0, mine[:0], 0.0)
    y = np.zeros(len(rows), np.int64) if rows.y is None else rows.y
    sources = 1 if rows.sources is None else len(np.unique(rows.sources))
    for share in WORST:
        bad = np.zeros(len(rows), bool)
        bad[order[: max(1, int(share * len(rows)))]] = True
        bad &= said
        others = np.ones(len(rows), bool)
        others[mine] = False
        classes = int(y.max()) + 1
        hit = np.bincount(y[bad & others], minlength=classes) + share
        rate = hit / (np.bincount(y[others], minlength=classes) + 1)
        expected = float(rate[y[mine]].sum())
        worst = mine[bad[mine]]
        if len(worst) < FEWEST:
            continue
        chance = excess(len(worst), len(mine), min(1.0, HARDER * expected / len(mine)))
        evidence = chance - float(np.log10(sources * len(WORST)))
        if evidence > best[0]:
            best = (evidence, worst, expected)
    return best
