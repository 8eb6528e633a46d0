"""Whether a home was made in its place, or came there as a copy: a download can bring one that looks right.

Whoever packs a folder chooses every byte and every date in it, but neither the number that a file system
gives to a file nor when that one's entry was last changed (``st_ino``, ``st_ctime``: inode(7)).
``ancile init`` writes both down. A home that is moved keeps them; a copy, and what was unpacked, does not.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ancile.cli.home import Home, named_home
from ancile.cli.reading import no_waiting
from ancile.core.config import FILE, HOME
from ancile.core.errors import AncileError
from ancile.trust.keyfile import OpenSeeds
from ancile.trust.keys import active_key, list_keys

SEEN = ".gitignore"  # written once, by ``ancile init``
PLACE = "place"  # holds what the file system gave to that file
LARGEST = 100  # bytes of it


def mark_place(folder: Path) -> None:
    """Write down that the home is where it was made; OSError where nothing can be written."""
    (folder / PLACE).write_text(_given(folder), "ascii")


def mark_proven(home: Home) -> None:
    """Write it down of a copy too, once its owner's passphrase has opened the author's key."""
    if is_copy(home) and not _is_open(home):
        with suppress(OSError):  # of a home that is only read it is proven again
            mark_place(home.folder)


def is_copy(home: Home) -> bool:
    """Whether a home that nobody named may have been brought by somebody else, keys and all."""
    if named_home() is not None:
        return False
    try:
        with open(home.folder / PLACE, "rb", opener=no_waiting) as file:
            there = file.read(LARGEST)
        return there != _given(home.folder).encode() or home.folder.stat().st_uid != os.geteuid()
    except OSError:
        return True


def is_recorded(home: Home, record: bool | None) -> bool:
    """Whether a report goes to the ledger of this home: a copy is written to where that is asked for.

    Who opens the sealed key of a copy with a passphrase has shown whose it is.
    """
    if record is not None:
        return record
    try:
        return not is_copy(home) or not _is_open(home)
    except AncileError:  # a damaged key file is told by what unlocks it
        return True


def not_relied_on(home: Home) -> str:
    """Why whoever made the model may have written the home's ancile.toml; empty where that cannot be."""
    if named_home() is not None:
        return ""
    if is_copy(home):
        return f"the {HOME} beside it is a copy, or another user's"
    if home.folder.is_symlink():
        return f"the {HOME} beside it is a link to elsewhere"
    if not set(active_key(home.keys, "log").public.vkeys) <= {*home.log.keys, *home.log.before}:
        return f"the {HOME} beside it has another log than this {FILE} pins"
    return ""


def _given(folder: Path) -> str:
    info = (folder / SEEN).lstat()
    return f"{info.st_ino} {info.st_ctime_ns}\n"


def _is_open(home: Home) -> bool:
    active = [k for k in list_keys(home.keys) if k.public.purpose == "author" and k.state == "active"]
    return all(isinstance(key.file.seeds, OpenSeeds) for key in active)
