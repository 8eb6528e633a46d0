"""A request on its way, and what does not change while the gateway runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ancile.serve.backend import Cancel
from ancile.serve.budgets import Budgets, Rates
from ancile.serve.caller import Caller
from ancile.serve.config import Policy
from ancile.serve.guards.sequence import Near
from ancile.serve.handover import Siblings
from ancile.serve.history import History
from ancile.serve.identity.config import Identities
from ancile.serve.inference import Infer
from ancile.serve.learned import Learned
from ancile.serve.memory import Memory
from ancile.serve.probe_config import Probing
from ancile.serve.routes import Route
from ancile.serve.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.numeric import np

STATUS = {"review": 403, "throttle": 429, "deny": 403}


class Settings(NamedTuple):
    """What does not change while the gateway runs.

    learned  of each model that has a reference set
    rows     samples of one request, at most
    budgets  of a day; without, a count that ends with the process
    wall     seconds of Unix time
    probing  how often the model is asked more than was asked
    known    who may come in without an API key
    siblings  workers that other identities belong to
    rates    where several hosts count requests a second
    digests  whether the record has those of inputs
    history  of evidence from processes before
    """

    policy: Policy
    learned: Mapping[str, Learned]
    rows: int
    budgets: Budgets | None = None
    wall: Callable[[], float] = time.time
    probing: Probing = Probing()
    known: Identities = Identities()
    siblings: Siblings | None = None
    rates: Rates | None = None
    digests: bool = True
    history: History | None = None


@dataclass(slots=True)
class Call:
    """A request that was admitted.

    memory  of its caller and model, once there is an input of the model's shapes
    digest  keyed, of the input; empty without one
    number  the same as an integer
    repeat  whether the caller sent this input before
    paid    whether it went to the model before, so that budgets hold it already; one that was refused did not
    told    whether it was answered before: only then have the guards after the model seen it
    near    how near each sample is to those before it, where that is looked at
    first   number of the first of them in the caller's window
    plain   whether the answer is as exact as the role has it
    came    when it had come in whole, and since when the gateway is at it, by time.perf_counter
    spent   seconds that the gateway was at it
    asked   when the model was asked, and the seconds until its outcome; 0 where it was not
    trace   W3C traceparent that an upstream gets, and the caller's span; empty without
    extra   rows that the model was asked beside the caller's own
    differing  for each row which share of an ensemble names another class; None of one model
    changed  what the answer is beside rounded
    """

    caller: Caller
    route: Route
    verdict: Verdict
    infer: Infer | None = None
    rows: int = 0
    cancel: Cancel | None = None
    memory: Memory | None = None
    digest: str = ""
    number: int = 0
    repeat: bool = False
    paid: bool = False
    told: bool = False
    near: Sequence[Near] | None = None
    first: int = 0
    plain: bool = True
    came: float = 0.0
    since: float = 0.0
    spent: float = 0.0
    asked: float = 0.0
    model_seconds: float = 0.0
    sampled: bool = False
    trace: bytes = b""
    parent: bytes = b""
    extra: int = 0
    differing: NDArray[np.floating] | None = None
    changed: tuple[str, ...] = ()
