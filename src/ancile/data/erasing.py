"""What is said of data that was erased on purpose: whole versions, and a subject's rows in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine, fail, ok, warn
from ancile.core.measure import Count
from ancile.core.report import Parameters, Report
from ancile.core.subject import Subject, digest_of
from ancile.data.forgetting import pieces_of
from ancile.data.store import DataStore
from ancile.data.version import Version
from ancile.version import __version__

MOST_NAMED = 200  # of one kind that a report names
ERASURE = ("CWE-212", "CWE-359")  # improper removal of what is sensitive; exposure of what is private


class Dropped(NamedTuple):
    """A version whose content is to be gone, and how many of its chunks other versions still have."""

    version: Version
    left: int
    chunks: int


class Trained(NamedTuple):
    """An entry of the ledger that speaks of a model and of data that held erased rows."""

    entry: int
    model: str
    version: str


class Erased(NamedTuple):
    """A subject whose key is gone.

    token   what stands for the subject in sealed tables
    rows    version to its rows that nobody can read any more
    plain   versions that are not sealed, and hold the identifier or were made from one that held rows
    models  that were trained or tried on such data, as far as the ledger says
    opened  whether a key still opens the rows, which must not be
    """

    token: bytes
    rows: Mapping[str, int]
    plain: Mapping[str, str]
    models: Sequence[Trained]
    opened: bool


@check("data-version-erased", severity="medium", refs=ERASURE)
def version_erased(facts: Dropped) -> Iterator[Remark]:
    """What a version held beyond its time is still there, as a later version has it too.

    Why   Retention is about rows, not about names: what the next version took over is kept on.
    Fix   Take the rows out of the data, add that as a new version, and retain again.
    """
    if facts.left:
        yield warn(f"{facts.left} of {facts.chunks} chunks are held by other versions as well")
    else:
        yield ok()


@check("data-subject-readable", severity="critical", refs=ERASURE)
def subject_readable(facts: Erased) -> Iterator[Remark]:
    """Rows of a subject that was erased can still be read.

    Why   Who asked to be forgotten was not.
    Fix   Free the file of the keys, and erase again.
    """
    yield fail("a key of the subject is still there") if facts.opened else ok()


@check("data-copy-unsealed", severity="high", refs=ERASURE)
def copy_unsealed(facts: Erased) -> Iterator[Remark]:
    """A version that is not sealed by subject may hold rows of who was erased.

    Why   To delete a key reaches sealed tables alone: a version that was added in the open, or made from a
          sealed one, keeps what it has.
    Fix   Take the rows out, add that with --subject, and let `ancile data retain` end the versions before.
    """
    for name, why in list(facts.plain.items())[:MOST_NAMED]:
        yield warn(f"{name}: {why}")
    if not facts.plain:
        yield ok()


@check("data-model-trained", severity="high", refs=(*ERASURE, "AML.T0024 (ATLAS 5.6.0)"))
def model_trained(facts: Erased) -> Iterator[Remark]:
    """A model is known with data that held erased rows.

    Why   A model can remember single rows: erasing data does not erase what was learned from it.
    Fix   Train it again without them, or show by an assessment of membership that they cannot be told.
    """
    for one in facts.models[:MOST_NAMED]:
        yield warn(f"entry {one.entry} speaks of model {one.model} and {one.version}")
    if not facts.models:
        yield ok()


DROPPED: tuple[Check[Dropped], ...] = (version_erased,)
ERASED: tuple[Check[Erased], ...] = (subject_readable, copy_unsealed, model_trained)


def dropped_report(
    store: DataStore,
    version: Version,
    said: Parameters,
    *,
    heir: Version | None = None,
    started: datetime,
    finished: datetime,
) -> Report:
    """What the ledger says of a version whose content is gone.

    heir  a version that was made to keep what may be kept of it
    """
    pieces = pieces_of([version])
    others = [kept.version for name in store.names() for kept in store.versions(name)]
    held = pieces_of(one for one in others if one != heir and store.dropped(one) is None)
    found = examine(DROPPED, Dropped(version, sum(one in held for one in pieces), len(pieces)))
    return Report(
        stage="data retain",
        complete=True,
        subject=version.subject(),
        parameters={"version": version.spelled, **said},
        measures=(Count(name="bytes", value=version.size, unit="bytes", method="counted"),),
        findings=found.findings,
        passed=found.passed,
        started=started,
        finished=finished,
        version=__version__,
    )


def erased_report(facts: Erased, said: Parameters, *, started: datetime, finished: datetime) -> Report:
    """What the ledger says of a subject whose rows are gone; nobody learns from it whom."""
    found = examine(ERASED, facts)
    return Report(
        stage="data erase",
        complete=True,
        subject=Subject(
            kind="dataset", name=f"rows of subject {facts.token.hex()}", digest=digest_of(facts.token)
        ),
        parameters=said,
        measures=tuple(
            Count(name="rows_erased", slice={"version": name}, value=count, unit="rows", method="counted")
            for name, count in sorted(facts.rows.items())
        ),
        findings=found.findings,
        passed=found.passed,
        started=started,
        finished=finished,
        version=__version__,
    )
