"""The gate's answer is met, not met or open, and nothing that is missing ever passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.decision import Ground
from ancile.core.finding import Finding
from ancile.core.measure import Bound
from ancile.core.report import Parameters, Report, exit_code
from ancile.core.subject import Subject, digest_of
from ancile.govern.checks import decision_report
from ancile.govern.gate import Held, decide
from ancile.govern.policy import Policy, Require, policy_digest

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
    parameters: Parameters | None = None,
    findings: tuple[Finding, ...] = (),
    complete: bool = True,
    n: int = 1000,
) -> Report:
    measure = Bound(
        name="robust_accuracy",
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
        parameters=given | (parameters or {}),
        measures=(measure,),
        findings=findings,
        passed={"some-check": 1},
        started=NOW,
        finished=NOW,
        version="0",
    )


def held(
    of: Report, *, index: int = 0, author: str = ME, time: datetime = NOW, refused: str | None = None
) -> Held:
    ground = Ground(origin="test", index=index, statement_digest=digest_of(b"s"), author=author)
    return Held(report=of, ground=ground, time=time, refused=refused)


def outcome(policy: Policy, *evidence: Held, subject: Subject = MODEL) -> tuple[str, str]:
    decision = decide(policy, subject, evidence, runs=len(evidence), now=NOW, version="0")
    return decision.outcome, decision.requirements[0].reason if decision.requirements else ""


def with_rule(**changes: object) -> Policy:
    rule = {f: getattr(ASKED, f) for f in ASKED.__struct_fields__} | changes
    return Policy(authors=[ME], require=[Require(**rule)])


@given(low=st.floats(0, 0.96))
def test_the_low_end_of_the_interval_decides_and_not_the_value(low: float) -> None:
    assert outcome(POLICY, held(report(low)))[0] == ("pass" if low >= 0.6 else "fail")


def test_an_upper_limit_is_held_against_the_high_end() -> None:
    rule = with_rule(at_least=None, at_most=0.63)
    assert outcome(rule, held(report(0.58)))[0] == "pass"
    assert outcome(rule, held(report(0.60)))[0] == "fail"


def test_no_evidence_and_no_requirement_are_without_conclusion() -> None:
    assert outcome(POLICY)[0] == "no_conclusion"
    assert outcome(Policy(authors=[ME]), held(report(0.9)))[0] == "no_conclusion"


@pytest.mark.parametrize(
    ("policy", "evidence", "reason"),
    [
        (POLICY, held(report(0.9), author=OTHER), "not among the policy's authors"),
        (POLICY, held(report(0.9), refused="its signer is revoked"), "revoked"),
        (POLICY, held(report(0.9, parameters={"eps": 0.1})), "eps=0.1"),
        (with_rule(max_age="1d"), held(report(0.9), time=NOW - timedelta(days=2)), "older than 1d"),
        (POLICY, held(report(0.9), time=NOW + timedelta(hours=1)), "in the future"),
        (with_rule(data=digest_of(b"d")), held(report(0.9)), "other data"),
        (with_rule(effort="thorough"), held(report(0.9)), "effort standard"),
        (with_rule(access="white-box"), held(report(0.9, parameters={"access": "scores"})), "access scores"),
        (with_rule(minimum_n=2000), held(report(0.9)), "n = 1000"),
        (with_rule(measure="clean_accuracy"), held(report(0.9)), "without the measure"),
        (with_rule(slice={"class": 3}), held(report(0.9)), "without the measure"),
    ],
)
def test_evidence_that_does_not_count_gives_no_conclusion_and_the_reason(
    policy: Policy, evidence: Held, reason: str
) -> None:
    found, said = outcome(policy, evidence)
    assert found == "no_conclusion"
    assert reason in said


def test_evidence_about_another_digest_is_not_looked_at() -> None:
    other = Subject(kind="model", name="m.pt2", digest=digest_of(b"changed"))
    assert outcome(POLICY, held(report(0.9)), subject=other)[0] == "no_conclusion"


def test_an_endpoint_counts_only_where_the_policy_allows_it() -> None:
    endpoint = Subject(kind="deployment", name="http://h", digest=digest_of(b"e"))
    evidence = held(report(0.9, subject=endpoint))
    assert outcome(POLICY, evidence, subject=endpoint)[0] == "no_conclusion"
    assert outcome(with_rule(allow_endpoint=True), evidence, subject=endpoint)[0] == "pass"


def test_the_worst_evidence_decides_unless_the_policy_takes_the_latest() -> None:
    bad, good = held(report(0.5), index=0, time=NOW - timedelta(days=1)), held(report(0.9), index=1)
    assert outcome(POLICY, good, bad)[0] == "fail"
    latest = Policy(authors=[ME], require=[ASKED], take="latest")
    assert outcome(latest, bad, good)[0] == "pass"
    assert outcome(latest, held(report(0.9), time=NOW - timedelta(days=2)), bad)[0] == "fail"


def test_an_unfinished_run_can_refuse_but_never_pass() -> None:
    assert outcome(POLICY, held(report(0.9, complete=False)))[0] == "no_conclusion"
    assert outcome(POLICY, held(report(0.1, complete=False)))[0] == "fail"


def test_a_report_that_fails_by_itself_is_not_met_whatever_its_number() -> None:
    failed = Finding(check="a-b", status="FAIL", severity="high", title="t", detail="d", fix="f")
    assert outcome(POLICY, held(report(0.9, findings=(failed,))))[0] == "fail"


def test_a_requirement_without_a_measure_asks_for_the_outcome() -> None:
    rule = Policy(authors=[ME], require=[Require(name="assessed")])
    assert outcome(rule, held(report(0.1)))[0] == "pass"
    assert outcome(rule, held(report(0.1, complete=False)))[0] == "no_conclusion"


@given(
    lows=st.lists(st.floats(0, 0.95), min_size=1, max_size=4),
    more=st.floats(0, 0.95),
    take=st.just("worst"),
)
def test_more_evidence_never_turns_a_refusal_into_a_pass(lows: list[float], more: float, take: str) -> None:
    before = outcome(POLICY, *(held(report(low), index=i) for i, low in enumerate(lows)))[0]
    after = outcome(POLICY, *(held(report(low), index=i) for i, low in enumerate([*lows, more])))[0]
    assert take == "worst"
    assert not (before == "fail" and after == "pass")


@pytest.mark.parametrize(("low", "code"), [(0.9, 0), (0.1, 1), (None, 2)])
def test_a_decision_exits_as_a_report_does(low: float | None, code: int) -> None:
    evidence = [] if low is None else [held(report(low))]
    decision = decide(POLICY, MODEL, evidence, runs=3, now=NOW, version="0")
    shown = decision_report(decision)
    assert exit_code(shown) == code
    runs = shown.measure("runs")
    assert runs is not None
    assert runs.value == 3


def test_a_gate_without_requirements_says_how_to_add_one() -> None:
    decision = decide(Policy(), MODEL, [], runs=0, now=NOW, version="0")
    shown = decision_report(decision)
    assert exit_code(shown) == 2
    assert any("[[policy.require]]" in f.detail for f in shown.findings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a", "measure": "robust_accuracy"},
        {"name": "a", "at_least": 0.5},
        {"name": "a", "data": "abc"},
        {"name": "a", "max_age": "soon"},
    ],
)
def test_a_requirement_that_cannot_be_answered_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"requirement|name"):
        Require(**wrong)  # type: ignore[arg-type] # wrong on purpose


def test_a_policy_is_named_by_what_it_asks_for() -> None:
    assert policy_digest(POLICY) == policy_digest(with_rule())
    assert policy_digest(POLICY) != policy_digest(with_rule(at_least=0.61))
    with pytest.raises(ValueError, match="two requirements"):
        Policy(require=[ASKED, ASKED])
    with pytest.raises(ValueError, match="key ids"):
        Policy(authors=["me"])
    with pytest.raises(ValueError, match="max_age"):
        Policy(max_age="never")
