"""Reports about versions of data: one that was added, one that was verified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from ancile.core.check import Examined, examine
from ancile.core.errors import AncileError
from ancile.core.measure import Count
from ancile.core.report import Parameters, Report
from ancile.data.adding import Added
from ancile.data.checks import ADDED, VERIFIED, Verified
from ancile.data.comparing import Changed, compare
from ancile.data.files import Progress, files_of, listed
from ancile.data.forgetting import Drop
from ancile.data.store import DataStore
from ancile.data.version import Version, path_of
from ancile.inputs.row_places import rows_in
from ancile.version import __version__
from ancile.work.clock import Clock


def added_report(added: Added, *, started: datetime, finished: datetime) -> Report:
    """What is said of a version that was added."""
    version = added.kept.version
    counted = {
        "files": len(version.files),
        "bytes": version.size,
        "chunks": sum(len(one.chunks) for one in version.files),
        "stored_bytes": added.grown,
    }
    return _report(
        version,
        examine(ADDED, version),
        started=started,
        finished=finished,
        counted=counted,
        stage="data add",
    )


def verify_version(
    store: DataStore,
    version: Version,
    path: Path,
    *,
    clock: Clock,
    unproven: str = "",
    progress: Progress | None = None,
) -> Report:
    """Whether the files at ``path`` are the version's, and whether the store still has them: pass or fail.

    unproven  why the ledger does not bear out the version; empty where it does
    progress  is told bytes read and bytes in all, of the files and of the store
    """
    started = clock.now()
    listing = listed(path)
    files, alone = files_of(path, listing, version.mean, lambda _: None, progress), listing.alone
    differences = compare(version.files, files, alone=alone and version.alone)
    rows = {
        one.path: rows_in(_place(path, one, alone=alone), [(at.start, at.end) for at in one.come])
        for one in differences.changed
    }
    drop = store.dropped(version)
    damaged = [] if drop else list(_damaged(store, version))
    facts = Verified(version, differences, damaged, rows, erased_by(drop) if drop else "", unproven)
    counted = {"files": len(files), "bytes": sum(one.size for one in files)}
    return _report(
        version,
        examine(VERIFIED, facts),
        started=started,
        finished=clock.now(),
        counted=counted,
        stage="data verify",
    )


def erased_by(drop: Drop) -> str:
    """What is said of a version whose content is gone on purpose."""
    return "erased, and not recorded" if drop.entry is None else f"erased by entry {drop.entry}"


def _place(path: Path, one: Changed, *, alone: bool) -> Path:
    return path if alone else path / path_of(one.path)


def _damaged(store: DataStore, version: Version) -> Iterator[str]:
    for piece in sorted({one for file in version.files for one in file.chunks}, key=lambda one: one.digest):
        try:
            store.read(piece)
        except AncileError:
            yield f"sha256:{piece.digest.hex()}"


def _report(
    version: Version,
    found: Examined,
    *,
    started: datetime,
    finished: datetime,
    counted: dict[str, int],
    stage: str,
) -> Report:
    said: dict[str, str | Sequence[str]] = {
        name: getattr(version.provenance, name) for name in version.provenance.__struct_fields__
    }
    parameters: Parameters = {"version": version.spelled, "root": version.root()}
    for name, value in said.items():
        if value:
            parameters[name] = value if isinstance(value, str) else list(value)
    return Report(
        stage=stage,
        complete=True,
        subject=version.subject(),
        parameters=parameters,
        measures=tuple(
            Count(name=name, value=value, unit=name.removeprefix("stored_"), method="counted")
            for name, value in counted.items()
        ),
        findings=found.findings,
        passed=found.passed,
        started=started,
        finished=finished,
        version=__version__,
    )
