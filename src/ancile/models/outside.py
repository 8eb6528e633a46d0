"""A file that a model's code could not read since it lies outside of what its process may read."""

from __future__ import annotations

import os

from ancile.core.errors import AncileError
from ancile.core.text import plain

DEPTH = 16  # of causes that are looked through


def outside(fault: BaseException) -> AncileError | None:
    """The error for a file that was refused, be it the cause of another fault; None where none was."""
    found: BaseException | None = fault
    for _ in range(DEPTH):
        if found is None:
            return None
        if isinstance(found, PermissionError) and isinstance(found.filename, str | bytes):
            return AncileError(
                "the model's process may not read a file",
                value=plain(os.fsdecode(found.filename)),
                remedy="allow it by --allow-read, or move it into the folder of the model's code; "
                "weights are better given by --weights",
            )
        found = found.__cause__ or found.__context__
    return None
