"""Tables, curve and worst examples of an assessment, for those who want to see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.assess.pictures import side_by_side
from ancile.assess.run import UNBROKEN
from ancile.core.exhibit import CELL_LENGTH, Curve, Exhibit, Picture, Point, Series, Table
from ancile.core.text import plain
from ancile.numeric import np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ancile.assess.curve import Rung
    from ancile.assess.result import Result

SHOWN = 8  # examples in a report; more are in the file that --adversarial writes
FEATURES = 12  # most changed features of a row that a table shows


def exhibits(
    result: Result, *, rungs: Sequence[Rung], features: Sequence[str] | None, classes: Sequence[str]
) -> tuple[Exhibit, ...]:
    """The exhibits of a run, the most telling first."""
    found: list[Exhibit] = [attack_table(result)]
    if len(rungs) > 1:
        found.append(eps_curve(result, rungs))
    worst = worst_examples(result)
    if result.samples.x.ndim >= 3:
        found += [_picture(result, i, classes) for i in worst]
    elif features is not None or result.samples.x.ndim == 2:
        found += [_row_table(result, i, features, classes) for i in worst]
    return tuple(found)


def attack_table(result: Result) -> Table:
    """What each attack was tried on, broke, and cost."""
    rows = []
    for place, one in enumerate(result.plan):
        cost = result.state.costs.get(place)
        broke = int((result.broken & (result.broken_by == place)).sum())
        standing = int((result.robust | (result.broken & (result.broken_by > place))).sum())
        rows.append(
            (one.name, 0, 0, None, 0, 0, 0, 0.0)
            if cost is None
            else (
                one.name,
                cost.tried,
                broke,
                round(standing / result.n, 4),
                cost.forwards,
                cost.backwards,
                cost.queries,
                round(cost.cpu_seconds, 3),
            )
        )
    columns = (
        "attack",
        "tried on",
        "broke",
        "robust accuracy after",
        "forwards",
        "backwards",
        "queries",
        "CPU s",
    )
    note = "Each attack sees only the samples that still stand; 0 tried: none stood, or it was not reached."
    return Table(title="What each attack added", columns=columns, rows=tuple(rows), note=note)


def eps_curve(result: Result, rungs: Sequence[Rung]) -> Curve:
    """Robust accuracy against eps, with intervals."""
    points = tuple(Point(r.eps, r.bound.value, r.bound.low, r.bound.high) for r in rungs)
    return Curve(
        title="Robust accuracy against eps",
        x_label=f"eps ({result.constraint.norm})",
        y_label="robust accuracy, at most",
        series=(Series(name="attacked", points=points),),
        note=f"{rungs[0].bound.n} of the samples, one short attack at each eps; what breaks at a smaller eps "
        "stays broken. The headline figure comes from the whole plan on all samples.",
    )


def worst_examples(result: Result) -> NDArray[np.intp]:
    """Broken samples, those with the smallest distance first."""
    broken = np.flatnonzero(result.broken & (result.broken_by != UNBROKEN))
    return np.asarray(broken[np.argsort(result.distances[broken], kind="stable")][:SHOWN])


def _words(result: Result, i: int, classes: Sequence[str]) -> str:
    def name(code: int) -> str:
        return plain(classes[code], 40) if code < len(classes) else str(code)

    before, after = int(result.scores[i].argmax()), int(result.attacked_scores[i].argmax())
    attack = result.plan[int(result.broken_by[i])].name
    distance = f"{result.constraint.norm} distance {result.distances[i]:.4g}"
    return f"{name(before)} becomes {name(after)}, {distance}, by {attack}"


def _picture(result: Result, i: int, classes: Sequence[str]) -> Picture:
    low, high = float(np.min(result.constraint.low)), float(np.max(result.constraint.high))
    png = side_by_side(result.samples.x[i], result.x_adv[i], low=low, high=high)
    words = _words(result, i, classes)
    return Picture(
        title=f"Row {int(result.samples.ids[i])}: sample, changed, difference",
        png=png,
        alt=f"The sample, the changed sample and their difference, where grey is none. {words}",
        caption=words,
    )


def _row_table(result: Result, i: int, features: Sequence[str] | None, classes: Sequence[str]) -> Table:
    before, after = result.samples.x[i].ravel(), result.x_adv[i].ravel()
    order = np.argsort(-np.abs(after - before), kind="stable")
    changed = [int(j) for j in order if after[j] != before[j]]
    rows = tuple(
        (
            plain(features[j], CELL_LENGTH // 4) if features else f"feature {j}",
            float(before[j]),
            float(after[j]),
            float(after[j] - before[j]),
        )
        for j in changed[:FEATURES]
    )
    left = len(changed) - len(rows)
    return Table(
        title=f"Row {int(result.samples.ids[i])}: {_words(result, i, classes)}",
        columns=("feature", "before", "after", "change"),
        rows=rows,
        note=f"and {left} smaller changes" if left else "",
    )
