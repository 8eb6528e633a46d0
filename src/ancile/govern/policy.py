"""What a gate asks for: the table ``[policy]`` of ancile.toml."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import msgspec

from ancile.core.budget import seconds_of
from ancile.core.errors import AncileError
from ancile.core.strength import Access, Effort
from ancile.core.subject import DIGEST, digest_of

# Figures that mean nothing without the size of the change, and the side on which their bound is of use:
# what was tried shows at most this robust, at least this easy to break.
ROBUSTNESS: dict[str, Literal["at_least", "at_most"]] = {
    "robust_accuracy": "at_least",
    "attack_success_rate": "at_most",
}
RATES = frozenset({*ROBUSTNESS, "clean_accuracy"})
DATA = "data "  # how the stages of data begin
SIZE = 'add parameters = { norm = "linf", eps = 0.0314 } with your own'


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ledger whose evidence counts: its origin, and the verifier keys that sign its checkpoints."""

    origin: str
    keys: list[str]


class Require(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One requirement, answered by the reports of one stage; those of data (``data vet``) by data sets alone.

    measure            name of a measure; None asks for the report's outcome alone
    slice              which part of the whole the measure speaks of
    at_least, at_most  compared with the interval's low end, its high end: not with the value
    parameters         parameters of the report that must be equal, a list to a list
    absent             parameters that the report must not have
    free               parameters that may have any value, though they can flatter
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
    parameters: dict[str, str | int | float | bool | list[str | int | float | bool]] = {}
    absent: list[str] = []
    free: list[str] = []
    data: str | None = None
    minimum_n: int | None = None
    effort: Effort | None = None
    access: Access | None = None
    max_age: str | None = None
    allow_endpoint: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a requirement has a name")
        fault = next(_faults(self), None)
        if fault:
            raise ValueError(f"requirement {self.name!r}: {fault}")

    @property
    def named(self) -> frozenset[str]:
        """Parameters that this requirement says something of."""
        return frozenset((*self.parameters, *self.absent, *self.free))

    def is_about(self, kind: str) -> bool:
        """Whether a subject of this kind can answer it: stages of data are for data sets, others not."""
        return (kind == "dataset") == self.stage.startswith(DATA)

    @property
    def is_about_robustness(self) -> bool:
        """Whether the measure means nothing without norm and eps."""
        return self.measure in ROBUSTNESS


def _faults(one: Require) -> Iterator[str]:
    """What would make the requirement unanswerable, or answered by anything."""
    limits = [limit for limit in (one.at_least, one.at_most) if limit is not None]
    if (one.measure is None) != (not limits):
        yield "measure goes with at_least or at_most"
    if one.measure is None and (one.minimum_n is not None or one.slice):
        yield "minimum_n and slice go with a measure"
    if not all(map(math.isfinite, (*limits, *_numbers(one)))):
        yield "its numbers are finite"  # every comparison with nan is false, so that nothing would fail it
    if one.measure in RATES and not all(0 <= limit <= 1 for limit in limits):
        yield f"{one.measure} is a share, from 0 to 1"
    if one.minimum_n is not None and one.minimum_n < 1:
        yield "minimum_n is at least 1"
    if one.data is not None and not DIGEST.fullmatch(one.data):
        yield "data is a digest, sha256:<64 hex digits>"
    said = (*one.parameters, *one.absent, *one.free)
    twice = sorted(name for name in set(said) if said.count(name) > 1)
    if twice:
        yield f"{twice[0]} stands in more than one of parameters, absent and free"
    yield from _size_faults(one)
    yield from _duration_faults(one.max_age)


def _size_faults(one: Require) -> Iterator[str]:
    if one.measure not in ROBUSTNESS:
        return
    side = ROBUSTNESS[one.measure]
    if getattr(one, side) is None or len({one.at_least, one.at_most} - {None}) > 1:
        yield f"{one.measure} is a bound: ask for {side}, and nothing else"
    missing = [name for name in ("norm", "eps") if name not in one.parameters]
    if missing:
        yield f"{one.measure} means nothing without {' and '.join(missing)}: {SIZE}"
    if "eps" in one.slice:
        yield "the figures of the curve over eps come from one attack alone: assess at that eps"


def _numbers(one: Require) -> Iterator[float]:
    for value in (*one.parameters.values(), *one.slice.values()):
        yield from (v for v in (value if isinstance(value, list) else [value]) if isinstance(v, float))


def _duration_faults(text: str | None) -> Iterator[str]:
    if text is None:
        return
    try:
        seconds_of(text)
    except AncileError as reason:
        yield f"max_age {text!r} is {reason.what}: {reason.remedy}"


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[policy]``.

    authors     key ids whose evidence counts; ``ancile keys list`` prints one's own
    logs        further ledgers whose evidence counts; one's own stands in ``[ledger]``
    take        which evidence decides where several match
    max_age     of evidence, None for any
    checkpoint  file with a checkpoint or report of the ledger, kept where this machine cannot write; the
                ledger must go on from it
    require     every one of these must be met
    """

    authors: list[str] = []
    logs: list[Log] = []
    take: Literal["worst", "latest"] = "worst"
    max_age: str | None = None
    checkpoint: str | None = None
    require: list[Require] = []

    def __post_init__(self) -> None:
        fault = next(_duration_faults(self.max_age), None)
        if fault:
            raise ValueError(f"policy: {fault}")
        wrong = [a for a in self.authors if not DIGEST.fullmatch(a)]
        if wrong:
            raise ValueError(f"authors are key ids, sha256:<64 hex digits>: {wrong[0][:80]!r}")
        if self.checkpoint is not None and (not self.checkpoint or "\0" in self.checkpoint):
            raise ValueError("checkpoint names a file")
        names = [r.name for r in self.require]
        if len(names) != len(set(names)):
            raise ValueError("two requirements of one name")


def policy_digest(policy: Policy) -> str:
    """Digest of the policy's canonical form: keys sorted, defaults written out.

    The form is msgspec's deterministic JSON, which is only ever compared with itself.
    """
    return digest_of(msgspec.json.encode(policy, order="sorted"))
