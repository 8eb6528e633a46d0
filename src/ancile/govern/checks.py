"""The gate's answers as findings, so that a decision renders and exits as every report does."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.core.check import Check, Remark, check, error, examine, fail, ok, skip, warn
from ancile.core.decision import Decision, Ground
from ancile.core.exhibit import CELL_LENGTH, Table, Text
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


@check("gate-open-requirement", severity="medium")
def open_requirement(decision: Decision) -> Iterator[Remark]:
    """A requirement is met, and leaves open what decides its figure.

    Why   What the policy does not pin is for the author of the evidence to choose: an easy data set, a weak
          attack, the luckiest of many draws (runs made with --no-record leave no trace).
    Fix   Add what is named to the requirement in ancile.toml, as it should be, and decide again.
    """
    for one in decision.requirements:
        if one.left_open:
            yield warn(f"{one.name}: the policy does not ask for {'; '.join(one.left_open)}")
        else:
            yield ok()
    if not decision.requirements:
        yield skip("the policy has no requirement")


@check("gate-not-checked", severity="low")
def not_checked(decision: Decision) -> Iterator[Remark]:
    """Something that could change the answer was out of the gate's sight.

    Why   Whoever holds the log's key can roll the ledger back behind a bad report; what was left out of a
          bundle of evidence cannot be seen; a run without a report may have been stopped for its figures; a
          key may have been revoked to be rid of a bad report; what no digest covers may have changed.
    Fix   Name a checkpoint that is kept where this machine cannot write: `checkpoint` under [policy], or
          `--against FILE`; for evidence from elsewhere, look at that ledger itself.
    """
    yield from (skip(one) for one in decision.not_checked)
    if not decision.not_checked:
        yield ok()


GATE_CHECKS: tuple[Check[Decision], ...] = (
    requirement_not_met,
    without_conclusion,
    open_requirement,
    not_checked,
)


def decision_report(decision: Decision) -> Report:
    """The decision as a report: not met is FAIL, no conclusion is ERROR."""
    examined = examine(GATE_CHECKS, decision)
    rows = tuple(
        (
            plain(r.name, 80),
            r.answer.replace("_", " "),
            plain(r.reason, CELL_LENGTH),
            _grounds(r.grounds),
            plain(r.remedy, CELL_LENGTH),
        )
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
            Table(
                title="Requirements",
                columns=("requirement", "answer", "reason", "evidence", "to do"),
                rows=rows,
            ),
            *_checked(decision),
        ),
        started=decision.decided,
        finished=decision.decided,
        version=decision.version,
    )


def _checked(decision: Decision) -> tuple[Text, ...]:
    text = "\n".join(decision.checked)
    return (Text(title="What was checked of the ledger", text=text),) if text else ()


def _grounds(grounds: tuple[Ground, ...]) -> str:
    return plain(", ".join(f"{g.origin} entry {g.index}" for g in grounds), CELL_LENGTH)
