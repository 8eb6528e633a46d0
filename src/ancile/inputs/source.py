"""A data file, read once."""

from __future__ import annotations

from pathlib import Path

from ancile.formats.source import Source, Wanted
from ancile.formats.source import read_once as read_file_once

LIMIT_BYTES = 4 << 30  # of a data file, and of what it unpacks to: a laptop's memory, 500,000 colour pictures


def read_once(
    path: Path, *, limit_bytes: int = LIMIT_BYTES, missing: str = "give the path of a file"
) -> Source:
    """The file's bytes as ``formats.source`` reads them; ``missing`` is the remedy where there is none."""
    wanted = Wanted(
        what="data",
        missing=missing,
        not_a_file="give a .npz, .csv or .parquet file",
        limit_bytes=limit_bytes,
        too_large=f"at most {limit_bytes} bytes are read: keep the held-out part alone",
    )
    return read_file_once(path, wanted)
