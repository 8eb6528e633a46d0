"""Reports, evidence and policies as the gate's tests need them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from ancile.core.decision import Ground
from ancile.core.finding import Finding
from ancile.core.measure import Bound, Scalar
from ancile.core.report import Parameters, Report
from ancile.core.subject import Subject, digest_of
from ancile.govern.gate import Sight, decide
from ancile.govern.match import Held
from ancile.govern.policy import Policy, Require

Given = Scalar | list[Scalar]
NOW = datetime(2026, 11, 1, tzinfo=UTC)
ME, OTHER = digest_of(b"me"), digest_of(b"other")
MODEL = Subject(kind="model", name="m.pt2", digest=digest_of(b"model"))
ASKED = Require(
    name="robust", measure="robust_accuracy", at_least=0.6, parameters={"norm": "linf", "eps": 0.3}
)
POLICY = Policy(authors=[ME], require=[ASKED])


def report(
    low: float,
    *,
    subject: Subject = MODEL,
    parameters: Mapping[str, Given] | None = None,
    findings: tuple[Finding, ...] = (),
    complete: bool = True,
    n: int = 1000,
    measure: str = "robust_accuracy",
) -> Report:
    """An assessment whose interval is 4 points wide, from ``low``."""
    figure = Bound(
        name=measure,
        value=min(1.0, low + 0.02),
        low=low,
        high=min(1.0, low + 0.04),
        confidence=0.95,
        n=n,
        unit="rate",
        side="at_most",
        method="test",
    )
    given: Parameters = {"norm": "linf", "eps": 0.3, "effort": "standard", "access": "white-box"}
    return Report(
        stage="assess",
        complete=complete,
        subject=subject,
        parameters=given | dict(parameters or {}),
        measures=(figure,),
        findings=findings,
        passed={"some-check": 1},
        started=NOW,
        finished=NOW,
        version="0",
    )


def held(
    of: Report, *, index: int = 0, author: str = ME, time: datetime = NOW, refused: str | None = None
) -> Held:
    """Evidence of that report."""
    ground = Ground(origin="test", index=index, statement_digest=digest_of(b"s"), author=author)
    return Held(report=of, ground=ground, time=time, refused=refused)


def outcome(policy: Policy, *evidence: Held, subject: Subject = MODEL) -> tuple[str, str]:
    """The outcome under the policy, and the first requirement's reason."""
    decision = decide(policy, subject, Sight(evidence=evidence), now=NOW, version="0")
    return decision.outcome, decision.requirements[0].reason if decision.requirements else ""


def with_rule(**changes: object) -> Policy:
    """The policy with its one requirement changed."""
    rule = {f: getattr(ASKED, f) for f in ASKED.__struct_fields__} | changes
    return Policy(authors=[ME], require=[Require(**rule)])
