"""Checks of archives: what readers disagree about, what leaves the folder, what is not read."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.check import Check, Remark, check
from ancile.scan.part import Part
from ancile.scan.places import Place, failed, unread

AMBIGUOUS = ("CWE-436 (CWE 4.17)",)
LEAVES = ("CWE-22 (CWE 4.17)", "CWE-59 (CWE 4.17)")
DRIVE = re.compile(r"[A-Za-z]:")
BOMB = ("CWE-409 (CWE 4.17)",)


class ArchiveFacts(NamedTuple):
    """An archive and what is wrong with it."""

    part: Part
    ambiguous: tuple[Place, ...] = ()
    leaving: tuple[Place, ...] = ()
    damaged: tuple[Place, ...] = ()
    unread: tuple[Place, ...] = ()


@check("archive-ambiguous", severity="high", refs=AMBIGUOUS)
def ambiguous(facts: ArchiveFacts) -> Iterator[Remark]:
    """Readers of the archive see different things in it.

    Why   Two members of one name, or headers that disagree: what a scanner sees is not what the loader opens.
    Fix   Do not open it. Ask for an archive as ordinary tools write it.
    """
    return failed(facts.part, facts.ambiguous)


@check("archive-leaves-folder", severity="high", refs=LEAVES)
def leaves_folder(facts: ArchiveFacts) -> Iterator[Remark]:
    """A member would be written or read outside the folder that it is unpacked to.

    Why   An absolute path, ``..`` or a link replaces or discloses files of whoever unpacks the archive.
    Fix   Do not unpack it; ask for an archive of plain relative files.
    """
    return failed(facts.part, facts.leaving)


@check("archive-damaged", severity="medium", refs=("CWE-20 (CWE 4.17)",))
def damaged(facts: ArchiveFacts) -> Iterator[Remark]:
    """An archive or compressed file is broken.

    Why   Some readers still take out what others refuse; what does not unpack was not examined.
    Fix   Take the file from its source once more.
    """
    return failed(facts.part, facts.damaged)


@check("archive-not-read", severity="medium", refs=BOMB)
def not_read(facts: ArchiveFacts) -> Iterator[Remark]:
    """Something in an archive was not examined: missing, too much, encrypted, or of an unknown compression.

    Why   Nothing is known of it.
    Fix   Unpack it yourself where that can do no harm, and scan what comes out.
    """
    return unread(facts.part, facts.unread)


ARCHIVE_CHECKS: tuple[Check[ArchiveFacts], ...] = (ambiguous, leaves_folder, damaged, not_read)


def leaves(name: str, mode: int) -> bool:
    """Whether a member of this name would land outside the folder, in either slash form, or is a link."""
    if ".." in name and ".." in name.replace("\\", "/").split("/"):
        return True
    return name.startswith(("/", "\\")) or bool(DRIVE.match(name)) or stat.S_ISLNK(mode)
