"""Evidence in a file that a user names."""

from __future__ import annotations

from pathlib import Path

from ancile.cli.reading import no_waiting
from ancile.core.errors import AncileError
from ancile.trust.bundle import LARGEST


def read_bundle(path: Path) -> bytes:
    """The bytes of an evidence file; a longer one than any is cut one byte beyond what its reader takes."""
    try:
        with open(path, "rb", opener=no_waiting) as file:
            return file.read(LARGEST + 1)
    except OSError as reason:
        raise AncileError(
            "evidence cannot be read",
            value=f"{path}: {reason.strerror}",
            remedy="name a file that `ancile evidence export` wrote",
        ) from reason
