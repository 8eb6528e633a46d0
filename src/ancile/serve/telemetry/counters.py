"""Counts of a worker, and the file in which it shows them: no identity, no address, no input."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from ancile.core.errors import AncileError
from ancile.serve.record import Refusal
from ancile.trust.private_file import make_private_folder, read_private

FOLDER = "metrics"
LARGEST = 4 << 20  # bytes of a file of counts
BOUNDS = (5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

Answered = tuple[str, str, str, str, int]  # model, role, reaction, guard, status
Turned = tuple[str, str, int]  # reaction, guard, status


class Snapshot(msgspec.Struct, kw_only=True):
    """Counts since a worker began.

    answered         of requests that were admitted
    turned           of those that were refused before their body
    overhead, model  seconds that gateway and model took: how many came below each of BOUNDS, and beyond
    lost             lines of the access log that could not be written
    """

    answered: dict[str, int] = {}
    turned: dict[str, int] = {}
    overhead: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    overhead_sum: float = 0.0
    model: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    model_sum: float = 0.0
    lost: int = 0


class Counters:
    """What one worker counts; labels are names of the configuration and words of the guards alone."""

    __slots__ = ("answered", "lost", "model", "model_sum", "overhead", "overhead_sum", "turned")

    def __init__(self) -> None:
        self.answered: dict[Answered, int] = {}
        self.turned: Counter[Turned] = Counter()
        self.overhead, self.model = [0] * (len(BOUNDS) + 1), [0] * (len(BOUNDS) + 1)
        self.overhead_sum = self.model_sum = 0.0
        self.lost = 0

    def add(self, key: Answered, overhead: float, model: float) -> None:
        """A request that was answered; ``model`` is 0 where it was not asked."""
        answered = self.answered
        answered[key] = answered.get(key, 0) + 1
        self.overhead[bisect_left(BOUNDS, overhead)] += 1
        self.overhead_sum += overhead
        if model:
            self.model[bisect_left(BOUNDS, model)] += 1
            self.model_sum += model

    def refused(self, refusal: Refusal, count: int) -> None:
        """Requests that were refused before their body."""
        self.turned[refusal.said, refusal.guard, refusal.status] += count

    def snapshot(self) -> Snapshot:
        """The counts as they are."""
        return Snapshot(
            answered={_joined(key): count for key, count in self.answered.items()},
            turned={_joined(key): count for key, count in self.turned.items()},
            overhead=self.overhead,
            overhead_sum=self.overhead_sum,
            model=self.model,
            model_sum=self.model_sum,
            lost=self.lost,
        )


def _joined(key: Iterable[object]) -> str:
    return "\t".join(map(str, key))  # no name of ours holds a tab: they come out of patterns


def keep(snapshot: Snapshot, folder: Path, *, worker: str) -> None:
    """Show the counts of a worker to whoever is asked for them; a loss of power may take them."""
    make_private_folder(folder)
    unfinished = folder / f"{worker}.new"
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, msgspec.json.encode(snapshot))
    finally:
        os.close(file)
    unfinished.replace(folder / f"{worker}.json")


def kept(folder: Path) -> Snapshot:
    """The counts of all workers together; a file that is none of ours counts nothing."""
    total = Snapshot()
    answered, turned = Counter[str](), Counter[str]()
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        with suppress(AncileError, msgspec.MsgspecError):
            one = msgspec.json.decode(read_private(path, limit=LARGEST), type=Snapshot)
            answered.update(one.answered)
            turned.update(one.turned)
            total.overhead = [a + b for a, b in zip(total.overhead, one.overhead, strict=False)]
            total.model = [a + b for a, b in zip(total.model, one.model, strict=False)]
            total.overhead_sum += one.overhead_sum
            total.model_sum += one.model_sum
            total.lost += one.lost
    total.answered, total.turned = dict(answered), dict(turned)
    return total


def clear(folder: Path) -> None:
    """Forget the counts of workers of a run before."""
    for path in folder.glob("*.json") if folder.is_dir() else []:
        path.unlink(missing_ok=True)
