"""A request on its way, and what does not change while the gateway runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ancile.serve.backend import Cancel
from ancile.serve.budgets import Budgets
from ancile.serve.caller import Caller
from ancile.serve.config import Policy
from ancile.serve.identity.config import Identities
from ancile.serve.inference import Infer
from ancile.serve.learned import Learned
from ancile.serve.memory import Memory
from ancile.serve.routes import Route
from ancile.serve.verdict import Verdict

STATUS = {"review": 403, "throttle": 429, "deny": 403}


class Settings(NamedTuple):
    """What does not change while the gateway runs.

    learned  of each model that has a reference set
    rows     samples of one request, at most
    budgets  of a day; without, a count that ends with the process
    known    who may come in without an API key
    """

    policy: Policy
    learned: Mapping[str, Learned]
    rows: int
    budgets: Budgets | None = None
    known: Identities = Identities()


@dataclass(slots=True)
class Call:
    """A request that was admitted.

    memory  of its caller and model, once there is an input of the model's shapes
    digest  keyed, of the input; empty without one
    number  the same as an integer
    repeat  whether the caller sent this input before
    plain   whether the answer is as exact as the role has it
    began   when the model was asked, by the guards' clock
    seconds that it took
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
    plain: bool = True
    began: float = 0.0
    seconds: float = 0.0
