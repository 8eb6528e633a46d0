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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import msgspec

from ancile.assess.run import FAULTS, UNBROKEN, Effect, State
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

INNER = "inner-"  # before the names of what a cascade keeps
CODE_BYTES = 32
LARGEST = 4 << 30  # bytes of a saved run that is read


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a saved run that is not arrays."""

    log: list[Effect]
    done: int
    total: int
    next_batch: int
    faults: list[str]


def save(path: Path, state: State, x: NDArray[np.float32], *, seal: bytes) -> None:
    """Write the state, old or new but never half: only the samples that moved are stored.

    seal  secret of the code at the file's end
    A disk that refuses costs the next run its head start, and this one nothing.
    """
    moved = np.flatnonzero((state.x_adv != x).reshape(len(x), -1).any(axis=1))
    progress = Progress(
        log=state.log,
        done=state.done,
        total=state.total,
        next_batch=state.next_batch,
        faults=state.faults,
    )
    buffer = io.BytesIO()
    arrays: dict[str, NDArray[np.generic]] = {
        "moved": moved,
        "x_adv": state.x_adv[moved],
        "scores": state.scores[moved],
        "broken_by": state.broken_by,
        "unresolved": state.unresolved,
        "progress": np.frombuffer(msgspec.json.encode(progress), dtype=np.uint8),
    }
    arrays |= {INNER + name: array for name, array in state.inner.items()}
    np.savez(buffer, allow_pickle=False, **arrays)
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


def restored(path: Path, x: NDArray[np.float32], *, classes: int, seal: bytes) -> State | None:
    """The saved state for these samples; None where there is none that fits."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        whole_file = path.read_bytes()
        data, code = whole_file[:-CODE_BYTES], whole_file[-CODE_BYTES:]
        if not hmac.compare_digest(_code(data, seal), code):
            return None
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        progress = msgspec.json.decode(arrays.pop("progress").tobytes(), type=Progress)
        return _state(progress, arrays, x, classes)
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, msgspec.MsgspecError):
        return None


def _state(
    progress: Progress, arrays: dict[str, NDArray[np.generic]], x: NDArray[np.float32], classes: int
) -> State:
    """The state in a saved run. Raises ValueError, KeyError where it does not fit the samples."""
    moved, broken_by = (arrays[name].astype(np.int64, casting="safe") for name in ("moved", "broken_by"))
    places, logged = {int(place) for place in np.unique(broken_by)} - {UNBROKEN}, len(progress.log)
    fits = (
        arrays["x_adv"].shape == (len(moved), *x.shape[1:])
        and arrays["scores"].shape == (len(moved), classes)
        and broken_by.shape == arrays["unresolved"].shape == (len(x),)
        and 0 <= progress.done <= min(progress.total, logged)
        and progress.next_batch >= 0
        and all(0 <= place < logged for place in places)
        and bool(((moved >= 0) & (moved < len(x))).all())
    )
    if not fits:
        raise ValueError("a saved run of other samples")
    state = State.fresh(x, classes)
    state.x_adv[moved], state.scores[moved] = arrays["x_adv"], arrays["scores"]
    return replace(
        state,
        broken_by=broken_by,
        unresolved=arrays["unresolved"].astype(np.bool_),
        log=progress.log,
        done=progress.done,
        total=progress.total,
        next_batch=progress.next_batch,
        inner={name.removeprefix(INNER): a for name, a in arrays.items() if name.startswith(INNER)},
        # A run that faults ended is tried again; one that went on past them says so at its end
        faults=progress.faults if len(progress.faults) < FAULTS else [],
    )
