"""Which rows of a table lie in which bytes of its file, in words for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.inputs.tables import PARQUET, arrow_errors

LINES = (".csv", ".tsv", ".jsonl", ".txt")
BLOCK = 1 << 20


def rows_in(path: Path, ranges: Sequence[tuple[int, int]]) -> list[str]:
    """For each range of bytes, ascending, its rows or lines; empty where the file has none that are known.

    A file that is no table, or cannot be read as one, has none.
    """
    try:
        with path.open("rb") as file:
            is_parquet = file.read(len(PARQUET)) == PARQUET
        if is_parquet:
            return _row_groups(path, ranges)
        return _lines(path, ranges) if path.suffix.lower() in LINES else [""] * len(ranges)
    except (AncileError, OSError):
        return [""] * len(ranges)


def _row_groups(path: Path, ranges: Sequence[tuple[int, int]]) -> list[str]:
    """Row groups whose pages lie there, by the footer (Parquet format, file metadata)."""
    parquet = needs("pyarrow.parquet", "tables")
    with arrow_errors("Parquet file"), parquet.ParquetFile(path) as file:
        about = file.metadata
        groups = []
        rows = 0
        for number in range(about.num_row_groups):
            group = about.row_group(number)
            columns = [group.column(one) for one in range(group.num_columns)]
            starts = [one.dictionary_page_offset or one.data_page_offset for one in columns]
            ends = [at + one.total_compressed_size for at, one in zip(starts, columns, strict=True)]
            groups.append((min(starts, default=0), max(ends, default=0), rows, rows + group.num_rows))
            rows += group.num_rows
    found = []
    for start, end in ranges:
        hit = [at for at, one in enumerate(groups) if one[0] < end and start < one[1]]
        found.append(_of_groups(hit, groups))
    return found


def _of_groups(hit: Sequence[int], groups: Sequence[tuple[int, int, int, int]]) -> str:
    if not hit:
        return "the file's metadata"
    named = f"row group {hit[0]}" if len(hit) == 1 else f"row groups {hit[0]} to {hit[-1]}"
    return f"{named}, rows {groups[hit[0]][2]} to {groups[hit[-1]][3] - 1}"


def _lines(path: Path, ranges: Sequence[tuple[int, int]]) -> list[str]:
    """Numbers of the lines, the first is 1."""
    ends = sorted({place for start, end in ranges for place in (start, max(start, end - 1))})
    numbers: dict[int, int] = {}
    line, at = 1, 0
    with path.open("rb") as file:
        for place in ends:
            while at < place and (data := file.read(min(BLOCK, place - at))):
                line, at = line + data.count(b"\n"), at + len(data)
            numbers[place] = line
    return [f"lines {numbers[start]} to {numbers[max(start, end - 1)]}" for start, end in ranges]
