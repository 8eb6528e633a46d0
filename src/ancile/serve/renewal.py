"""What is in force is read again while the gateway serves: other workers take over from those before.

They listen at the same socket, so nobody is turned away meanwhile; those before answer what they began and
end. Where what is new cannot be read, or its workers cannot serve, nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.serve.crew import Crew
from ancile.serve.worker import Order, Serving

SHOWN = 19  # of a digest: sha256: and twelve digits


class Read(NamedTuple):
    """What is to be in force.

    policy  digest of it
    taken   is called once workers serve it
    """

    order: Order
    policy: str
    taken: Callable[[], None] = lambda: None


class Crews:
    """The workers in force, those that are to take over, and those that still answer what they began.

    made  starts the workers of an order
    say   hears in words what became of a change
    """

    def __init__(self, first: Read, made: Callable[[Order], Crew], *, say: Callable[[str], None]) -> None:
        self._made, self._say = made, say
        self._policy = first.policy
        self._before: dict[str, str] = {}  # policies of workers by process id, a few for each change
        self._next: tuple[Crew, Read] | None = None
        self._leaving: list[Crew] = []
        self._now = made(first.order)

    def words(self) -> Serving:
        """What the first says, once all serve."""
        return self._now.words()

    @property
    def renewing(self) -> bool:
        """Whether a change is under way."""
        return self._next is not None

    def policy(self, journal: Path) -> str:
        """Digest of what was in force for whoever wrote it."""
        pid = journal.stem.split("-")[1:2]
        if self._next is not None and pid and int(pid[0]) in self._next[0].pids:
            return self._next[1].policy
        return self._before.get(pid[0], self._policy) if pid else self._policy

    def renew(self, read: Callable[[], Read]) -> None:
        """Begin a change to what is read now."""
        try:
            fresh = read()
            self._next = self._made(fresh.order), fresh
        except AncileError as error:
            self._kept(error)

    def look(self) -> None:
        """Replace workers that ended, and go on with a change; AncileError as of ``Crew.look``."""
        self._now.look()
        self._leaving = [crew for crew in self._leaving if not crew.gone()]
        if self._next is None:
            return
        crew, fresh = self._next
        try:
            serving = crew.word()
        except AncileError as error:
            self._next = None
            crew.end()
            self._kept(error)
            return
        if serving is not None:
            self._next = None
            self._take(crew, fresh, serving)

    def _take(self, crew: Crew, fresh: Read, serving: Serving) -> None:
        self._before.update({str(pid): self._policy for pid in self._now.pids})
        self._now.leave()
        self._leaving.append(self._now)
        self._now, self._policy = crew, fresh.policy
        digest = f", {serving.digest[:SHOWN]}" if serving.digest else ""
        self._say(f"read again: serving {', '.join(serving.models)}{digest}, policy {fresh.policy[:SHOWN]}")
        try:
            fresh.taken()
        except AncileError as error:
            self._say(str(error))

    def _kept(self, error: AncileError) -> None:
        self._say(f"what is in force stays as it was: {error}")

    def end(self) -> None:
        """Nothing new comes in, and all drain."""
        crews = [*([self._next[0]] if self._next else []), self._now, *self._leaving]
        for crew in crews:
            crew.leave()
        for crew in crews:
            crew.end()
