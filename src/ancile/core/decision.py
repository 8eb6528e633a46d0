"""What a gate said, from which evidence, under which policy, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from ancile.core.report import Outcome
from ancile.core.subject import DIGEST, Subject

Answer = Literal["met", "not_met", "no_conclusion"]


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence that a gate looked at: the log's origin, the entry, its statement, its author."""

    origin: str
    index: int
    statement_digest: str
    author: str


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement of the policy with the gate's answer and the reason in words.

    left_open  what the policy does not say though it decides the figure, as the deciding evidence has it
    """

    name: str
    answer: Answer
    reason: str
    remedy: str
    grounds: tuple[Ground, ...] = ()
    left_open: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.name and self.reason and self.remedy):
            raise ValueError("an answered requirement has a name, a reason and a remedy")
        if self.answer == "met" and not self.grounds:
            raise ValueError(f"requirement {self.name}: met without evidence")


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The recorded answer of a gate; no requirement answered means no conclusion, never a pass.

    outcome        computed: any ``not_met`` fails, else any ``no_conclusion`` stays open
    policy_digest  of the policy's canonical form
    runs           started runs that the ledger holds for the subject, finished or not
    unsound        why nothing may be decided from the ledger, empty where it may; then nothing is met
    checked        what of the ledger itself was checked before it was believed, in words
    not_checked    what could not be seen or judged, and so does not stand behind the answer
    """

    schema: Literal["ancile/decision/v1"] = "ancile/decision/v1"
    outcome: Outcome = "no_conclusion"
    subject: Subject
    policy_digest: str
    requirements: tuple[Requirement, ...]
    runs: int
    unsound: str = ""
    checked: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    decided: datetime
    version: str

    def __post_init__(self) -> None:
        if not DIGEST.fullmatch(self.policy_digest):
            raise ValueError("a decision names its policy by digest")
        if self.decided.tzinfo is None:
            raise ValueError("the time of a decision is aware")
        answers = {r.answer for r in self.requirements}
        if self.unsound and answers - {"no_conclusion"}:
            raise ValueError("a decision from a ledger that cannot be relied on answers nothing")
        follows: Outcome = "no_conclusion"
        if "not_met" in answers:
            follows = "fail"
        elif answers == {"met"}:
            follows = "pass"
        if self.outcome not in ("no_conclusion", follows):
            raise ValueError(f"outcome {self.outcome} does not follow from the answers: {follows}")
        msgspec.structs.force_setattr(self, "outcome", follows)
