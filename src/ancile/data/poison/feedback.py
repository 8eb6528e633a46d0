"""Streams of feedback: how much one source may move what is learnt next, and who waits for a person to look.

A limit of influence for each source bounds what any one of them can do, whatever it sends; who is
too fast, or disagrees with all others too often, waits in quarantine.
"""

from __future__ import annotations

from dataclasses import dataclass

from ancile.core.errors import AncileError
from ancile.data.poison.tails import excess
from ancile.data.rows import Integers, Reals
from ancile.numeric import NDArray, np

FINDING = 3.0  # as on the scale of ``Signal``
LIKELIER = 2.0  # times as much disagreement as others have is still honest


@dataclass(frozen=True, kw_only=True, eq=False)
class Influence:
    """What a batch of feedback of n rows may do.

    weights      (n,) 0 to 1, of each row in retraining: 0 in quarantine; a source's sum is at most the limit
    quarantined  (n,) rows that a person looks at first
    reasons      source to words, of those in quarantine or held down
    """

    weights: Reals
    quarantined: NDArray[np.bool_]
    reasons: dict[int, str]


def influence(
    sources: Integers,
    times: Reals,
    disagrees: NDArray[np.bool_],
    *,
    limit: float = 0.01,
    window: float = 86_400.0,
    burst: int = 100,
) -> Influence:
    """How much each row of a stream counts.

    sources    (n,) who sent each row
    times      (n,) when, in seconds
    disagrees  (n,) whether the label is not what the rest says, as by ``search`` or the model that serves
    limit      share of all rows that one source counts for at most, above 0 to 1
    window     seconds within which rows of one source are counted together
    burst      rows that a source may send in any window
    AncileError where a limit makes no sense or the arrays differ in length.
    """
    _refuse(sources, times, disagrees, limit=limit, window=window, burst=burst)
    n = len(sources)
    weights, quarantined = np.ones(n), np.zeros(n, bool)
    reasons: dict[int, str] = {}
    names = np.unique(sources)
    for source in names:
        mine = np.flatnonzero(sources == source)
        words = suspicion(mine, disagrees, len(names)) or haste(times[mine], window, burst)
        if words:
            reasons[int(source)], quarantined[mine], weights[mine] = words, True, 0.0
        elif len(mine) > max(1.0, limit * n):
            weights[mine] = max(1.0, limit * n) / len(mine)
            reasons[int(source)] = f"{len(mine)} of {n} rows count as {max(1.0, limit * n):.1f}"
    return Influence(weights=weights, quarantined=quarantined, reasons=reasons)


def suspicion(mine: Integers, disagrees: NDArray[np.bool_], sources: int) -> str:
    """Why a source is not believed: it disagrees more than twice as often as all others; else empty."""
    wrong = int(disagrees[mine].sum())
    elsewhere = int(disagrees.sum()) - wrong
    rate = LIKELIER * (elsewhere + 1) / (len(disagrees) - len(mine) + 1)
    evidence = excess(wrong, len(mine), rate) - float(np.log10(sources))
    return f"disagrees in {wrong} of {len(mine)} rows" if evidence > FINDING else ""


def haste(times: Reals, window: float, burst: int) -> str:
    """Why a source is too fast: more rows than ``burst`` within some window; else empty."""
    sent = np.sort(times)
    most = int((np.searchsorted(sent, sent + window, side="left") - np.arange(len(sent))).max())
    return f"sent {most} rows within {window:g} s" if most > burst else ""


def _refuse(
    sources: Integers,
    times: Reals,
    disagrees: NDArray[np.bool_],
    *,
    limit: float,
    window: float,
    burst: int,
) -> None:
    if not len(sources) == len(times) == len(disagrees):
        raise AncileError(
            "feedback has parts of different length",
            value=f"{len(sources)} sources, {len(times)} times, {len(disagrees)} judgements",
            remedy="give one of each for every row",
        )
    if not (0 < limit <= 1 and window > 0 and burst > 0 and np.isfinite(times).all()):
        raise AncileError(
            "a limit of feedback makes no sense",
            value=f"limit={limit:g}, window={window:g}, burst={burst}",
            remedy="give a share above 0 up to 1, a window and a burst above 0, and finite times",
        )
