"""What this machine signed last, remembered outside the database: a ledger that was set back shows.

Somebody who can write ``ledger.db`` can put back an older copy whose checkpoints are all genuine. The newest
checkpoint is therefore kept in a file beside the keys as well, and a ledger that does not continue it is
neither signed nor called intact. The order is: checkpoint durable in the ledger, then here, then handed out.
A crash thus leaves the mark behind the ledger, never ahead of it. Who can write this file too can set both
back together: that shows only against what was kept elsewhere, or to a witness.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.core.subject import percent_encoded
from ancile.trust.checkpoint import Head, parse_head
from ancile.trust.ledger import Ledger
from ancile.trust.note import parse_note
from ancile.trust.private_file import locked, make_private_folder, read_private, write_private

FILE = "last-signed"
LARGEST = 1 << 20  # bytes: a note with the most signatures that are read


def last_signed(ledger: Ledger) -> str | None:
    """The note of the checkpoint that this machine signed last; None where it remembers none."""
    path = _path(ledger)
    if path is None or not path.exists():
        return None
    return read_private(path, limit=LARGEST).decode("utf-8", "replace")


def set_back(ledger: Ledger) -> str:
    """How the ledger falls short of what this machine signed last; empty where it goes on from there.

    Empty too where nothing is remembered. AncileError when the memory is damaged or open to others.
    """
    note = last_signed(ledger)
    return "" if note is None else _shortfall(ledger, _head(ledger, note))


def require_continued(ledger: Ledger) -> None:
    """AncileError when the ledger does not go on from what this machine signed last."""
    if short := set_back(ledger):
        raise AncileError(
            "the ledger was set back behind what this machine signed last, and nothing is added to it",
            value=short,
            remedy="put the newer ledger.db back; where it is lost for good, `ancile ledger accept-loss`",
        )


@contextmanager
def signing(ledger: Ledger, *, accept_loss: bool = False) -> Iterator[Callable[[str], None]]:
    """One signer at a time, over a ledger that goes on from what was signed last.

    Gives the function that remembers a new checkpoint; it is for notes that are durable in the ledger.
    accept_loss  sign in spite of a ledger that was set back: the owner has said so
    A folder that cannot be written is only read: keys may be mounted read-only, and then nothing is kept.
    """
    path = _path(ledger)
    if path is None or not _writable(path.parent):
        if not accept_loss:
            require_continued(ledger)
        yield lambda _: None
        return
    with locked(path.parent):
        if not accept_loss:
            require_continued(ledger)
        yield lambda note: write_private(path, note.encode(), replace=True)


def _path(ledger: Ledger) -> Path | None:
    return None if ledger.keys is None else ledger.keys / FILE


def _writable(folder: Path) -> bool:
    if not folder.exists():
        make_private_folder(folder)
    return os.access(folder, os.W_OK)


def _head(ledger: Ledger, note: str) -> Head:
    try:
        return parse_head(parse_note(note).text)
    except AncileError as reason:
        raise AncileError(
            "what this machine remembers of its last signature is damaged",
            value=percent_encoded(_path(ledger) or Path(FILE)),
            remedy="verify against a checkpoint that you kept elsewhere, then remove that file",
        ) from reason


def _shortfall(ledger: Ledger, head: Head) -> str:
    size = ledger.size()
    if head.size > size:
        return f"{head.size} entries were signed, the ledger has {size}"
    if ledger.root(head.size) != head.root:
        return f"another root was signed at {head.size} entries"
    return ""
