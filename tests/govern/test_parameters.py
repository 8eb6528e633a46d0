"""A run's parameters must be those that the policy means; what it does not name must be as usual."""

from __future__ import annotations

import pytest

from ancile.core.measure import Scalar
from ancile.core.report import Report
from ancile.govern.gate import Sight, decide
from ancile.govern.parameters import FREE, STRENGTH, USUAL, same, shown
from ancile.govern.policy import Policy
from tests.govern.evidence import MODEL, NOW, held, outcome, report, with_rule

SIZE = {"norm": "linf", "eps": 0.3}


def of(name: str, value: Scalar | list[Scalar]) -> Report:
    return report(0.9, parameters={name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("where", "age=3"),
        ("drop", ["income"]),
        ("mean", [0.5]),
        ("std", [2.0]),
        ("units", "range"),
        ("label", "always_zero"),
        ("goal", "evasion, targeted"),
        ("from_a_later_version", 1),
    ],
)
def test_what_can_flatter_counts_only_where_the_policy_names_it(
    name: str, value: Scalar | list[Scalar]
) -> None:
    found, said = outcome(with_rule(), held(of(name, value)))
    assert found == "no_conclusion"
    assert f"{name} = {shown(value)}, of which the requirement says nothing" in said
    for rule in (with_rule(parameters=SIZE | {name: value}), with_rule(free=[name])):
        assert outcome(rule, held(of(name, value)))[0] == "pass"
    other = with_rule(parameters=SIZE | {name: ["other", 1]})
    assert outcome(other, held(of(name, value)))[0] == "no_conclusion"


@pytest.mark.parametrize(("name", "usual"), [(n, v) for n, v in USUAL.items() if isinstance(v, str)])
def test_the_usual_value_needs_no_word(name: str, usual: str) -> None:
    assert outcome(with_rule(), held(of(name, usual)))[0] == "pass"


def test_a_parameter_that_is_asked_for_and_absent_is_a_difference() -> None:
    for wanted in ([0.5], "x"):
        rule = with_rule(parameters=SIZE | {"mean": wanted})
        found, said = outcome(rule, held(report(0.9)))
        assert found == "no_conclusion"
        assert "mean = absent" in said
    assert outcome(with_rule(parameters=SIZE | {"drop": []}), held(report(0.9)))[0] == "pass"


def test_a_requirement_can_ask_for_absence() -> None:
    rule = with_rule(absent=["budget_seconds", "where"])
    assert outcome(rule, held(report(0.9)))[0] == "pass"
    found, said = outcome(rule, held(of("budget_seconds", 60.0)))
    assert found == "no_conclusion"
    assert "none is asked for" in said
    assert outcome(rule, held(of("where", "a=1")))[0] == "no_conclusion"


@pytest.mark.parametrize(
    ("given", "wanted", "equal"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (1, True, False),
        ("1", 1, False),
        ([1, "a"], [1.0, "a"], True),
        ([1, "a"], ["a", 1], False),
        ([True], [1], False),
        ([1], [1, 1], False),
        ([1], 1, False),
        (None, [], True),
        ([], None, True),
        (None, 0, False),
        (None, False, False),
    ],
)
def test_equality_is_of_kind_and_order(
    given: Scalar | list[Scalar], wanted: Scalar | list[Scalar], equal: bool
) -> None:
    assert same(given, wanted) is equal


def test_values_are_shown_as_toml_writes_them() -> None:
    assert shown(["a", 1, 0.5, True]) == '["a", 1, 0.5, true]'
    assert float(shown(8 / 255)) == 8 / 255
    assert shown(None) == shown([]) == "absent"


def test_no_parameter_is_both_free_and_able_to_flatter() -> None:
    assert not FREE & set(USUAL)
    assert STRENGTH <= FREE


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, ["data =", "effort ="]),
        ({"effort": "quick"}, ["data ="]),
        ({"free": ["mean"]}, ["data =", "effort =", "mean, which it lets be anything"]),
    ],
)
def test_a_pass_says_what_the_policy_left_to_the_author(changes: dict[str, object], left: list[str]) -> None:
    assert [said.startswith(word) for said, word in zip(opened(with_rule(**changes)), left, strict=True)]


def test_luck_of_the_draw_and_a_black_box_are_left_open_only_where_they_were_had() -> None:
    some = report(0.9, parameters={"samples": 100, "samples_available": 500, "seed": 3, "access": "labels"})
    said = " ".join(opened(with_rule(), some))
    assert "parameters.seed = 3" in said
    assert 'access = "labels"' in said
    every = report(0.9, parameters={"samples": 500, "samples_available": 500, "seed": 3})
    assert "seed" not in " ".join(opened(with_rule(), every))


def opened(policy: Policy, of: Report | None = None) -> tuple[str, ...]:
    """What the decision says was left open."""
    evidence = [held(of or report(0.9, parameters={"mean": [0.5]} if policy.require[0].free else {}))]
    decision = decide(policy, MODEL, Sight(evidence=evidence), now=NOW, version="0")
    assert decision.outcome == "pass"
    return decision.requirements[0].left_open
