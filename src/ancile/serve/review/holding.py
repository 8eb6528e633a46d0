"""What a worker does with a request that a person is to look at.

The caller is told to come again: whoever sends the same input again gets what was decided meanwhile.
Decisions on one identity, model and guard that agree say what becomes of its next ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.serve.call import Call
from ancile.serve.inference import Infer, Message, write_request
from ancile.serve.refusal import JSON, Refused
from ancile.serve.review.config import ReviewConfig
from ancile.serve.review.store import Asked, Held, Reviews, streaks
from ancile.serve.tensors import Tensor
from ancile.serve.verdict import Verdict

AGAIN_SECONDS = 30  # after which a caller is told to ask again
LARGEST_INPUT = 1 << 20  # bytes that are kept; of a larger one the digest alone
PURGE_SECONDS = 60.0
ACCEPTED, UNAVAILABLE = 202, 503
OF_CALLER = frozenset(("rate", "quota", "evidence"))  # guards that judge who asks, and say so each time anew


class Waiting(NamedTuple):
    """An input that waits: its id, and the guard that had it held."""

    id: str
    guard: str


class Ruling(NamedTuple):
    """What becomes of a request: with a message it ends here, else it goes on under this verdict."""

    verdict: Verdict
    status: int = 0
    message: Message | None = None


class Holding:
    """One worker's view of the queue.

    wall  seconds of Unix time
    """

    def __init__(self, reviews: Reviews, config: ReviewConfig, wall: Callable[[], float]) -> None:
        self._reviews, self._config, self._wall = reviews, config, wall
        self._known: dict[tuple[str, str, str], Held | Waiting] = {}
        self._streaks: Mapping[tuple[str, str, str], int] = {}
        self._full: set[str] = set()  # who found no room within this second
        self._version, self._purged = -1, 0.0
        self.tick()

    def again(self, call: Call) -> Ruling | None:
        """What became of this input of this caller, held before for what it is; None where it was not.

        Guards that look at inputs say nothing of one that comes once more: what is held stays held.
        """
        known = self._known.get((call.caller.identity.name, call.route.model, call.digest))
        if known is None or known.guard in OF_CALLER:
            return None
        if isinstance(known, Waiting):
            return _waits(Verdict("review", known.guard, "it waits for a person"), known.id)
        if known.until <= self._wall():
            return None
        return _decided(Verdict("review", known.guard), known)

    def rule(self, call: Call, infer: Infer) -> Ruling:
        """What was decided about this input of this caller; it waits where nothing was."""
        who, model, verdict = call.caller.identity.name, call.route.model, call.verdict
        known = self._known.get((who, model, call.digest))
        if isinstance(known, Held) and known.until > self._wall():
            return _decided(verdict, known)
        streak = self._streaks.get((who, model, verdict.guard), 0)
        if 0 < self._config.benign <= streak:
            return Ruling(verdict._replace(reaction="flag", why="a person approved several like this"))
        if 0 < self._config.attack <= -streak:
            return Ruling(verdict._replace(reaction="throttle", why="a person rejected several like this"))
        if isinstance(known, Waiting):
            return _waits(verdict, known.id)
        id_ = None
        if who not in self._full:
            with suppress(AncileError):
                id_ = self._hold(call, infer)
        if id_ is None:
            self._full.add(who)
            body = msgspec.json.encode({"error": "no more requests can wait for a person"})
            return Ruling(verdict, UNAVAILABLE, Message(JSON + b"Retry-After: %d\r\n" % AGAIN_SECONDS, body))
        self._known[who, model, call.digest] = Waiting(id_, verdict.guard)
        return _waits(verdict, id_)

    def _hold(self, call: Call, infer: Infer) -> str | None:
        config, now, identity = self._config, self._wall(), call.caller.identity
        body = body_of(infer) if config.input == "sealed" else None
        asked = Asked(
            who=identity.name,
            role=identity.role,
            model=call.route.model,
            guard=call.verdict.guard,
            why=call.verdict.why,
            said={guard: round(n, 2) for guard, n in call.caller.evidence.sums.items()},
            input=call.digest,
            body=body,
        )
        return self._reviews.hold(
            asked, now=now, until=now + config.wait_seconds, pending=config.pending, each=config.each
        )

    def tick(self) -> None:
        """Once a second: take over what was decided, forget what is old."""
        now = self._wall()
        self._full.clear()
        if now - self._purged >= PURGE_SECONDS:
            self._purged = now
            self._reviews.purge(now=now, keep_seconds=self._config.keep_days * 86_400)
            self._load(now)
        version = self._reviews.version()
        if version != self._version:
            self._version = version
            self._load(now)

    def _load(self, now: float) -> None:
        rows = self._reviews.list()
        counted = [one for one in rows if one.state != "pending" and one.entry is not None]
        waiting = [one for one in rows if one.entry is None and one.until > now]
        self._known = {(one.who, one.model, one.input): Waiting(one.id, one.guard) for one in waiting}
        self._known |= {(one.who, one.model, one.input): one for one in counted if one.until > now}
        self._streaks = streaks(counted)

    def close(self) -> None:
        """Close the queue."""
        self._reviews.close()


def body_of(infer: Infer) -> bytes | None:
    """What is kept of an input; None where it is too large, or has bytes that JSON has no form for."""
    try:
        written = write_request(infer._replace(inputs=tuple(map(_widened, infer.inputs))), binary=False)
    except Refused:
        return None
    body = b"".join(written.pieces)
    return body if len(body) <= LARGEST_INPUT else None


def _widened(tensor: Tensor) -> Tensor:
    """FP16 as FP32: JSON has no form for it."""
    if tensor.datatype != "FP16":
        return tensor
    return tensor._replace(datatype="FP32", array=tensor.array.astype("float32"))


def _waits(verdict: Verdict, id_: str) -> Ruling:
    body = msgspec.json.encode({"review": id_, "state": "pending", "retry_after": AGAIN_SECONDS})
    return Ruling(verdict, ACCEPTED, Message(JSON + b"Retry-After: %d\r\n" % AGAIN_SECONDS, body))


def _decided(verdict: Verdict, held: Held) -> Ruling:
    if held.state == "approved":
        return Ruling(verdict._replace(reaction="flag", why="a person approved this"))
    return Ruling(verdict._replace(reaction="deny", why="a person rejected this"))
