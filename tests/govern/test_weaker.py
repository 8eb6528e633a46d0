"""Evidence that is weaker than asked for cannot help to a pass; what it broke is broken all the same."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.finding import Finding
from ancile.core.report import Report
from ancile.govern.match import Held
from ancile.govern.policy import Policy, Require
from tests.govern.evidence import ASKED, ME, NOW, OTHER, POLICY, Given, held, outcome, report, with_rule

STRICT = with_rule(
    effort="standard",
    access="white-box",
    minimum_n=500,
    max_age="30d",
    parameters={"norm": "linf", "eps": 0.3, "seed": 0, "attacks": ["fgsm", "pgd"]},
)
GIVEN: dict[str, Given] = {"seed": 0, "attacks": ["fgsm", "pgd"]}


def made(low: float, **changes: Given) -> Report:
    return report(low, parameters=GIVEN | changes)


def weak(low: float) -> list[Held]:
    """Evidence that falls short in one thing each."""
    return [
        held(made(low, effort="quick")),
        held(made(low, access="labels")),
        held(made(low, seed=7)),
        held(made(low, attacks=["fgsm"])),
        held(made(low, eps=0.1)),
        held(report(low, parameters=GIVEN, n=20)),
        held(report(low, parameters=GIVEN, complete=False)),
        held(made(low), time=NOW - timedelta(days=60)),
        held(made(low), time=NOW + timedelta(days=1)),
    ]


@pytest.mark.parametrize("place", range(9))
def test_weaker_evidence_that_breaks_the_bound_refuses(place: int) -> None:
    found, said = outcome(STRICT, weak(0.1)[place], held(made(0.9), index=1))
    assert found == "fail"
    assert "even its high end is below 0.6" in said
    assert "though" in said


@pytest.mark.parametrize("place", range(9))
@pytest.mark.parametrize("low", [0.58, 0.9])
def test_weaker_evidence_that_does_not_break_it_neither_helps_nor_hinders(place: int, low: float) -> None:
    """From 0.58 to 0.62 the interval holds 0.6: few samples or little effort alone refuse nothing."""
    assert outcome(STRICT, weak(low)[place])[0] == "no_conclusion"
    assert outcome(STRICT, weak(low)[place], held(made(0.9), index=1))[0] == "pass"


@given(low=st.floats(0, 0.95), place=st.integers(0, 8))
def test_weaker_evidence_alone_never_passes(low: float, place: int) -> None:
    assert outcome(STRICT, weak(low)[place])[0] == ("fail" if low + 0.04 < 0.6 else "no_conclusion")


@pytest.mark.parametrize(
    "evidence",
    [
        held(made(0.1, norm="l2")),
        held(made(0.1, eps=0.5)),
        held(made(0.1, where="age=3")),
        held(made(0.1), author=OTHER),
        held(made(0.1), refused="its signer was revoked"),
    ],
)
def test_evidence_of_another_question_or_of_nobody_refuses_nothing(evidence: Held) -> None:
    assert outcome(STRICT, evidence, held(made(0.9), index=1))[0] == "pass"


def test_an_upper_limit_is_broken_by_the_low_end() -> None:
    rule = with_rule(measure="attack_success_rate", at_least=None, at_most=0.3, effort="standard")
    quick = {"effort": "quick"}
    asr = "attack_success_rate"
    assert outcome(rule, held(report(0.4, parameters=quick, measure=asr)))[0] == "fail"
    assert outcome(rule, held(report(0.28, parameters=quick, measure=asr)))[0] == "no_conclusion"


def test_an_unfinished_run_can_refuse_but_never_pass() -> None:
    assert outcome(POLICY, held(report(0.9, complete=False)))[0] == "no_conclusion"
    assert outcome(POLICY, held(report(0.1, complete=False)))[0] == "fail"


def test_an_unfinished_run_does_not_stand_in_the_way_of_the_one_that_went_on() -> None:
    """Ctrl-C leaves a report of what was done; the same command again goes on and ends."""
    assert outcome(POLICY, held(report(0.7, complete=False)), held(report(0.7), index=1))[0] == "pass"


@pytest.mark.slow
def test_where_the_latest_decides_older_weak_evidence_is_past() -> None:
    old, new = NOW - timedelta(days=2), NOW - timedelta(days=1)
    latest = Policy(authors=[ME], require=[*with_rule(effort="standard").require], take="latest")
    quick = report(0.1, parameters={"effort": "quick"})
    assert outcome(latest, held(quick, time=old), held(report(0.9), time=new))[0] == "pass"
    assert outcome(latest, held(report(0.9), time=old), held(quick, time=new))[0] == "fail"


def test_without_a_measure_a_failure_of_weaker_evidence_is_one() -> None:
    rule = Policy(authors=[ME], require=[Require(name="assessed", effort="thorough")])
    failed = Finding(check="a-b", status="FAIL", severity="high", title="t", detail="d", fix="f")
    assert outcome(rule, held(report(0.9, findings=(failed,))))[0] == "fail"
    assert outcome(rule, held(report(0.1)))[0] == "no_conclusion"


def test_the_rule_of_the_tests_is_the_one_asked_for() -> None:
    assert ASKED.at_least == 0.6
    assert outcome(STRICT, held(made(0.9)))[0] == "pass"


@pytest.mark.parametrize("eps", [True, "0.3", None, [0.1]])
def test_an_eps_that_is_no_number_is_another_question(eps: Given) -> None:
    assert outcome(STRICT, held(made(0.1, eps=eps)), held(made(0.9), index=1))[0] == "pass"
    assert outcome(STRICT, held(made(0.9, eps=eps)))[0] == "no_conclusion"
