"""What a gate said."""

from __future__ import annotations

from datetime import datetime
from itertools import product
from typing import Any, get_args

import pytest

from ancile.core.decision import Answer, Decision, Ground, Requirement
from ancile.core.subject import digest_of
from tests.core.nouns import SUBJECT, TIME

GROUND = Ground(origin="log", index=1, statement_digest=digest_of(b"s"), author="sha256:a")


def answered(answer: str) -> Requirement:
    return Requirement(name="robust", answer=answer, reason="said", remedy="do", grounds=(GROUND,))  # type: ignore[arg-type]  # an answer of the table


def decision(*answers: str, **changes: Any) -> Decision:
    given: dict[str, Any] = {
        "subject": SUBJECT,
        "policy_digest": digest_of(b"policy"),
        "requirements": tuple(answered(answer) for answer in answers),
        "runs": 1,
        "decided": TIME,
        "version": "0.1.0",
    }
    return Decision(**given | changes)


def test_only_evidence_for_every_requirement_passes() -> None:
    for size in range(4):
        for answers in product(get_args(Answer), repeat=size):
            outcome = decision(*answers).outcome
            if "not_met" in answers:
                assert outcome == "fail"
            elif answers and set(answers) == {"met"}:
                assert outcome == "pass"
            else:
                assert outcome == "no_conclusion"


@pytest.mark.parametrize(
    ("stated", "answers"),
    [("pass", ()), ("pass", ("met", "no_conclusion")), ("fail", ("met",)), ("pass", ("not_met",))],
)
def test_a_stated_outcome_that_does_not_follow_is_refused(stated: str, answers: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=f"outcome {stated} does not follow"):
        decision(*answers, outcome=stated)


def test_a_stated_outcome_that_follows_is_kept() -> None:
    assert decision("met", outcome="pass").outcome == "pass"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"policy_digest": "policy"}, "names its policy by digest"),
        ({"decided": datetime(2026, 1, 1)}, "the time of a decision is aware"),  # noqa: DTZ001 - what is refused
    ],
)
def test_a_decision_without_policy_or_time_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decision("met", **changes)


@pytest.mark.parametrize("missing", ["name", "reason", "remedy"])
def test_an_answer_explains_itself(missing: str) -> None:
    words: dict[str, Any] = {"name": "robust", "reason": "said", "remedy": "do"}
    with pytest.raises(ValueError, match="a name, a reason and a remedy"):
        Requirement(answer="not_met", **words | {missing: ""})


def test_nothing_is_met_without_evidence() -> None:
    with pytest.raises(ValueError, match="robust: met without evidence"):
        Requirement(name="robust", answer="met", reason="said", remedy="do")
    assert Requirement(name="robust", answer="not_met", reason="said", remedy="do").grounds == ()


def test_a_ledger_that_cannot_be_relied_on_answers_nothing() -> None:
    assert decision("no_conclusion", unsound="entry 3 was changed").outcome == "no_conclusion"
    for answer in ("met", "not_met"):
        with pytest.raises(ValueError, match="answers nothing"):
            decision("no_conclusion", answer, unsound="entry 3 was changed")
