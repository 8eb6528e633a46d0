"""Whether a piece of evidence counts for a requirement, and what its figure says.

Evidence counts when it was made as the requirement asks, by an author who counts. Evidence that is only
weaker than asked for (less effort, fewer samples, older, unfinished, dated in the future) cannot help to a
pass; but what it broke is broken, so it refuses where its whole interval lies on the wrong side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from ancile.core.budget import seconds_of
from ancile.core.decision import Answer, Ground
from ancile.core.measure import Measure
from ancile.core.report import Report
from ancile.core.strength import ACCESSES, EFFORTS, reaches
from ancile.core.text import plain
from ancile.govern.parameters import STRENGTH, Wanted, same, shown, unnamed
from ancile.govern.policy import Policy, Require

CLOCK_SKEW_SECONDS = 300  # between the machine that made the evidence and this one; Kerberos allows the same
VALUE_LENGTH = 60  # characters of a parameter in a reason


@dataclass(frozen=True, kw_only=True)
class Held:
    """One piece of evidence whose signatures and inclusion were verified by the caller.

    time      when the ledger took it in
    refused   why it does not count although it is genuine (signer revoked, log not in the policy), or None
    """

    report: Report
    ground: Ground
    time: datetime
    refused: str | None = None


class Fit(NamedTuple):
    """How evidence fits a requirement.

    fault    why it cannot help to a pass, None when it can
    is_weak  whether that is only for being weaker than asked for, so that it may still refuse
    """

    fault: str | None
    is_weak: bool


def fit(one: Require, policy: Policy, held: Held, *, now: datetime) -> Fit:
    """How this evidence fits the requirement."""
    elsewhere = [*_untrusted(one, policy, held), *_of_another_question(one, held.report)]
    if elsewhere:
        return Fit(elsewhere[0], is_weak=False)
    weaker = next(_weaker(one, policy, held, now=now), None)
    return Fit(weaker, is_weak=weaker is not None)


def _untrusted(one: Require, policy: Policy, held: Held) -> Iterator[str]:
    if held.refused:
        yield held.refused
    if held.ground.author not in policy.authors:
        yield f"signed by {held.ground.author[:19]}…, who is not among the policy's authors"
    if held.report.subject.kind == "deployment" and not one.allow_endpoint:
        yield "about an endpoint, whose model may be swapped unseen (allow_endpoint is off)"


def _of_another_question(one: Require, report: Report) -> Iterator[str]:
    """Differences after which the figure says nothing of what is asked for."""
    given = report.parameters
    yield from (fault for name, fault in _differences(one, report) if name not in STRENGTH)
    open_ = unnamed(given, stage=report.stage, named=one.named)
    if open_:
        said = ", ".join(f"{plain(name, VALUE_LENGTH)} = {_shown(given[name])}" for name in open_)
        yield f"made with {said}, of which the requirement says nothing"
    if one.data and given.get("data_digest") != one.data:
        yield "made on other data"
    if one.measure and measure_of(one, report) is None:
        yield f"without the measure {one.measure}"


def _differences(one: Require, report: Report) -> Iterator[tuple[str, str]]:
    """Parameters that are not as asked for; a smaller eps is a matter of strength."""
    given = report.parameters
    for name, wanted in one.parameters.items():
        if not same(given.get(name), wanted) and not (name == "eps" and _has_smaller_eps(one, report)):
            yield name, f"made with {name} = {_shown(given.get(name))}, {shown(wanted)} is asked for"
    for name in one.absent:
        if not same(given.get(name), None):
            yield name, f"made with {name} = {_shown(given.get(name))}, none is asked for"


def _has_smaller_eps(one: Require, report: Report) -> bool:
    given, wanted = _number(report.parameters.get("eps")), _number(one.parameters.get("eps"))
    return given is not None and wanted is not None and 0 <= given < wanted


def _number(value: Wanted) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _weaker(one: Require, policy: Policy, held: Held, *, now: datetime) -> Iterator[str]:
    report, given = held.report, held.report.parameters
    age, limit = (now - held.time).total_seconds(), one.max_age or policy.max_age
    if limit and age > seconds_of(limit):
        yield f"older than {limit}"
    if age < -CLOCK_SKEW_SECONDS:  # a clock that ran ahead must not hide a bad report until its time comes
        yield "dated in the future"
    if _has_smaller_eps(one, report):
        yield f"made with eps = {_shown(given.get('eps'))}, {shown(one.parameters['eps'])} is asked for"
    if one.effort and not reaches(given.get("effort"), one.effort, EFFORTS):
        yield f"made at effort {_shown(given.get('effort'))}, {one.effort} is asked for"
    if one.access and not reaches(given.get("access"), one.access, ACCESSES):
        yield f"made with access {_shown(given.get('access'))}, {one.access} is asked for"
    yield from (fault for name, fault in _differences(one, report) if name in STRENGTH)
    measure = measure_of(one, report)
    if one.minimum_n and (measure is None or (measure.n or 0) < one.minimum_n):
        yield f"from n = {(measure and measure.n) or 0}, {one.minimum_n} is asked for"
    if not report.complete:
        yield "of a run that did not come to its end"


def _shown(value: Wanted) -> str:
    return plain(shown(value), VALUE_LENGTH)


def measure_of(one: Require, report: Report) -> Measure | None:
    """The measure that the requirement asks for."""
    return next((m for m in report.measures if m.name == one.measure and m.slice == one.slice), None)


def ends(measure: Measure) -> tuple[float, float]:
    """Low and high end of the interval; the value itself where there is none."""
    low = measure.value if measure.low is None else measure.low
    high = measure.value if measure.high is None else measure.high
    return low, high


def margin(one: Require, report: Report) -> float:
    """How far the evidence is on the right side; smaller is worse."""
    measure = measure_of(one, report)
    if measure is None:
        return 0.0
    low, high = ends(measure)
    margins = [low - one.at_least] if one.at_least is not None else []
    margins += [one.at_most - high] if one.at_most is not None else []
    return min(margins)


class Said(NamedTuple):
    """The answer that one piece of evidence alone gives, and why."""

    answer: Answer
    reason: str


def judge(one: Require, report: Report) -> Said:
    """What evidence that counts says; the end of the interval that is worse for the subject decides."""
    measure = measure_of(one, report)
    if report.outcome == "fail":
        return Said("not_met", f"the report fails by itself: {_first(report, 'FAIL')}")
    if measure is not None:
        low, high = ends(measure)
        if one.at_least is not None and not low >= one.at_least:
            said = f"{measure.name} is {figure(measure)}: its low end is below {one.at_least:g}"
            return Said("not_met", said)
        if one.at_most is not None and not high <= one.at_most:
            said = f"{measure.name} is {figure(measure)}: its high end is above {one.at_most:g}"
            return Said("not_met", said)
    if report.outcome == "no_conclusion":
        reason = f"the report itself is without conclusion: {_first(report, 'ERROR')}"
        return Said("no_conclusion", reason)
    return Said("met", f"{measure.name} is {figure(measure)}" if measure else "the report passes")


def judge_weak(one: Require, report: Report, *, fault: str) -> Said | None:
    """What evidence that is weaker than asked for says: a refusal, or nothing.

    Its whole interval must lie on the wrong side: few samples alone refuse nothing.
    """
    measure = measure_of(one, report)
    if measure is None:
        failed = report.outcome == "fail"
        reason = f"the report fails by itself, though {fault}: {_first(report, 'FAIL')}"
        return Said("not_met", reason) if failed else None
    low, high = ends(measure)
    told = f"{measure.name} is {figure(measure)}, though {fault}: even its"
    if one.at_least is not None and high < one.at_least:
        return Said("not_met", f"{told} high end is below {one.at_least:g}")
    if one.at_most is not None and low > one.at_most:
        return Said("not_met", f"{told} low end is above {one.at_most:g}")
    return None


def figure(measure: Measure) -> str:
    """A measure with its interval, for a reason."""
    if measure.low is None or measure.confidence is None:
        return f"{measure.value:.4g}"
    return (
        f"{measure.value:.4g} ({measure.low:.4g} to {measure.high:.4g} "
        f"at {100 * measure.confidence:g} %, n = {measure.n})"
    )


def _first(report: Report, status: str) -> str:
    return next((f"{f.check}: {f.detail}" for f in report.findings if f.status == status), "it is incomplete")
