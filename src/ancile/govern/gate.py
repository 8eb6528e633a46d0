"""A decision from evidence: what is missing, stale or revoked gives no conclusion, never a pass."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ancile.core.budget import seconds_of
from ancile.core.decision import Answer, Decision, Ground, Requirement
from ancile.core.measure import Measure
from ancile.core.report import Report
from ancile.core.subject import Subject
from ancile.govern.policy import ACCESSES, EFFORTS, Policy, Require, policy_digest

CLOCK_SKEW_SECONDS = 300  # between the machine that made the evidence and this one; Kerberos allows the same


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


def decide(
    policy: Policy, subject: Subject, evidence: Sequence[Held], *, runs: int, now: datetime, version: str
) -> Decision:
    """The gate's answer to every requirement of the policy for exactly this subject.

    runs  started runs on record for the subject, finished or not
    """
    about = [
        held
        for held in evidence
        if held.report.subject.digest == subject.digest and held.report.subject.kind == subject.kind
    ]
    return Decision(
        subject=subject,
        policy_digest=policy_digest(policy),
        requirements=tuple(_answer(one, policy, about, now=now) for one in policy.require),
        runs=runs,
        decided=now,
        version=version,
    )


def _answer(one: Require, policy: Policy, about: Sequence[Held], *, now: datetime) -> Requirement:
    of_stage = [held for held in about if held.report.stage == one.stage]
    faults = {id(held): _mismatch(one, policy, held, now=now) for held in of_stage}
    matching = [held for held in of_stage if faults[id(held)] is None]
    if not matching:
        reasons = Counter(fault for fault in faults.values() if fault)
        seen = "; ".join(f"{count} of {len(of_stage)} {reason}" for reason, count in reasons.most_common(5))
        return Requirement(
            name=one.name,
            answer="no_conclusion",
            reason=f"no evidence counts: {seen}"
            if seen
            else f"no evidence of stage {one.stage} for this digest",
            remedy=_how_to_get(one),
        )
    judged = [(held, *_judge(one, held.report)) for held in matching]
    if policy.take == "latest":
        judged = [max(judged, key=lambda j: (j[0].time, j[0].ground.index))]
    order: tuple[Answer, ...] = ("not_met", "no_conclusion", "met")
    held, answer, reason = min(judged, key=lambda j: (order.index(j[1]), _margin(one, j[0].report)))
    others = f" (the {'latest' if policy.take == 'latest' else 'worst'} of {len(matching)})"
    return Requirement(
        name=one.name,
        answer=answer,
        reason=reason + (others if len(matching) > 1 else ""),
        remedy=_remedy(one, answer),
        grounds=(held.ground,),
    )


def _mismatch(one: Require, policy: Policy, held: Held, *, now: datetime) -> str | None:
    """Why this evidence does not count for the requirement; None when it does."""
    faults = itertools.chain(_untrusted(one, policy, held, now=now), _otherwise_made(one, held.report))
    return next(faults, None)


def _untrusted(one: Require, policy: Policy, held: Held, *, now: datetime) -> Iterator[str]:
    age, limit = (now - held.time).total_seconds(), one.max_age or policy.max_age
    if held.refused:
        yield held.refused
    if held.ground.author not in policy.authors:
        yield f"signed by {held.ground.author[:19]}…, who is not among the policy's authors"
    if limit and age > seconds_of(limit):
        yield f"older than {limit}"
    if age < -CLOCK_SKEW_SECONDS:
        yield "dated in the future"
    if held.report.subject.kind == "deployment" and not one.allow_endpoint:
        yield "about an endpoint, whose model may be swapped unseen (allow_endpoint is off)"


def _otherwise_made(one: Require, report: Report) -> Iterator[str]:
    given = report.parameters
    for name, wanted in one.parameters.items():
        if given.get(name) != wanted:
            yield f"made with {name}={given.get(name)!r}, {wanted!r} is asked for"
    if one.data and given.get("data_digest") != one.data:
        yield "made on other data"
    if one.effort and not _reaches(given.get("effort"), one.effort, EFFORTS):
        yield f"made at effort {given.get('effort')}, {one.effort} is asked for"
    if one.access and not _reaches(given.get("access"), one.access, ACCESSES):
        yield f"made with access {given.get('access')}, {one.access} is asked for"
    measure = _measure(one, report)
    if one.measure and measure is None:
        yield f"without the measure {one.measure}"
    if one.minimum_n and (measure is None or (measure.n or 0) < one.minimum_n):
        yield f"from n = {measure.n if measure else 0}, {one.minimum_n} is asked for"


def _reaches(given: object, wanted: str, order: Sequence[str]) -> bool:
    return given in order and order.index(str(given)) >= order.index(wanted)


def _measure(one: Require, report: Report) -> Measure | None:
    return next((m for m in report.measures if m.name == one.measure and m.slice == one.slice), None)


def _ends(measure: Measure) -> tuple[float, float]:
    low = measure.value if measure.low is None else measure.low
    high = measure.value if measure.high is None else measure.high
    return low, high


def _margin(one: Require, report: Report) -> float:
    """How far the evidence is on the right side; smaller is worse."""
    measure = _measure(one, report)
    if measure is None:
        return 0.0
    low, high = _ends(measure)
    margins = [low - one.at_least] if one.at_least is not None else []
    margins += [one.at_most - high] if one.at_most is not None else []
    return min(margins)


def _judge(one: Require, report: Report) -> tuple[Answer, str]:
    """The answer that this evidence alone gives; what was left undone can only have made it look better."""
    measure = _measure(one, report)
    if report.outcome == "fail":
        return "not_met", "the report fails by itself: " + _first(report, "FAIL")
    if measure is not None:
        low, high = _ends(measure)
        if one.at_least is not None and low < one.at_least:
            return "not_met", f"{measure.name} is {_shown(measure)}: its low end is below {one.at_least:g}"
        if one.at_most is not None and high > one.at_most:
            return "not_met", f"{measure.name} is {_shown(measure)}: its high end is above {one.at_most:g}"
    if report.outcome == "no_conclusion":
        return "no_conclusion", "the report itself is without conclusion: " + _first(report, "ERROR")
    return "met", f"{measure.name} is {_shown(measure)}" if measure is not None else "the report passes"


def _shown(measure: Measure) -> str:
    if measure.low is None or measure.confidence is None:
        return f"{measure.value:.4g}"
    return (
        f"{measure.value:.4g} ({measure.low:.4g} to {measure.high:.4g} "
        f"at {100 * measure.confidence:g} %, n = {measure.n})"
    )


def _first(report: Report, status: str) -> str:
    return next((f"{f.check}: {f.detail}" for f in report.findings if f.status == status), "it is incomplete")


def _how_to_get(one: Require) -> str:
    return f"run `ancile {one.stage}` on this model as the policy asks, and record it; or import its evidence"


def _remedy(one: Require, answer: Answer) -> str:
    if answer == "met":
        return "nothing to do"
    if answer == "no_conclusion":
        return f"mend what kept `ancile {one.stage}` from a conclusion and run it again"
    return "improve the model and run the stage again; a wide interval also narrows with more samples"
