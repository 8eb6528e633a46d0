"""The gate's answers as findings, so that a decision renders and exits as every report does."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.core.check import Check, Remark, check, error, examine, fail, ok
from ancile.core.decision import Decision, Ground
from ancile.core.exhibit import CELL_LENGTH, Table
from ancile.core.measure import Count
from ancile.core.report import Report
from ancile.core.text import plain


@check("gate-requirement-not-met", severity="high")
def requirement_not_met(decision: Decision) -> Iterator[Remark]:
    """Evidence shows that a requirement of the policy is not met.

    Why   The policy in ancile.toml is what the team agreed to ship by.
    Fix   Improve the model and run the stage again; change the policy only as a decision of its own.
    """
    for one in decision.requirements:
        if one.answer == "not_met":
            yield fail(f"{one.name}: {one.reason}")
        else:
            yield ok()
    if not decision.requirements:
        yield error("the policy has no requirement")


@check("gate-without-conclusion", severity="high")
def without_conclusion(decision: Decision) -> Iterator[Remark]:
    """A requirement cannot be answered from the evidence at hand.

    Why   Missing, stale, revoked or contradicting evidence is no reason to ship.
    Fix   Make or import the evidence that the policy asks for; the reason names what was found instead.
    """
    for one in decision.requirements:
        if one.answer == "no_conclusion":
            yield error(f"{one.name}: {one.reason}; {one.remedy}")
        else:
            yield ok()
    if not decision.requirements:
        yield error("the policy has no requirement: add one under [[policy.require]] in ancile.toml")


GATE_CHECKS: tuple[Check[Decision], ...] = (requirement_not_met, without_conclusion)


def decision_report(decision: Decision) -> Report:
    """The decision as a report: not met is FAIL, no conclusion is ERROR."""
    examined = examine(GATE_CHECKS, decision)
    rows = tuple(
        (plain(r.name, 80), r.answer.replace("_", " "), plain(r.reason, CELL_LENGTH), _grounds(r.grounds))
        for r in decision.requirements
    )
    return Report(
        stage="gate",
        complete=True,
        subject=decision.subject,
        parameters={"policy_digest": decision.policy_digest},
        measures=(Count(name="runs", value=decision.runs, unit="runs", method="started runs on record"),),
        findings=examined.findings,
        passed=examined.passed,
        exhibits=(
            Table(title="Requirements", columns=("requirement", "answer", "reason", "evidence"), rows=rows),
        ),
        started=decision.decided,
        finished=decision.decided,
        version=decision.version,
    )


def _grounds(grounds: tuple[Ground, ...]) -> str:
    return plain(", ".join(f"{g.origin} entry {g.index}" for g in grounds), CELL_LENGTH)
