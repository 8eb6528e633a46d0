"""What is remembered of an identity between its requests; its size does not grow with them."""

from __future__ import annotations

from collections import OrderedDict

from ancile.serve.config import Role
from ancile.serve.keys import Identity
from ancile.serve.memory import Memory

MOST_CALLERS = (
    10_000  # at a time; whoever asked longest ago is forgotten, and only a new key makes a new caller
)


class Caller:
    """One identity with its role, its clocks, and what the guards remember of it.

    arrival  GCRA's theoretical arrival time, seconds of the loop's clock
    day      number of the UTC day that ``asked`` counts
    running  requests under way
    memory   for each model
    """

    __slots__ = ("arrival", "asked", "day", "identity", "memory", "role", "running")

    def __init__(self, identity: Identity, role: Role) -> None:
        self.identity, self.role = identity, role
        self.arrival = 0.0
        self.day = self.asked = self.running = 0
        self.memory: dict[str, Memory] = {}

    def remembered(self, model: str) -> Memory:
        """What is remembered of its requests for one model."""
        memory = self.memory.get(model)
        if memory is None:
            memory = self.memory[model] = Memory()
        return memory


class Callers:
    """All callers, the one that asked last at the end."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Caller] = OrderedDict()

    def of(self, identity: Identity, role: Role) -> Caller:
        """The caller, as remembered; with another role than before it keeps what it did."""
        name = identity.name
        caller = self._known.get(name)
        if caller is None:
            caller = self._known[name] = Caller(identity, role)
            if len(self._known) > MOST_CALLERS:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(name)
            if caller.role is not role:
                caller.identity, caller.role = identity, role
        return caller

    def __len__(self) -> int:
        return len(self._known)
