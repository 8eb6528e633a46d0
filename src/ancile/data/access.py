"""Who read sealed data, as the ledger says; and who can read what is not sealed, as the file system says."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, ok, warn
from ancile.core.errors import AncileError
from ancile.core.report import Parameters
from ancile.core.subject import Subject
from ancile.trust.dsse import unverified
from ancile.trust.events import RunStarted
from ancile.trust.leaf import parse_leaf
from ancile.trust.ledger import Ledger
from ancile.trust.statement import parse_statement

OPENED = "data open"  # the stage of an entry that stands in the ledger before a byte comes out
PRIVATE = ("CWE-311", "AML.M0012 (ATLAS 5.6.0)")  # missing encryption of sensitive data; encrypt it
ORIGIN = ("CWE-345", "AML.M0025 (ATLAS 5.6.0)")  # insufficient verification of data authenticity


class Access(NamedTuple):
    """Sealed data were opened.

    author      id of the key that opened them
    parameters  which file and range, in which role, where to
    """

    entry: int
    time: datetime
    author: str
    subject: Subject
    parameters: Parameters


class Left(NamedTuple):
    """Plain files that stay beside what was sealed: where, and who can read them; empty where none do."""

    path: Path
    readers: str


class Source(NamedTuple):
    """Who sealed data, and whether that key is one that counts here."""

    sealer: str
    known: bool


def accesses(ledger: Ledger, data: str | None = None) -> Iterator[Access]:
    """Every opening of sealed data in the ledger, or of those of this name or digest; the oldest first.

    An entry that cannot be read is passed over: `ancile ledger verify` names it.
    """
    for entry in ledger.entries(0, ledger.size()):
        leaf = parse_leaf(entry.leaf or b"")
        if leaf.kind != "run" or entry.body is None or not leaf.commits_to(entry.salt or b"", entry.body):
            continue
        try:
            said = parse_statement(unverified(entry.body).payload).predicate
        except AncileError:
            continue
        if not isinstance(said, RunStarted) or said.stage != OPENED:
            continue
        if data in (None, said.subject.name, said.subject.digest):
            yield Access(entry.index, leaf.time, f"sha256:{leaf.author.hex()}", said.subject, said.parameters)


def readers_of(path: Path) -> str:
    """Who can read a file or folder that is not sealed, by its mode: its owner at least.

    Administrators of the machine, its copies and backups come to that, and who has a folder above closed is
    not looked at.
    """
    info = path.stat()
    enter = stat.S_ISDIR(info.st_mode)
    if info.st_mode & stat.S_IROTH and (not enter or info.st_mode & stat.S_IXOTH):
        return "everyone on this machine"
    if info.st_mode & stat.S_IRGRP and (not enter or info.st_mode & stat.S_IXGRP):
        return "its owner and group"
    return "its owner"


@check("data-plain-copy", severity="medium", refs=PRIVATE)
def plain_copy(facts: Left) -> Iterator[Remark]:
    """The plain files are still there beside the sealed ones.

    Why   Who can read them needs no key, and no reading of them is recorded: only the sealed file is
          protected.
    Fix   Remove the plain files once the sealed one was opened again somewhere; of versions that were added
          the folder `.ancile/data` holds plain chunks too, for its owner alone.
    """
    yield warn(f"{facts.path} can be read by {facts.readers}") if facts.readers else ok()


@check("data-sealer-unknown", severity="high", refs=ORIGIN)
def sealer_unknown(facts: Source) -> Iterator[Remark]:
    """Nobody knows the key of whoever sealed the data.

    Why   Anyone can seal to a public key: that a file opens says that it is for you, and not whom it is from.
    Fix   Ask the sender for the id of the key, over another channel; then `ancile keys trust`.
    """
    yield ok() if facts.known else warn(f"sealed by {facts.sealer}, which is no author that counts here")


SEALING: tuple[Check[Left], ...] = (plain_copy,)
OPENING: tuple[Check[Source], ...] = (sealer_unknown,)
