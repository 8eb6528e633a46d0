"""Results that are files or folders of their own: written whole, and over nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ancile.cli.output import writable
from ancile.core.errors import AncileError


@contextmanager
def new_place(what: str, output: Path) -> Iterator[Path]:
    """Where to write; it becomes ``output`` at the end, and is gone where something is raised."""
    writable(what, output)
    if os.path.lexists(output):
        raise AncileError("something is there already", value=str(output), remedy="name a new file or folder")
    unfinished = output.with_name(f".{output.name[:40]}.unfinished-{os.getpid()}")
    try:
        yield unfinished
        unfinished.rename(output)
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        else:
            unfinished.unlink(missing_ok=True)
