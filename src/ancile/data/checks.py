"""What is wrong with a version of data, as findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, fail, ok, skip, warn
from ancile.core.finding import Location
from ancile.data.comparing import Changed, Differences, Range
from ancile.data.version import Version

MOST_NAMED = 200  # files of one fault that a report names; the rest is counted
MOST_RANGES = 20  # of one file
INTACT = ("CWE-353", "AML.M0014 (ATLAS 5.6.0)")  # missing support for integrity check; verify ML artifacts
ORIGIN = ("AML.M0025 (ATLAS 5.6.0)",)  # maintain AI dataset provenance


class Verified(NamedTuple):
    """Data as it lies there, beside a version.

    damaged  chunks of the store that are not what they were, as ``sha256:<hex>``
    rows     path to words for each range that came
    erased   by which entry the kept copy was erased on purpose; empty where it was not
    unproven why the ledger does not bear out what the store says the version is; empty where it does
    """

    version: Version
    differences: Differences
    damaged: Sequence[str]
    rows: Mapping[str, Sequence[str]]
    erased: str = ""
    unproven: str = ""


@check("data-origin-unknown", severity="medium", refs=ORIGIN)
def origin_unknown(facts: Version) -> Iterator[Remark]:
    """Nobody says where the data came from.

    Why   Data without a source cannot be asked for again, compared, or blamed: from a poisoned row there is
          no way back to who put it there.
    Fix   Add it with --source, or with --parent for what was made from a version that is known.
    """
    said = facts.provenance
    yield ok() if said.source or said.parents else warn("neither a source nor a parent is named")


@check("data-licence-unknown", severity="low", refs=ORIGIN)
def licence_unknown(facts: Version) -> Iterator[Remark]:
    """Nobody says under which licence the data may be used.

    Why   Whoever trains on it takes over its terms: a set for research alone must not enter a product unseen.
    Fix   Add it with --licence and an SPDX expression, such as CC-BY-4.0, or words.
    """
    yield ok() if facts.provenance.licence else warn("no licence is named")


@check("data-version-unproven", severity="critical", refs=INTACT)
def version_unproven(facts: Verified) -> Iterator[Remark]:
    """The ledger does not bear out what the store says a version is.

    Why   Files are compared with what the store holds of the version. Who changed both the files and the
          store would not be seen, were it not for the root that was signed when the version was added.
    Fix   Restore the store, or the ledger, from a copy; see `ancile ledger verify`. A version whose adding
          was interrupted is put into the ledger by adding it again.
    """
    yield fail(facts.unproven) if facts.unproven else ok()


@check("data-file-changed", severity="critical", refs=INTACT)
def file_changed(facts: Verified) -> Iterator[Remark]:
    """A file of the data is not what it was when it was added.

    Why   What a model is trained on is no longer what was looked at and signed off: one changed row in a
          thousand is enough for a backdoor.
    Fix   Get the version back with `ancile data get`; or add it as a new version, and look at the change with
          `ancile data diff`.
    """
    for one in facts.differences.changed[:MOST_NAMED]:
        yield fail(_ranges(one, facts.rows.get(one.path, ())), where=Location(path=one.path))
    yield from _more(len(facts.differences.changed))
    if not facts.differences.changed:
        yield ok()


@check("data-file-missing", severity="high", refs=INTACT)
def file_missing(facts: Verified) -> Iterator[Remark]:
    """A file of the data is not there.

    Why   A set without some of its files has other shares of classes and sources than the one that was
          looked at.
    Fix   Get the version back with `ancile data get`.
    """
    paths = facts.differences.missing
    for path in paths[:MOST_NAMED]:
        yield fail("in the version, and not there", where=Location(path=path))
    yield from _more(len(paths))
    if not paths:
        yield ok()


@check("data-file-added", severity="high", refs=INTACT)
def file_added(facts: Verified) -> Iterator[Remark]:
    """A file is there that the version has not.

    Why   Loaders take every file of a folder: one that nobody looked at is trained on as well.
    Fix   Remove it; or look at it, and add the folder as a new version.
    """
    paths = facts.differences.added
    for path in paths[:MOST_NAMED]:
        yield fail("there, and not in the version", where=Location(path=path))
    for path, before in list(facts.differences.moved.items())[:MOST_NAMED]:
        yield fail(f"the bytes of {before}, under another name", where=Location(path=path))
    yield from _more(len(paths))
    if not (paths or facts.differences.moved):
        yield ok()


@check("data-store-damaged", severity="high", refs=INTACT)
def store_damaged(facts: Verified) -> Iterator[Remark]:
    """The kept copy of the version is damaged.

    Why   The version can still be recognised, and not be had back.
    Fix   Restore the folder `data` of the home from a copy.
    """
    if facts.erased:
        yield skip(f"the kept copy was {facts.erased}")
        return
    for digest in facts.damaged[:MOST_NAMED]:
        yield fail(f"chunk {digest}")
    yield from _more(len(facts.damaged))
    if not facts.damaged:
        yield ok()


def _more(count: int) -> Iterator[Remark]:
    if count > MOST_NAMED:
        yield fail(f"and {count - MOST_NAMED} more")


def _ranges(one: Changed, rows: Sequence[str]) -> str:
    """The ranges of the file as it is now; of a cut what is gone."""
    if not one.come:
        return f"gone from it: {_listed(one.gone, ())}"
    return _listed(one.come, rows)


def _listed(ranges: Sequence[Range], rows: Sequence[str]) -> str:
    words = [""] * len(ranges) if len(rows) != len(ranges) else rows
    found = [
        f"bytes {one.start} to {one.end - 1}{f' ({said})' if said else ''}"
        for one, said in list(zip(ranges, words, strict=True))[:MOST_RANGES]
    ]
    return "; ".join(found) + (f"; and {len(ranges) - MOST_RANGES} more" if len(ranges) > MOST_RANGES else "")


ADDED: tuple[Check[Version], ...] = (origin_unknown, licence_unknown)
VERIFIED: tuple[Check[Verified], ...] = (
    version_unproven,
    file_changed,
    file_missing,
    file_added,
    store_damaged,
)
