"""Bytes of a table's file in the words of its rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ancile.inputs.row_places import rows_in


def test_bytes_of_a_parquet_file_are_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": list(range(1000))}), path, row_group_size=300)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    inside = column.data_page_offset + 1
    found = rows_in(
        path, [(inside, inside + 1), (4, path.stat().st_size), (path.stat().st_size - 5, path.stat().st_size)]
    )
    assert found == [
        "row group 1, rows 300 to 599",
        "row groups 0 to 3, rows 0 to 999",
        "the file's metadata",
    ]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_bytes_of_text_are_lines(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("".join(f"{number}\n" for number in range(10)), "ascii")
    assert rows_in(path, [(0, 2), (4, 5), (18, 20)]) == ["lines 1 to 1", "lines 3 to 3", "lines 10 to 10"]


def test_what_is_no_table_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1" * 9)
    for name in ("picture.png", "broken.parquet", "absent.csv"):
        assert rows_in(tmp_path / name, [(0, 1)]) == [""]
