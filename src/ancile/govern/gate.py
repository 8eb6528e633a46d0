"""A decision from evidence: what is missing, stale or revoked gives no conclusion, never a pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from ancile.core.decision import Answer, Decision, Requirement
from ancile.core.report import Report
from ancile.core.strength import ACCESSES
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.govern.match import Fit, Held, Said, fit, judge, judge_weak, margin
from ancile.govern.policy import Policy, Require, policy_digest
from ancile.govern.remedy import Naming, how_to_get, remedy

ORDER: tuple[Answer, ...] = ("not_met", "no_conclusion", "met")  # the worst first
REASONS = 5  # most frequent ones that a decision names
UNNAMED = Naming()
# Checks of a model whose WARN says that evidence, found by digest, also speaks of what no digest holds fast
BEYOND_DIGEST = frozenset({"model-code-not-covered", "model-weights-not-fixed"})
RESTORE = "see `ancile ledger verify`; restore the whole ledger from a backup, then decide again"


class Gone(NamedTuple):
    """A report that was erased or lost: it may have been about the subject, and bad.

    time  when the ledger had taken the report in, or when its owner said that entries are lost
    what  which entry, and which one says so, in words
    """

    time: datetime
    what: str


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a gate can see, and how far it may be relied on.

    runs         started runs on record for the subject, finished or not
    unsound      why nothing may be decided from this ledger, empty where it may
    gone         erased or lost reports that may have been about the subject
    checked      what of the ledger was checked, in words
    not_checked  what could not be
    """

    evidence: Sequence[Held] = ()
    runs: int = 0
    unsound: str = ""
    gone: Sequence[Gone] = ()
    checked: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()


def decide(
    policy: Policy, subject: Subject, sight: Sight, *, now: datetime, version: str, naming: Naming = UNNAMED
) -> Decision:
    """The gate's answer to every requirement of the policy for exactly this subject.

    Evidence about a whole speaks of that whole alone: a shared part, the same weights under other code, does
    not make it evidence about this subject.
    naming  what the user calls model and data, for the command that a remedy names
    """
    about = [
        held
        for held in sight.evidence
        if held.report.subject.digest == subject.digest and held.report.subject.kind == subject.kind
    ]
    asked = [one for one in policy.require if one.is_about(subject.kind)]
    answered = [_answer(one, policy, about, now=now, naming=naming) for one in asked]
    if sight.unsound:
        answered = [_unsound(one, sight.unsound) for one in asked]
    elif sight.gone:
        answered = [_doubted(one, policy, about, sight.gone) for one in answered]
    return Decision(
        subject=subject,
        policy_digest=policy_digest(policy),
        requirements=tuple(answered),
        runs=sight.runs,
        unsound=sight.unsound,
        checked=sight.checked,
        not_checked=(
            *sight.not_checked,
            *_beyond_digest(about, answered),
            *(_of_others(one) for one in policy.require if one not in asked),
        ),
        decided=now,
        version=version,
    )


def _of_others(one: Require) -> str:
    """What is said of a requirement that this subject cannot answer."""
    kind, call = ("data sets", "--data NAME@N") if one.is_about("dataset") else ("models", "MODEL")
    return f"requirement {one.name} is about {kind}: `ancile gate {call}`"


def _beyond_digest(about: Sequence[Held], answered: Sequence[Requirement]) -> list[str]:
    """What the digest of this subject does not hold fast, as the evidence of what is met has it."""
    grounds = {ground for one in answered if one.answer == "met" for ground in one.grounds}
    found = [f for held in about if held.ground in grounds for f in held.report.findings]
    details = [one.detail for one in found if one.status == "WARN" and one.check in BEYOND_DIGEST]
    return [f"what may have changed under the same digest: {detail}" for detail in dict.fromkeys(details)]


class _Judged(NamedTuple):
    held: Held
    said: Said


def _answer(
    one: Require, policy: Policy, about: Sequence[Held], *, now: datetime, naming: Naming
) -> Requirement:
    fits = [(held, fit(one, policy, held, now=now)) for held in about if held.report.stage == one.stage]
    counting = [_Judged(held, judge(one, held.report)) for held, how in fits if how.fault is None]
    weak = [
        _Judged(held, said)
        for held, how in fits
        if how.fault and how.is_weak and (said := judge_weak(one, held.report, fault=how.fault))
    ]
    if not (counting or weak):
        reason = _why_nothing_counts(one, [how for _, how in fits])
        return Requirement(
            name=one.name, answer="no_conclusion", reason=reason, remedy=how_to_get(one, naming)
        )
    together = [*counting, *weak]
    if policy.take == "latest":
        together = [max(together, key=lambda j: (j.held.time, j.held.ground.index))]
    chosen = min(together, key=lambda j: (ORDER.index(j.said.answer), margin(one, j.held.report)))
    number = len(counting) + len(weak)
    return Requirement(
        name=one.name,
        answer=chosen.said.answer,
        reason=chosen.said.reason + (f" (the {policy.take} of {number})" if number > 1 else ""),
        remedy=remedy(one, chosen.said.answer),
        grounds=(chosen.held.ground,),
        left_open=_left_open(one, chosen.held.report) if chosen.said.answer == "met" else (),
    )


def _why_nothing_counts(one: Require, fits: Sequence[Fit]) -> str:
    reasons = Counter(how.fault for how in fits)
    seen = "; ".join(f"{count} of {len(fits)} {reason}" for reason, count in reasons.most_common(REASONS))
    return f"no evidence counts: {seen}" if seen else f"no evidence of stage {one.stage} for this digest"


def _left_open(one: Require, report: Report) -> tuple[str, ...]:
    """What decides a robustness figure, was the author's to choose, and is not pinned by the requirement."""
    given, found = report.parameters, []
    if one.measure is None or report.stage != "assess":
        return ()
    if one.data is None:
        digest, name = given.get("data_digest", "unknown"), plain(str(given.get("data", "")), 40)
        found.append(f'data = "{digest}" ({name})')
    if one.is_about_robustness and one.effort is None:
        found.append(f'effort = "{given.get("effort")}"')
    if one.is_about_robustness and one.access is None and given.get("access") != ACCESSES[-1]:
        found.append(f'access = "{given.get("access")}"')
    if "seed" not in one.named and given.get("samples") != given.get("samples_available"):
        found.append(f"parameters.seed = {given.get('seed')}")
    return (*found, *(f"{name}, which it lets be anything" for name in one.free if name in given))


def _unsound(one: Require, why: str) -> Requirement:
    reason = f"nothing is decided from this ledger: {why}"
    return Requirement(name=one.name, answer="no_conclusion", reason=reason, remedy=RESTORE)


def _doubted(
    answered: Requirement, policy: Policy, about: Sequence[Held], gone: Sequence[Gone]
) -> Requirement:
    """A pass does not stand where a report is gone that could have refused it.

    Where the policy takes the latest, evidence that is newer than what is gone would have decided anyway.
    """
    if answered.answer != "met":
        return answered
    times = [held.time for held in about if held.ground in answered.grounds]
    in_doubt = [one for one in gone if policy.take == "worst" or not all(time > one.time for time in times)]
    if not in_doubt:
        return answered
    return Requirement(
        name=answered.name,
        answer="no_conclusion",
        reason=f"{in_doubt[0].what}, and could have refused what the rest shows: {answered.reason}",
        remedy='decide where the whole ledger is at hand, or let the policy take = "latest" and assess again',
        grounds=answered.grounds,
    )
