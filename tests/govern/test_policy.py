"""A policy that nothing could answer, or anything, is refused when it is read."""

from __future__ import annotations

import math

import pytest

from ancile.govern.policy import Policy, Require, policy_digest
from ancile.govern.remedy import Naming, assess_command, how_to_get
from tests.govern.evidence import ASKED, POLICY, with_rule

ROBUST = {"name": "a", "measure": "robust_accuracy", "at_least": 0.5}
SIZE = {"norm": "linf", "eps": 0.1}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "has a name"),
        ({"name": "a", "measure": "robust_accuracy"}, "measure goes with"),
        ({"name": "a", "at_least": 0.5}, "measure goes with"),
        ({"name": "a", "minimum_n": 5}, "go with a measure"),
        ({"name": "a", "slice": {"class": "3"}}, "go with a measure"),
        ({"name": "a", "data": "abc"}, "data is a digest"),
        ({"name": "a", "max_age": "soon"}, "max_age 'soon'"),
        ({"name": "a", "max_age": ""}, "max_age ''"),
        (ROBUST, r"without norm and eps: add parameters = \{ norm"),
        (ROBUST | {"parameters": {"norm": "linf"}}, "without eps"),
        (ROBUST | {"parameters": {"eps": 0.1}}, "without norm"),
        (ROBUST | {"free": ["eps"], "parameters": {"norm": "linf"}}, "without eps"),
        (ROBUST | {"parameters": SIZE, "free": ["eps"]}, "eps stands in more than one"),
        (ROBUST | {"parameters": SIZE, "absent": ["norm"]}, "norm stands in more than one"),
        (ROBUST | {"parameters": SIZE, "absent": ["where", "where"]}, "where stands in more"),
        (ROBUST | {"parameters": SIZE, "at_most": 0.9}, "ask for at_least, and nothing else"),
        (ROBUST | {"parameters": SIZE, "at_least": None, "at_most": 0.9}, "ask for at_least"),
        (ROBUST | {"parameters": SIZE, "slice": {"eps": 0.1}}, "one attack alone"),
        (ROBUST | {"parameters": SIZE, "minimum_n": 0}, "at least 1"),
        (ROBUST | {"parameters": SIZE, "at_least": math.nan}, "finite"),
        (ROBUST | {"parameters": SIZE | {"eps": math.inf}}, "finite"),
        (ROBUST | {"parameters": SIZE | {"std": [math.nan]}}, "finite"),
        (ROBUST | {"parameters": SIZE, "at_least": 50.0}, "a share, from 0 to 1"),
        (ROBUST | {"measure": "attack_success_rate", "parameters": SIZE}, "ask for at_most"),
        ({"name": "a", "measure": "clean_accuracy", "at_least": -0.1}, "a share, from 0 to 1"),
    ],
)
def test_a_requirement_that_cannot_be_answered_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Require(**wrong)  # type: ignore[arg-type] # wrong on purpose


def test_measures_that_are_no_robustness_need_no_norm() -> None:
    assert not Require(name="a", measure="clean_accuracy", at_least=0.9).is_about_robustness
    assert (
        Require(name="a", measure="brier_score", at_most=2.0, slice={"inputs": "clean"}).named == frozenset()
    )


def test_a_policy_is_named_by_what_it_asks_for() -> None:
    assert policy_digest(POLICY) == policy_digest(with_rule())
    assert policy_digest(POLICY) != policy_digest(with_rule(at_least=0.61))
    with pytest.raises(ValueError, match="two requirements"):
        Policy(require=[ASKED, ASKED])
    with pytest.raises(ValueError, match="key ids"):
        Policy(authors=["me"])
    with pytest.raises(ValueError, match="max_age"):
        Policy(max_age="never")
    for name in ("", "a\0b"):
        with pytest.raises(ValueError, match="checkpoint names a file"):
            Policy(checkpoint=name)


def test_the_remedy_is_the_command_that_would_make_the_evidence() -> None:
    rule = Require(
        name="a",
        measure="robust_accuracy",
        at_least=0.5,
        parameters={
            "norm": "l2",
            "eps": 8 / 255,
            "seed": 3,
            "mean": [0.5, 0.25],
            "std": [1.0, 2.0],
            "drop": ["an id", "x"],
            "where": "a=b c",
            "label": "is spam",
            "attacks": ["pgd"],
        },
        minimum_n=200,
        effort="standard",
        data="sha256:" + "0" * 64,
        access="white-box",
    )
    naming = Naming(("net.py:net", "--weights", "my weights.pt"), "held out.npz")
    assert assess_command(rule, naming) == (
        "ancile assess net.py:net --weights 'my weights.pt' --data 'held out.npz' --norm l2 "
        "--eps 0.03137254901960784 --seed 3 --mean 0.5,0.25 --std 1.0,2.0 --drop 'an id' --drop x --where 'a=b c' "
        "--label 'is spam' --samples 200 --effort standard"
    )
    told = how_to_get(rule, naming)
    assert "on the data of digest sha256:000" in told
    assert "with white-box access" in told
    assert "or bring its evidence: `ancile evidence import`, `ancile keys trust`" in told
    assert assess_command(Require(name="b", stage="scan"), Naming()) == "ancile scan MODEL"
