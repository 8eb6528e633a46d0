"""Tables, curve and worst examples of an assessment, for those who want to see it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ancile.assess.pictures import side_by_side
from ancile.assess.run import UNBROKEN
from ancile.core.exhibit import CELL_LENGTH, Curve, Exhibit, Picture, Point, Series, Table
from ancile.core.text import plain
from ancile.numeric import np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ancile.assess.curve import Near, Rung
    from ancile.assess.result import Result
    from ancile.attacks.constraint import Constraint

SHOWN = 8  # examples in a report; more are in the file that --adversarial writes
PARTS = 4  # of eps, in the histogram of distances: the rungs of the curve are multiples of a quarter
BAR = 24  # signs that its longest bar has
FEATURES = 12  # most changed features of a row that a table shows


def exhibits(
    result: Result,
    *,
    rungs: Sequence[Rung],
    near: Near | None,
    undermined: bool,
    features: Sequence[str] | None,
    classes: Sequence[str],
) -> tuple[Exhibit, ...]:
    """The exhibits of a run, the most telling first.

    undermined  whether a check has seen the attacks fail
    """
    found: list[Exhibit] = [attack_table(result), trust_table(result, undermined=undermined)]
    if len(rungs) > 1:
        found.append(eps_curve(result, rungs))
    if near:
        found.append(distance_table(near, result.constraint))
    worst = worst_examples(result)
    if result.samples.x.ndim >= 3:
        found += [_picture(result, i, classes) for i in worst]
    elif features is not None or result.samples.x.ndim == 2:
        found += [_row_table(result, i, features, classes) for i in worst]
    return tuple(found)


def attack_table(result: Result) -> Table:
    """What each attack was tried on, broke, and cost."""
    rows = []
    for place, effect in enumerate(result.state.log):
        broke = int((result.broken & (result.broken_by == place)).sum())
        standing = int((result.robust | (result.broken & (result.broken_by > place))).sum())
        rows.append(
            (
                effect.name,
                effect.tried,
                effect.set_aside,
                broke,
                round(standing / result.n, 4) if result.evaluated else None,
                effect.forwards,
                effect.backwards,
                effect.queries,
                round(effect.cpu_seconds, 3),
            )
        )
    columns = (
        "attack",
        "tried on",
        "set aside",
        "broke",
        "robust accuracy after",
        "forwards",
        "backwards",
        "queries",
        "CPU s",
    )
    note = "Each sees only samples that still stand; set aside: it went for those nearer to an error."
    return Table(title="What each attack added", columns=columns, rows=tuple(rows), note=note)


def trust_table(result: Result, *, undermined: bool = False) -> Table:
    """What was looked at to see whether the attacks can be trusted."""
    doubt, unresolved = result.doubt, result.unresolved_count
    rows: list[tuple[str, str, str]] = []
    if doubt.steadiness:
        s = doubt.steadiness
        rows.append(("answers change between passes", f"{s.passes:.2g} of their spread", "0"))
        rows.append(("answers depend on the batch", f"{s.company:.2g} of their spread", "below 0.01"))
    if doubt.slopes:
        g = doubt.slopes
        rows += [
            ("gradients of zeros", f"{g.zero} of {g.points}", "0"),
            ("gradients not finite", f"{g.not_finite} of {g.points}", "0"),
            ("a gradient step beats random steps", f"{g.helpful} of {g.points}", "nearly all"),
            ("of the promised gain is kept", f"{100 * g.kept:.0f} %", "over 30 %"),
            ("not even over a very short step", f"{g.untrue} of {g.points}", "next to none"),
            ("samples without cross entropy gradient", f"{100 * g.saturated:.0f} %", "below half"),
        ]
    if doubt.active and doubt.active.tried:
        rows.append(("provable examples found", f"{doubt.active.found} of {doubt.active.tried}", "all"))
    if doubt.unbounded_tried:
        rows.append(("stand at the largest eps", f"{doubt.unbounded} of {doubt.unbounded_tried}", "0"))
    if doubt.slopes:
        rows.append(("one step broke what many left", f"{doubt.single} samples", "0"))
    if doubt.blind_tried:
        rows.append(("broken without gradients", f"{doubt.blind} of {doubt.blind_tried}", "0"))
    if doubt.stepped:
        rows.append(("scores jump where the answer changes", f"{doubt.jumps} of {doubt.crossed}", "0"))
    if doubt.searched:
        rows.append(("searched again on", ", ".join(doubt.searched), "nothing else than the scores"))
    if result.passes:
        low, high = min(result.passes), max(result.passes)
        told = f"{100 * low:.1f} to {100 * high:.1f} % in {len(result.passes)} passes"
        rows.append(("robust accuracy from pass to pass", told, "the same in all"))
        rows.append(("right in most passes, if not beyond doubt", f"{100 * result.mostly:.1f} %", "the same"))
    if result.traits.access == "white-box" and (took := result.blind_count + doubt.stood_in):
        rows.append(("broken by going around gradients", f"{took} of {result.n}", "next to none"))
    rows.append(
        ("stand with little effort spent on them", f"{unresolved} of {result.n}", "the fewer, the better")
    )
    note = (
        "Indicators of attack failure (Pintor et al. 2022), checks of Carlini et al. 2019 and an active test "
        "(Zimmermann et al. 2022). Silent success cannot happen: every iterate is judged; nor transfer "
        "failure: the model itself is attacked."
    )
    if undermined:
        note += " The attacks failed: figures at other eps and distances, from them alone, are left out."
    columns = ("looked at", "found", "on sound models")
    return Table(title="How far to trust this figure", columns=columns, rows=tuple(rows), note=note)


def eps_curve(result: Result, rungs: Sequence[Rung]) -> Curve:
    """Robust accuracy against eps, with intervals."""
    points = tuple(Point(r.eps, r.bound.value, r.bound.low, r.bound.high) for r in rungs)
    white = result.traits.access == "white-box"
    how = "the nearest example found for each" if white else "one short attack at each eps"
    return Curve(
        title="Robust accuracy against eps",
        x_label=f"eps ({result.constraint.norm})",
        y_label="robust accuracy, at most",
        series=(Series(name="attacked", points=points),),
        note=f"{rungs[0].bound.n} of the samples, by {how}. "
        "The headline figure comes from the whole plan on all samples.",
    )


def distance_table(near: Near, constraint: Constraint) -> Table:
    """The distances of the nearest examples as a histogram; every rung of the curve is one of its edges."""
    far = near.distance
    reach = constraint.reach if constraint.norm == "linf" else np.inf
    edges = [edge for k in range(2 * PARTS + 1) if (edge := k / PARTS * constraint.eps) <= reach]
    found = [("0: misread as it is", int((far == 0).sum()))]
    found += [
        (f"{low:.4g} to {high:.4g}", int(((far > low) & (far <= high)).sum()))
        for low, high in pairwise(edges)
    ]
    beyond = (far > edges[-1]) & np.isfinite(far)
    found += [(f"beyond {edges[-1]:.4g}", int(beyond.sum())), ("none found", int(np.isinf(far).sum()))]
    most = max(count for _, count in found)
    left, rows = near.few, []
    for name, count in found:
        left -= count
        rows.append((name, count, round(left / near.few, 4), "#" * round(BAR * count / most)))
    columns = (f"{constraint.norm} distance", "samples", "still right beyond", "")
    return Table(
        title="How far the nearest example lies", columns=columns, rows=tuple(rows), note=_quartiles(far)
    )


def _quartiles(far: NDArray[np.float64]) -> str:
    """The quartiles over the samples that are read right, in words."""
    right = far[far > 0]
    told = f"{len(far)} of the samples, {len(right)} of them read right"
    if not len(right):
        return f"{told}."
    with np.errstate(invalid="ignore"):  # between two infinite distances
        values = np.quantile(right, (0.25, 0.5, 0.75))
    names = ("lower quartile", "median", "upper quartile")
    words = (
        f"{n} {v:.4g}" if np.isfinite(v) else f"{n} not found" for n, v in zip(names, values, strict=True)
    )
    return (
        f"{told}: {', '.join(words)}; no example was found for {int(np.isinf(right).sum())}. "
        "Distances are bounds: a better search finds nearer ones."
    )


def worst_examples(result: Result) -> NDArray[np.intp]:
    """Broken samples, those with the smallest distance first."""
    broken = np.flatnonzero(result.broken & (result.broken_by != UNBROKEN))
    return np.asarray(broken[np.argsort(result.distances[broken], kind="stable")][:SHOWN])


def _words(result: Result, i: int, classes: Sequence[str]) -> str:
    def name(code: int) -> str:
        return plain(classes[code], 40) if code < len(classes) else str(code)

    before, after = int(result.scores[i].argmax()), int(result.attacked_scores[i].argmax())
    attack = result.state.log[int(result.broken_by[i])].name
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
