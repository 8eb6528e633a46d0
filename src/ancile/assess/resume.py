"""How far a run is, kept beside the ledger so that the same command goes on where it stopped.

Adversarial examples in it are confirmed again, but that an attack failed cannot be: so the file is sealed
with a key of the run's author where there is one (HMAC, RFC 2104), it goes when the run ends, and the report
says that it was resumed.
"""

from __future__ import annotations

import hmac
import io
import os
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import msgspec

from ancile.assess.run import FAULTS, State, StepCost
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CODE_BYTES = 32
LARGEST = 4 << 30  # bytes of a saved run that is read


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a saved run that is not arrays."""

    next_step: int
    next_batch: int
    costs: dict[int, dict[str, float]]
    faults: list[str]


def save(path: Path, state: State, x: NDArray[np.float32], *, seal: bytes) -> None:
    """Write the state, old or new but never half: only the samples that moved are stored.

    seal  secret of the code at the file's end
    A disk that refuses costs the next run its head start, and this one nothing.
    """
    moved = np.flatnonzero((state.x_adv != x).reshape(len(x), -1).any(axis=1))
    progress = Progress(
        next_step=state.next_step,
        next_batch=state.next_batch,
        costs={place: asdict(cost) for place, cost in state.costs.items()},
        faults=state.faults,
    )
    buffer = io.BytesIO()
    np.savez(
        buffer,
        moved=moved,
        x_adv=state.x_adv[moved],
        scores=state.scores[moved],
        broken_by=state.broken_by,
        progress=np.frombuffer(msgspec.json.encode(progress), dtype=np.uint8),
    )
    unfinished = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        data = buffer.getvalue()
        unfinished.write_bytes(data + _code(data, seal))
        unfinished.replace(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _code(data: bytes, seal: bytes) -> bytes:
    return hmac.digest(seal, b"ancile-saved-run/v1\n" + data, "sha256")


def restored(path: Path, x: NDArray[np.float32], *, classes: int, steps: int, seal: bytes) -> State | None:
    """The saved state for these samples and a plan of ``steps``; None where there is none that fits."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        whole_file = path.read_bytes()
        data, code = whole_file[:-CODE_BYTES], whole_file[-CODE_BYTES:]
        if not hmac.compare_digest(_code(data, seal), code):
            return None
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            moved, x_adv, scores = file["moved"], file["x_adv"], file["scores"]
            broken_by = file["broken_by"]
            progress = msgspec.json.decode(file["progress"].tobytes(), type=Progress)
        costs = {place: _cost(cost) for place, cost in progress.costs.items()}
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, msgspec.MsgspecError):
        return None
    fits = (
        moved.dtype.kind == "i"
        and x_adv.shape == (len(moved), *x.shape[1:])
        and scores.shape == (len(moved), classes)
        and broken_by.shape == (len(x),)
        and broken_by.dtype.kind == "i"
        and 0 <= progress.next_step <= steps
        and progress.next_batch >= 0
        and all(0 <= place < steps for place in costs)
        and bool(((broken_by >= -1) & (broken_by < steps)).all())
        and bool(((moved >= 0) & (moved < len(x))).all())
    )
    if not fits:
        return None
    state = State.fresh(x, classes)
    state.x_adv[moved], state.scores[moved] = x_adv, scores
    return replace(
        state,
        broken_by=broken_by.astype(np.int64),
        next_step=progress.next_step,
        next_batch=progress.next_batch,
        costs=costs,
        # A run that faults ended is tried again; one that went on past them says so at its end
        faults=progress.faults if len(progress.faults) < FAULTS else [],
    )


def _cost(saved: dict[str, float]) -> StepCost:
    seconds = saved.pop("cpu_seconds")
    return StepCost(cpu_seconds=seconds, **{name: int(value) for name, value in saved.items()})
