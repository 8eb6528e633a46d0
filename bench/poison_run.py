"""Both sides on the same poisoned rows: ours in this process, the peers in a child of the environment of poison.txt.

    python poison_run.py SET ATTACK RATE SEED    recall at one, two and five times the rows planted, of everyone

What a side says of a job follows from its sources alone, so it is kept below bench/.poisoned by their digest;
a bar's run keeps nothing.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from environments import environment
from poison_generator import poisoned
from poison_ours import ranked

HERE = Path(__file__).parent
KEPT = HERE / ".poisoned"
REVIEWS = (1, 2, 5)  # times as many rows as are planted
OURS = sorted((HERE.parent / "src" / "ancile" / "data" / "poison").glob("*.py"))
BOTH = [HERE / f"poison_{name}.py" for name in ("generator", "triggers", "unseen", "sets")]
THEIRS = [HERE / f"poison_{name}.py" for name in ("peers", "models")]


class Job(NamedTuple):
    """One set with one poison."""

    name: str
    attack: str
    rate: float
    seed: int

    def __str__(self) -> str:
        return f"{self.name}/{self.attack}/{self.rate:g}/{self.seed}"


class Judged(NamedTuple):
    """Recall at each of REVIEWS by side, and CPU seconds of ours."""

    recall: dict[str, tuple[float, ...]]
    seconds: float


def digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def recall(order: NDArray[np.int64], planted: NDArray[np.bool_]) -> tuple[float, ...]:
    """Share of the planted rows among the first, at each review."""
    many = int(planted.sum())
    return tuple(float(planted[order[: times * many]].sum() / many) for times in REVIEWS)


def peers(jobs: list[Job], folder: Path) -> None:
    """Scores of the peers below the folder, where they are not there yet."""
    missing = [str(job) for job in jobs if not (folder / f"{job}.npz").exists()]
    if missing:
        python = environment("poison") / "python"
        command = [str(python), str(HERE / "poison_peers.py"), str(folder), *missing]
        subprocess.run(command, check=True, cwd=HERE, stdout=sys.stderr)


def ours(job: Job, folder: Path) -> tuple[NDArray[np.int64], float]:
    """Rows in our order, and what it took."""
    path = folder / f"{job}.npz"
    if not path.exists():
        rows = poisoned(*job)
        start = time.process_time()
        order = ranked(rows.content, rows.labels, job.seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, order=order, seconds=time.process_time() - start)
    with np.load(path) as said:
        return said["order"], float(said["seconds"])


def places(folder: Path) -> tuple[Path, Path]:
    """Where below the folder the peers' scores are, and our orders."""
    return folder / f"peers-{digest([*BOTH, *THEIRS])}", folder / f"ours-{digest([*BOTH, *OURS])}"


def kept(job: Job, folder: Path) -> bool:
    """Whether both sides have spoken."""
    return all((place / f"{job}.npz").exists() for place in places(folder))


def judged(jobs: list[Job], folder: Path, *, blind: bool = False) -> dict[Job, Judged]:
    """Everyone's recall; blind, our order is that of a die."""
    theirs, mine = places(folder)
    peers(jobs, theirs)
    found = {}
    for job in jobs:
        planted = poisoned(*job).planted
        with np.load(theirs / f"{job}.npz") as scores:
            recalls = {peer: recall(np.argsort(-scores[peer], kind="stable"), planted) for peer in scores}
        if blind:
            order, seconds = np.random.default_rng(job.seed).permutation(len(planted)), 0.0
        else:
            order, seconds = ours(job, mine)
        found[job] = Judged({"ours": recall(order, planted), **recalls}, seconds)
    return found


if __name__ == "__main__":
    asked = Job(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
    for said in judged([asked], KEPT).values():
        for side, shares in said.recall.items():
            print(f"{side:22}", *(f"{share:6.3f}" for share in shares))
        print(f"ours took {said.seconds:.1f} CPU seconds")
