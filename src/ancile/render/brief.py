"""What a terminal shows of long tables: the rows that matter, and a sum; the other formats show all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

from ancile.core.exhibit import Table
from ancile.core.measure import Scalar
from ancile.core.report import Report
from ancile.render.outline import Action
from ancile.render.phrases import counted, scalar

ATTACK, BROKE, LEFT = "attack", "broke", "robust accuracy after"
SUMMED = ("broke", "forwards", "backwards", "queries", "CPU s")
FEW = 3  # attacks that are shown whether they broke anything or not
ANSWERS = "Requirements"
NOTHING = "nothing to do"  # of a requirement that is met
ANSWERED = ("gate-requirement-not-met", "gate-without-conclusion")  # what the answers of a gate say already


def without_idle(table: Table) -> Table:
    """A table of attacks without those that broke nothing, with a row for all; any other table as it is."""
    if not {ATTACK, BROKE} <= set(table.columns) or len(table.rows) <= FEW:
        return table
    broke = table.columns.index(BROKE)
    telling = tuple(row for row in table.rows if row[broke])
    total = tuple(_total(name, [row[i] for row in table.rows]) for i, name in enumerate(table.columns))
    idle = len(table.rows) - len(telling)
    note = f"Left out: {counted(idle, 'attack')} that broke nothing." if idle else ""
    return Table(
        title=table.title,
        columns=table.columns,
        rows=(*telling, total),
        note=" ".join(part for part in (table.note, note) if part),
    )


def _total(name: str, values: Sequence[Scalar]) -> Scalar:
    if name == ATTACK:
        return f"all {len(values)}"
    if name == LEFT:
        return values[-1]
    return sum(v for v in values if isinstance(v, int | float)) if name in SUMMED else ""


def answers(report: Report) -> Table | None:
    """A gate's answer to each requirement; None for other reports, and where nothing was required."""
    tables = [one for one in report.exhibits if isinstance(one, Table) and one.title == ANSWERS]
    return tables[0] if report.stage == "gate" and tables and tables[0].rows else None


def answer_rows(report: Report) -> list[dict[str, str]]:
    """A gate's answers, one a requirement: the words of each column that says something."""
    table = answers(report)
    if table is None:
        return []
    rows = [zip(table.columns, map(scalar, row, repeat(400)), strict=True) for row in table.rows]
    return [{name: said for name, said in row if said and said != NOTHING} for row in rows]


def unanswered(found: Sequence[Action], report: Report) -> list[Action]:
    """The actions without those that a gate's answers say already."""
    told = ANSWERED if answers(report) else ()
    return [one for one in found if one.first.check not in told]
