"""What a gate asks for: the table ``[policy]`` of ancile.toml."""

from __future__ import annotations

from typing import Literal

import msgspec

from ancile.core.budget import seconds_of
from ancile.core.errors import AncileError
from ancile.core.subject import DIGEST, digest_of

EFFORTS = ("quick", "standard", "thorough")  # weakest first
ACCESSES = ("labels", "scores", "white-box")  # weakest first


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ledger whose evidence counts: its origin, and the verifier keys that sign its checkpoints."""

    origin: str
    keys: list[str]


class Require(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One requirement, answered by the reports of one stage.

    measure            name of a measure; None asks for the report's outcome alone
    slice              which part of the whole the measure speaks of
    at_least, at_most  compared with the interval's low end, its high end: not with the value
    parameters         parameters of the report that must be equal
    data               digest of the data set that must have been used
    minimum_n          samples behind the measure
    effort             this or a stronger one
    access             this or more: ``labels`` < ``scores`` < ``white-box``
    max_age            of the evidence, instead of the policy's
    allow_endpoint     whether evidence about an endpoint counts, whose model may be swapped unseen
    """

    name: str
    stage: str = "assess"
    measure: str | None = None
    slice: dict[str, str | int | float] = {}
    at_least: float | None = None
    at_most: float | None = None
    parameters: dict[str, str | int | float | bool] = {}
    data: str | None = None
    minimum_n: int | None = None
    effort: Literal["quick", "standard", "thorough"] | None = None
    access: Literal["labels", "scores", "white-box"] | None = None
    max_age: str | None = None
    allow_endpoint: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a requirement has a name")
        if (self.measure is None) != (self.at_least is None and self.at_most is None):
            raise ValueError(f"requirement {self.name!r}: measure goes with at_least or at_most")
        if self.data is not None and not DIGEST.fullmatch(self.data):
            raise ValueError(f"requirement {self.name!r}: data is a digest, sha256:<64 hex digits>")
        _seconds(self.max_age, f"requirement {self.name!r}")


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[policy]``.

    authors  key ids whose evidence counts; ``ancile keys list`` prints one's own
    logs     further ledgers whose evidence counts; one's own stands in ``[ledger]``
    take     which evidence decides where several match
    max_age  of evidence, None for any
    require  every one of these must be met
    """

    authors: list[str] = []
    logs: list[Log] = []
    take: Literal["worst", "latest"] = "worst"
    max_age: str | None = None
    require: list[Require] = []

    def __post_init__(self) -> None:
        _seconds(self.max_age, "policy")
        wrong = [a for a in self.authors if not DIGEST.fullmatch(a)]
        if wrong:
            raise ValueError(f"authors are key ids, sha256:<64 hex digits>: {wrong[0][:80]!r}")
        names = [r.name for r in self.require]
        if len(names) != len(set(names)):
            raise ValueError("two requirements of one name")


def _seconds(text: str | None, where: str) -> None:
    try:
        seconds_of(text or "1s")
    except AncileError as reason:
        raise ValueError(f"{where}: max_age {text!r} is {reason.what}: {reason.remedy}") from reason


def policy_digest(policy: Policy) -> str:
    """Digest of the policy's canonical form: keys sorted, defaults written out.

    The form is msgspec's deterministic JSON, which is only ever compared with itself.
    """
    return digest_of(msgspec.json.encode(policy, order="sorted"))
