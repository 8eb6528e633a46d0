"""What a test for marks comes to, as findings and measures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, fail, ok, warn
from ancile.core.measure import Count, Estimate
from ancile.data.asking import Found
from ancile.data.tracing import Trace

ENOUGH = 40  # marks: a forest that knows half of them is told beyond any doubt
LEVEL = 1e-3  # a model that never saw the data is accused once in a thousand tests
THEFT = ("AML.T0025 (ATLAS 5.6.0)",)  # exfiltration via cyber means


class Traced(NamedTuple):
    """A test on marks.

    committed  entry of the ledger that names the key, or None
    """

    found: Found
    committed: int | None


@check("model-trained-on-marked", severity="high", refs=THEFT)
def trained_on_marked(facts: Traced) -> Iterator[Remark]:
    """The model knows the marks of the data: it was trained on them.

    Why   Nothing but the marked rows tells which label a mark has. A model that never saw them suits all
          labels equally well, whatever it is, and comes so far once in a thousand tests.
    Fix   Ask whoever trained it where the data came from; keep the key, the marked data and this report.

    That nothing was found says nothing: a model that learns rules and no single rows, such as a small linear
    one, or one trained on a few of the rows, does not know the marks.
    """
    marks = facts.found.marks
    if marks.p_value > LEVEL:
        yield ok()
    else:
        yield fail(f"p = {marks.p_value:.2g} over {marks.n} marks, {marks.agree} answered with their label")


@check("data-mark-uncommitted", severity="medium", refs=())
def mark_uncommitted(facts: Traced) -> Iterator[Remark]:
    """Nothing shows that the key of the marks is older than the model.

    Why   Who may choose a key after seeing the model can try keys until one suits it: the p-value holds for a
          key that was fixed before.
    Fix   Mark data where there is a ledger: it holds the digest of the key from then on, and its time.
    """
    yield ok() if facts.committed is not None else warn("the ledger has no entry about this key")


@check("data-marks-few", severity="low", refs=())
def marks_few(facts: int) -> Iterator[Remark]:
    """The data have few marks.

    Why   The fewer marks there are, the better a model has to know them before a test can tell it from
          chance.
    Fix   Raise --share, or mark a larger set.
    """
    yield warn(f"{facts} marks, {ENOUGH} are better") if facts < ENOUGH else ok()


@check("model-trained-on-given", severity="medium", refs=THEFT)
def trained_on_given(facts: Trace) -> Iterator[Remark]:
    """The model suits rows that were given out better than rows that were held back.

    Why   A model suits the rows that it was trained on better than others of the same source. Where the two
          parts were dealt at random before anything was given out, chance does so once in a thousand tests.
    Fix   Make sure that they were: dates, order or another collection tell parts apart as well, and then the
          p-value says nothing of training. Then ask whoever trained it where the data came from.

    Nothing found means nothing: a model that does not overfit shows nothing. Marks show more: `ancile data
    mark`.
    """
    if facts.p_value > LEVEL:
        yield ok()
    else:
        yield warn(f"p = {facts.p_value:.2g} over {facts.n} rows")


GIVEN: tuple[Check[Trace], ...] = (trained_on_given,)
MARKING: tuple[Check[int], ...] = (marks_few,)
TRACING: tuple[Check[Traced], ...] = (trained_on_marked, mark_uncommitted)


def p_value(trace: Trace, of: str) -> Estimate:
    """The p-value as a measure."""
    method = "randomisation test over 49,999 dealings"
    return Estimate(
        name="p_value", slice={"of": of}, value=trace.p_value, unit="probability", n=trace.n, method=method
    )


def measures(found: Found) -> tuple[Estimate | Count, ...]:
    """The figures of both tests."""
    told: list[Estimate | Count] = []
    for name, trace in (("marks", found.marks), ("controls", found.controls)):
        told += [
            p_value(trace, name),
            Count(
                name="agreeing",
                slice={"of": name},
                value=trace.agree,
                unit="marks",
                n=trace.n,
                method="highest score is the label of the mark",
            ),
        ]
    return tuple(told)
