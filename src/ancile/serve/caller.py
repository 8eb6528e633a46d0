"""What is remembered of an identity between its requests; its size does not grow with them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from ancile.serve.budgets import Budgets, Counts
from ancile.serve.config import Role
from ancile.serve.history import History
from ancile.serve.keys import Identity
from ancile.serve.ladder import Evidence
from ancile.serve.memory import Memory

MOST_CALLERS = 10_000  # at a time; whoever asked longest ago goes, and only a new key makes a new caller
MOST_KEPT = 2_500  # of those who would go, whom there is evidence against, or who wait for an answer


class Caller:
    """One identity with its role, its clocks, and what the guards remember of it.

    arrival  GCRA's theoretical arrival time, seconds of the loop's clock
    day      number of the UTC day that ``left`` is of
    left     requests of it that were taken from the budgets and not spent yet
    again    Unix time at which the budgets are asked again, once they had none
    cells    requests of the rate that were taken where several hosts count, until ``fresh``
    running  requests under way
    memory   for each model
    evidence  against it, from all guards
    """

    __slots__ = (
        "again",
        "arrival",
        "cells",
        "day",
        "evidence",
        "fresh",
        "identity",
        "left",
        "memory",
        "role",
        "running",
    )

    def __init__(self, identity: Identity, role: Role, evidence: Evidence | None = None) -> None:
        self.identity, self.role = identity, role
        self.arrival = self.again = self.fresh = 0.0
        self.day = self.left = self.cells = self.running = 0
        self.memory: dict[str, Memory] = {}
        self.evidence = evidence or Evidence()

    def remembered(self, model: str) -> Memory:
        """What is remembered of its requests for one model."""
        memory = self.memory.get(model)
        if memory is None:
            memory = self.memory[model] = Memory()
        return memory


class Callers:
    """All callers, the one that asked last at the end.

    Nobody makes himself forgotten by having others ask: it takes ten thousand identities, and where there is
    evidence against him a quarter of that more, with evidence against each.

    budgets  that they take their days from; without, a count that ends with the process
    history  of evidence from processes before; without, nothing is known of them
    """

    def __init__(self, budgets: Budgets | None = None, history: History | None = None) -> None:
        self.budgets = budgets or Counts()
        self._history = history
        self._known: OrderedDict[str, Caller] = OrderedDict()
        self._kept: OrderedDict[str, Caller] = OrderedDict()

    def of(self, identity: Identity, role: Role) -> Caller:
        """The caller, as remembered; with another role than before it keeps what it did."""
        name = identity.name
        caller = self._known.get(name)
        if caller is None:
            kept = name in self._kept
            caller = self._known[name] = self._kept.pop(name) if kept else self._new(identity, role)
            if len(self._known) > MOST_CALLERS:
                self._leave(self._known.popitem(last=False)[1])
        else:
            self._known.move_to_end(name)
        if caller.role is not role:
            caller.identity, caller.role = identity, role
        return caller

    def _new(self, identity: Identity, role: Role) -> Caller:
        return Caller(identity, role, None if self._history is None else self._history.recall(identity.name))

    def _leave(self, caller: Caller) -> None:
        """Somebody goes, or is kept a while instead of whoever was kept longest."""
        if caller.running or caller.evidence.sums:
            self._kept[caller.identity.name] = caller
            if len(self._kept) <= MOST_KEPT:
                return
            caller = self._kept.popitem(last=False)[1]
        self._settle(caller)

    def tick(self) -> None:
        """Once a second: evidence that is to outlive the process."""
        if self._history is not None:
            self._history.tick(self._evidence(), self._against)

    def _against(self, name: str) -> Evidence | None:
        caller = self._known.get(name) or self._kept.get(name)
        return None if caller is None else caller.evidence

    def _evidence(self) -> Iterator[tuple[str, Evidence]]:
        return ((one.identity.name, one.evidence) for one in (*self._known.values(), *self._kept.values()))

    def settle(self) -> None:
        """Give back what nobody has spent, and write the evidence; before the end."""
        if self._history is not None:
            self._history.write(self._evidence())
            self._history.close()
        for caller in (*self._known.values(), *self._kept.values()):
            self._settle(caller)

    def _settle(self, caller: Caller) -> None:
        if caller.left:
            self.budgets.give(caller.identity.name, caller.day, unspent=caller.left)
            caller.left = 0

    def __len__(self) -> int:
        return len(self._known) + len(self._kept)
