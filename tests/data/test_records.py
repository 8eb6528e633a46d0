"""Rows of files, each with its bytes."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from ancile.core.errors import AncileError
from ancile.data import records
from ancile.data.records import group_bytes, has_rows, row_at, rows_of


def rows(data: bytes, name: str) -> list[bytes]:
    return list(rows_of(io.BytesIO(data), name))


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("a.csv", b"a,b\r\n1,2\n\n3,4", [b"a,b", b"1,2", b"3,4"]),
        ("a.csv", b'a\n"x\ny"\n"p""q"\n', [b"a", b'"x\ny"', b'"p""q"']),
        ("a.csv", b'a\n"never\nclosed', [b"a", b'"never\nclosed']),
        ("a.jsonl", b'{"a": "x"}\n{"b"\n', [b'{"a": "x"}', b'{"b"']),
        ("a.txt", b'an "open quote\nsecond', [b'an "open quote', b"second"]),
        ("a.csv", b"", []),
    ],
)
def test_a_row_of_text_is_its_line(name: str, data: bytes, found: list[bytes]) -> None:
    assert has_rows(io.BytesIO(data), name)
    assert rows(data, name) == found


def test_a_row_of_a_table_is_its_cells(tmp_path: Path) -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    table = pa.table(
        {
            "n": pa.array([1, None], pa.int32()),
            "x": [0.1, float("nan")],
            "t": pa.array(['ä"', "b"]).dictionary_encode(),
            "b": [True, None],
            "d": pa.array([when, None], pa.timestamp("ns")),
            "z": pa.array([b"\xff", None]),
            "l": [[1, 2], None],
            "m": [Decimal("1.50"), None],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1)
    feather.write_feather(table, tmp_path / "a.feather")
    wanted = [
        '[1,0.1,"ä\\"",true,"2026-01-02 03:04:05.000000000","ff",[1,2],"1.50"]'.encode(),
        b'[null,NaN,"b",null,null,null,null,null]',
    ]
    for name in ("a.parquet", "a.feather"):
        data = (tmp_path / name).read_bytes()
        assert has_rows(io.BytesIO(data), "x")
        assert rows(data, name) == wanted
    start, stop = group_bytes(io.BytesIO((tmp_path / "a.parquet").read_bytes()), 1)
    assert 4 < start < stop < (tmp_path / "a.parquet").stat().st_size
    with pytest.raises(AncileError, match="no such row group"):
        group_bytes(io.BytesIO((tmp_path / "a.parquet").read_bytes()), 2)


def test_a_picture_has_no_rows() -> None:
    assert not has_rows(io.BytesIO(b"\x89PNG"), "a.png")


def test_the_header_of_a_csv_is_no_row_by_number() -> None:
    assert row_at(io.BytesIO(b"a\n1\n2\n"), "a.csv", 0) == b"1"
    assert row_at(io.BytesIO(b"a\n1\n2\n"), "a.txt", 0) == b"a"
    with pytest.raises(AncileError, match="no such row"):
        row_at(io.BytesIO(b"a\n1\n2\n"), "a.csv", 2)


@pytest.mark.parametrize("data", [b"PAR1", b"PAR1" + bytes(100), b"ARROW1", b"ARROW1" + bytes(100)])
def test_a_damaged_table_is_one_clear_error(data: bytes) -> None:
    with pytest.raises(AncileError):
        rows(data, "a")
    with pytest.raises(AncileError):
        group_bytes(io.BytesIO(data), 0)


@pytest.mark.parametrize(("name", "data"), [("a.txt", b"x" * 11), ("a.csv", b'"' + b"x\n" * 6)])
def test_a_row_that_never_ends_is_refused(name: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LONGEST", 10)
    with pytest.raises(AncileError, match="too long"):
        rows(data, name)
