"""The list of all rows of a version: made once, when the first of them is to be proved in or out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine, ok, warn
from ancile.core.errors import AncileError
from ancile.core.finding import Location
from ancile.core.measure import Count
from ancile.core.report import Report
from ancile.data.files import Progress
from ancile.data.kept import opened_kept
from ancile.data.records import digests_of, has_rows
from ancile.data.row_tree import Sorter, Tree, write_tree
from ancile.data.store import DataStore
from ancile.data.version import DataFile, Version
from ancile.version import __version__

MOST_NAMED = 200


class Listed(NamedTuple):
    """What was listed of a version.

    unlisted  path to the reason why the rows of a file could not be read
    """

    version: Version
    tree: Tree
    unlisted: dict[str, str]


@check("data-rows-unlisted", severity="low", refs=("CWE-353",))
def rows_unlisted(facts: Listed) -> Iterator[Remark]:
    """The rows of a file of the data could not be listed.

    Why   Of a row that stands in no list nobody can prove that it is in the data, and of none that it is not:
          it may be in this file.
    Fix   Mend the file, and add it as a new version; the file as a whole can be proved in and out.
    """
    for path, reason in list(facts.unlisted.items())[:MOST_NAMED]:
        yield warn(reason, where=Location(path=path))
    if len(facts.unlisted) > MOST_NAMED:
        yield warn(f"and {len(facts.unlisted) - MOST_NAMED} more")
    if not facts.unlisted:
        yield ok()


LISTED: tuple[Check[Listed], ...] = (rows_unlisted,)


def list_rows(store: DataStore, version: Version, path: Path, progress: Progress | None = None) -> Listed:
    """Write the tree of a version's rows to ``path``: of every file the whole, and the rows if it has some.

    progress  is told bytes read and bytes in all
    """
    sorter, unlisted, done = Sorter(), {}, 0
    for one in version.files:
        sorter.add([bytes.fromhex(one.digest.removeprefix("sha256:"))])
        reason = _listed(store, one, sorter)
        if reason:
            unlisted[one.path] = reason
        done += one.size
        if progress is not None:
            progress(done, version.size)
    with path.open("xb") as file:
        tree = write_tree(sorter.sorted(), file)
        file.flush()
        os.fsync(file.fileno())
    return Listed(version, tree, unlisted)


def _listed(store: DataStore, one: DataFile, sorter: Sorter) -> str:
    """Take the rows of a file; the reason where they cannot be read. A damaged chunk is an AncileError."""
    with opened_kept(store, one) as file:
        if not has_rows(file, one.path):
            return ""
        try:
            sorter.add(digests_of(file, one.path))
        except AncileError as reason:
            for piece in one.chunks:  # the store's own damage is no matter of this file
                store.read(piece)
            return f"{reason.what}: {reason.value}"
    return ""


def rows_report(listed: Listed, *, started: datetime, finished: datetime) -> Report:
    """What is said of a list of rows; its root is a parameter."""
    version, tree = listed.version, listed.tree
    found = examine(LISTED, listed)
    counted = {"rows": tree.rows - len(version.files), "different": tree.leaves}
    return Report(
        stage="data rows",
        complete=True,
        subject=version.subject(),
        parameters={
            "version": version.spelled,
            "root": version.root(),
            "rows_root": f"sha256:{tree.root.hex()}",
        },
        measures=tuple(
            Count(name=name, value=value, unit="rows", method="counted") for name, value in counted.items()
        ),
        findings=found.findings,
        passed=found.passed,
        started=started,
        finished=finished,
        version=__version__,
    )
