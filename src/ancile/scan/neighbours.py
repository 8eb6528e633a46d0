"""What lies beside a file, in its folder or its archive, for files that refer to each other."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple


class Neighbour(NamedTuple):
    """What a relative name leads to.

    kind  outside: by way of a link, to somewhere that is not below the folder
    """

    kind: Literal["file", "other", "missing", "outside"]
    size_bytes: int = 0


MISSING = Neighbour("missing")
# Given a relative name that does not climb, as the file that refers to it writes it
Neighbours = Callable[[str], Neighbour]


def in_folder(path: Path) -> Neighbours:
    """What lies beside the file at ``path``, looked up when it is asked for; nothing is opened.

    A file that is a link itself, as in a cache of downloads, has its neighbours where it leads to as well.
    """

    def look(name: str) -> Neighbour:
        beside = path.parent / name.replace("\\", "/")
        try:
            real = Path(os.path.realpath(beside, strict=True))
            held = real.stat()
            homes = {Path(os.path.realpath(path.parent)), Path(os.path.realpath(path)).parent}
        except (OSError, ValueError):
            return MISSING
        if not any(real.is_relative_to(home) for home in homes):
            return Neighbour("outside")
        return Neighbour("file", held.st_size) if stat.S_ISREG(held.st_mode) else Neighbour("other")

    return look


def in_archive(sizes: Mapping[str, int], member: str) -> Neighbours:
    """What lies beside a member.

    sizes  name of each member to its bytes when unpacked
    """

    def look(name: str) -> Neighbour:
        full = posixpath.normpath(posixpath.join(posixpath.dirname(member), name.replace("\\", "/")))
        return Neighbour("file", sizes[full]) if full in sizes else MISSING

    return look
