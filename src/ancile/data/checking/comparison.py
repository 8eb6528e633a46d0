"""What differs from an earlier version of the data, and from what was frozen of it, as findings."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.core.check import Check, Remark, check, fail, ok, skip, warn
from ancile.core.finding import Location
from ancile.core.text import plain
from ancile.data.checking.drifting import CHANCE, STABLE
from ancile.data.checking.facts import Facts

MOST_NAMED = 60
LARGE = 0.25  # population stability index of a change that a model does not survive: Siddiqi 2006


@check("data-expectation-broken", severity="high", refs=("AML.M0007 (ATLAS 5.6.0)",))
def expectation_broken(facts: Facts) -> Iterator[Remark]:
    """The data does not keep to what was frozen of it: a type, a range, a value, a gap, a column.

    Why   What reads the data was written, and trained, for what it was: a column in other units is no error
          to a model, and a new class none that it knows.
    Fix   Mend the data where it is wrong; where it is right, change the expectations, and say so in the
          version.
    """
    if facts.broken is None:
        yield skip("no expectations were given: --freeze writes them, --expect holds the data against them")
        return
    for one in facts.broken[:MOST_NAMED]:
        yield fail(one.detail, where=Location(column=plain(one.column, 80) if one.column else None))
    if len(facts.broken) > MOST_NAMED:
        yield fail(f"and {len(facts.broken) - MOST_NAMED} more")
    if not facts.broken:
        yield ok()


@check("data-drift", severity="medium", refs=("ML08:2023 (OWASP ML)",))
def drift(facts: Facts) -> Iterator[Remark]:
    """Columns, labels or pictures are distributed otherwise than in an earlier version or the trusted rows.

    Why   The world changed, or how it is measured, or somebody moves the data a little with every version:
          what was tested on the old data says nothing of the new.
    Fix   Find out which; look at the rows that came, and test anew where the change is real.
    """
    if facts.against is None:
        yield skip("nothing to compare with: give --against NAME@N or --reference PATH")
        return
    changed = [one for one in facts.against.drift if one.has_changed]
    for one in changed[:MOST_NAMED]:
        drifted = one.drift
        yield warn(
            f"stability index {drifted.stability:.2f} (from {STABLE} it matters), distance "
            f"{drifted.distance:.2f}, chance {one.chance:.1g} (below {CHANCE} is none), "
            f"against {plain(facts.against.name, 80)}",
            where=Location(column=plain(one.column, 80)),
            severity="high" if drifted.stability >= LARGE else None,
        )
    if len(changed) > MOST_NAMED:
        yield warn(f"and {len(changed) - MOST_NAMED} columns more")
    if not changed:
        yield ok()


COMPARISON: tuple[Check[Facts], ...] = (expectation_broken, drift)
