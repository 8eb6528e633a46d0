"""The gate's answer is met, not met or open, and nothing that is missing ever passes."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.decision import Decision
from ancile.core.finding import Finding
from ancile.core.report import exit_code
from ancile.core.subject import Subject, digest_of, subject_of_parts
from ancile.govern.checks import decision_report
from ancile.govern.gate import BEYOND_DIGEST, Gone, Sight, decide
from ancile.govern.match import Held
from ancile.govern.policy import Policy, Require
from ancile.models.checks import MODEL_CHECKS
from tests.govern.evidence import ASKED, ME, MODEL, NOW, OTHER, POLICY, held, outcome, report, with_rule


def decision(policy: Policy = POLICY, **sight: object) -> Decision:
    return decide(policy, MODEL, Sight(**sight), now=NOW, version="0")  # type: ignore[arg-type] # by name


@given(low=st.floats(0, 0.96))
def test_the_low_end_of_the_interval_decides_and_not_the_value(low: float) -> None:
    assert outcome(POLICY, held(report(low)))[0] == ("pass" if low >= 0.6 else "fail")


def test_an_upper_limit_is_held_against_the_high_end() -> None:
    rule = with_rule(measure="attack_success_rate", at_least=None, at_most=0.63)
    assert outcome(rule, held(report(0.58, measure="attack_success_rate")))[0] == "pass"
    assert outcome(rule, held(report(0.60, measure="attack_success_rate")))[0] == "fail"


def test_no_evidence_and_no_requirement_are_without_conclusion() -> None:
    assert outcome(POLICY)[0] == "no_conclusion"
    assert outcome(Policy(authors=[ME]), held(report(0.9)))[0] == "no_conclusion"


@pytest.mark.parametrize(
    ("policy", "evidence", "reason"),
    [
        (POLICY, held(report(0.9), author=OTHER), "not among the policy's authors"),
        (POLICY, held(report(0.9), refused="its signer is revoked"), "revoked"),
        (POLICY, held(report(0.9, parameters={"eps": 0.1})), "eps = 0.1, 0.3 is asked for"),
        (POLICY, held(report(0.9, parameters={"eps": 0.5})), "eps = 0.5, 0.3 is asked for"),
        (POLICY, held(report(0.9, parameters={"norm": "l2"})), 'norm = "l2", "linf" is asked for'),
        (with_rule(max_age="1d"), held(report(0.9), time=NOW - timedelta(days=2)), "older than 1d"),
        (POLICY, held(report(0.9), time=NOW + timedelta(hours=1)), "in the future"),
        (with_rule(data=digest_of(b"d")), held(report(0.9)), "other data"),
        (with_rule(effort="thorough"), held(report(0.9)), 'effort "standard"'),
        (with_rule(access="white-box"), held(report(0.9, parameters={"access": "scores"})), '"scores"'),
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


def test_evidence_about_a_part_or_about_the_same_parts_under_other_names_does_not_count() -> None:
    """Which code runs with which weights decides the figure, so the digest of the whole must match."""
    weights, code = digest_of(b"weights"), digest_of(b"code")
    whole = subject_of_parts("model", "net.py:net", {"net.py:net": code, "w.safetensors": weights})
    renamed = subject_of_parts("model", "net.py:net", {"net.py:net": code, "other.safetensors": weights})
    part = Subject(kind="model", name="w.safetensors", digest=weights)
    for_whole = [held(report(0.9, subject=one)) for one in (part, renamed)]
    assert outcome(POLICY, *for_whole, subject=whole)[0] == "no_conclusion"
    assert outcome(POLICY, held(report(0.9, subject=whole)), subject=part)[0] == "no_conclusion"
    assert outcome(POLICY, held(report(0.9, subject=whole)), subject=whole)[0] == "pass"


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


def test_a_report_that_fails_by_itself_is_not_met_whatever_its_number() -> None:
    failed = Finding(check="a-b", status="FAIL", severity="high", title="t", detail="d", fix="f")
    assert outcome(POLICY, held(report(0.9, findings=(failed,))))[0] == "fail"


def test_a_report_with_an_error_keeps_a_good_one_from_passing() -> None:
    """Masked gradients that one run saw are not undone by another that did not look so closely."""
    error = Finding(check="a-b", status="ERROR", severity="high", title="t", detail="gradients are hidden")
    found, said = outcome(POLICY, held(report(0.9)), held(report(0.9, findings=(error,)), index=1))
    assert found == "no_conclusion"
    assert "gradients are hidden" in said


def test_a_requirement_without_a_measure_asks_for_the_outcome() -> None:
    rule = Policy(authors=[ME], require=[Require(name="assessed")])
    assert outcome(rule, held(report(0.1)))[0] == "pass"
    assert outcome(rule, held(report(0.1, complete=False)))[0] == "no_conclusion"


@given(lows=st.lists(st.floats(0, 0.95), min_size=1, max_size=4), more=st.floats(0, 0.95))
def test_more_evidence_never_turns_a_refusal_into_a_pass(lows: list[float], more: float) -> None:
    before = outcome(POLICY, *(held(report(low), index=i) for i, low in enumerate(lows)))[0]
    after = outcome(POLICY, *(held(report(low), index=i) for i, low in enumerate([*lows, more])))[0]
    assert not (before == "fail" and after == "pass")


@pytest.mark.parametrize(("low", "code"), [(0.9, 0), (0.1, 1), (None, 2)])
def test_a_decision_exits_as_a_report_does(low: float | None, code: int) -> None:
    shown = decision_report(decision(evidence=[] if low is None else [held(report(low))], runs=3))
    assert exit_code(shown) == code
    runs = shown.measure("runs")
    assert runs is not None
    assert runs.value == 3


def test_a_gate_without_requirements_says_how_to_add_one() -> None:
    shown = decision_report(decision(Policy()))
    assert exit_code(shown) == 2
    assert any("[[policy.require]]" in f.detail for f in shown.findings)


def test_nothing_is_decided_from_a_ledger_that_cannot_be_relied_on() -> None:
    for low in (0.9, 0.1):
        found = decision(evidence=[held(report(low))], unsound="entries 3 to 5 are missing")
        assert found.outcome == "no_conclusion"
        assert "entries 3 to 5 are missing" in found.requirements[0].reason


def test_a_pass_does_not_stand_where_a_report_was_erased() -> None:
    gone = [Gone(NOW - timedelta(days=1), "entry 3, a report, was erased by entry 9")]
    good, bad = held(report(0.9)), held(report(0.1))
    doubted = decision(evidence=[good], gone=gone)
    assert doubted.outcome == "no_conclusion"
    assert "entry 3, a report, was erased by entry 9" in doubted.requirements[0].reason
    assert decision(evidence=[bad], gone=gone).outcome == "fail"
    assert decision(gone=gone).outcome == "no_conclusion"


@pytest.mark.parametrize(("days", "found"), [(2, "no_conclusion"), (0, "pass")])
def test_where_the_latest_decides_only_evidence_newer_than_what_was_erased_passes(
    days: int, found: str
) -> None:
    gone = [Gone(NOW - timedelta(days=1), "entry 3, a report, was erased by entry 9")]
    evidence = [held(report(0.9), time=NOW - timedelta(days=days))]
    latest = Policy(authors=[ME], require=[ASKED], take="latest")
    assert decision(latest, evidence=evidence, gone=gone).outcome == found


def test_what_was_checked_and_what_was_not_stands_in_the_decision_and_its_report() -> None:
    said = decision(evidence=[held(report(0.9))], checked=("9 entries",), not_checked=("rollback",))
    shown = decision_report(said)
    assert (said.checked, said.not_checked) == (("9 entries",), ("rollback",))
    assert any(f.status == "SKIP" and f.detail == "rollback" for f in shown.findings)
    assert any("9 entries" in getattr(one, "text", "") for one in shown.exhibits)
    assert exit_code(shown) == 0


def test_no_decision_claims_an_answer_from_such_a_ledger() -> None:
    met = decision(evidence=[held(report(0.9))])
    with pytest.raises(ValueError, match="cannot be relied on"):
        msgspec.structs.replace(met, unsound="entry 3")


def test_what_the_digest_does_not_hold_fast_is_told_with_what_is_met() -> None:
    """By the checks' own names, of which a model's opening knows the same."""
    outside = Finding(
        check="model-code-not-covered", status="WARN", severity="medium", title="t", detail="w.bin", fix="f"
    )
    assert {one.id for one in MODEL_CHECKS} >= BEYOND_DIGEST
    said = "what may have changed under the same digest: w.bin"
    good = held(report(0.9, findings=(outside,)))
    assert decision(evidence=[good, held(report(0.9), index=1)], not_checked=("x",)).not_checked == (
        "x",
        said,
    )
    assert decision(evidence=[held(report(0.1, findings=(outside,)))]).not_checked == ()
