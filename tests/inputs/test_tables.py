"""CSV and Parquet files, sound and hostile."""

from __future__ import annotations

import io
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ancile.core.errors import AncileError
from ancile.inputs.source import LIMIT_BYTES
from ancile.inputs.tables import COLUMNS, open_csv, open_parquet
from tests.inputs.tables import from_csv, from_parquet, parquet


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_delimiter_is_found_in_the_header(delimiter: str) -> None:
    found = from_csv(f"a{delimiter}y\n1.5{delimiter}0\n2{delimiter}1\n")
    assert found.x.tolist() == [[1.5], [2]]
    assert found.notes == (() if delimiter == "," else (f"columns are divided by {delimiter!r}",))


def test_quoted_cells_may_hold_lines_and_delimiters() -> None:
    found = from_csv('a,note,y\n1,"x,\n""y""",0\n2,z,1\n', drop=("note",))
    assert found.x.tolist() == [[1], [2]]


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert from_csv("\ufeffa,y\n1,0\n").features == ("a",)


def test_lines_may_end_as_on_windows() -> None:
    assert from_csv("a,y\r\n1,0\r\n2,1\r\n").x.tolist() == [[1], [2]]


def test_a_column_that_turns_from_whole_to_fraction_late_is_read() -> None:
    rows = "1,0\n" * 400_000  # beyond the first block, from which types are guessed
    assert from_csv(f"a,y\n{rows}0.5,1\n").x[-1, 0] == 0.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,y\n1,0\n2\n", "CSV file cannot be read: .*Expected 2 columns, got 1"),
        ("a,y\n1,0,3\n", "CSV file cannot be read: .*Expected 2 columns, got 3"),
        ('a,y\n"1,0\n', "CSV|empty|NaN"),
        ("", "CSV file cannot be read: Empty CSV file"),
        ("a,y\n", "table is empty"),
        ("a,y", "CSV file cannot be read: .*Empty CSV file"),
        ("\n\n\n", "CSV file cannot be read: .*Empty CSV file"),
    ],
)
def test_a_damaged_csv_is_one_error(text: str, words: str) -> None:
    with pytest.raises(AncileError, match=words) as told:
        from_csv(text)
    assert str(told.value).isprintable()
    assert told.value.remedy


@pytest.mark.parametrize("place", [0, 1, 1 << 20, (1 << 20) + 1])
def test_a_byte_that_is_no_utf8_is_told_with_its_line(place: int) -> None:
    lines = b"a\n" * (place // 2) + b"b\xe9c\n"
    with pytest.raises(AncileError, match="not UTF-8: near line"):
        open_csv(lines, limit_bytes=LIMIT_BYTES)


def test_utf8_that_a_chunk_divides_is_read() -> None:
    text = "a,y\n" + "é" * ((1 << 20) // 2) + "é,1\n"
    assert open_csv(text.encode(), limit_bytes=LIMIT_BYTES).names == ("a", "y")
    with pytest.raises(AncileError, match="not UTF-8"):
        open_csv(text.encode()[: (1 << 20) + 1], limit_bytes=LIMIT_BYTES)


@pytest.mark.slow
def test_a_table_of_very_many_columns_is_refused() -> None:
    with pytest.raises(AncileError, match=f"too many columns: {COLUMNS + 1}"):
        open_csv(b"," * COLUMNS + b"\n", limit_bytes=LIMIT_BYTES)
    wide = pa.table([pa.array([1])] * (COLUMNS + 1), names=[str(at) for at in range(COLUMNS + 1)])
    file = io.BytesIO()
    pq.write_table(wide, file, write_statistics=False)
    with pytest.raises(AncileError, match=f"too many columns: {COLUMNS + 1}"):
        open_parquet(file.getvalue(), limit_bytes=LIMIT_BYTES)


def test_a_csv_beyond_the_limit_is_refused() -> None:
    with pytest.raises(AncileError, match="too large: 8 bytes"):
        open_csv(b"a,y\n1,0\n", limit_bytes=7)


def test_a_parquet_of_run_lengths_is_measured_by_its_rows() -> None:
    data = parquet({"a": pa.array([0] * 2_000_000, pa.int64()), "y": pa.array([0] * 2_000_000, pa.int8())})
    assert len(data) < 20_000
    with pytest.raises(AncileError, match="2000000 rows, 2 columns"):
        open_parquet(data, limit_bytes=16_000_000)


def test_a_text_that_all_rows_share_is_in_memory_once() -> None:
    rows = 50_000
    y = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 200_000]))
    data = parquet({"a": range(rows), "y": y}, store_schema=False)
    assert pq.ParquetFile(io.BytesIO(data)).schema_arrow.field("y").type == pa.string()
    assert len(from_parquet(data).y.classes or ()) == 1
    assert pa.default_memory_pool().max_memory() < 1 << 30  # as a column of texts it takes 10 GB


def test_a_parquet_without_rows_is_empty() -> None:
    with pytest.raises(AncileError, match="table is empty"):
        from_parquet(parquet({"a": pa.array([], pa.float32()), "y": pa.array([], pa.int8())}))


def test_nested_columns_are_named_and_refused() -> None:
    with pytest.raises(AncileError, match="neither numbers nor booleans: s"):
        from_parquet(parquet({"s": [{"a": 1}], "y": [1]}))


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_every_compression_is_read(compression: str) -> None:
    data = parquet({"a": range(100), "y": [0] * 100}, compression=compression)
    assert from_parquet(data).x[:, 0].tolist() == list(range(100))


def test_damage_is_one_error_without_lines() -> None:
    data = parquet({"a": range(100), "y": [0] * 100})
    for broken in (data[:-1], data[:50], b"PAR1PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1"):
        with pytest.raises(AncileError, match="Parquet file cannot be read") as told:
            from_parquet(broken)
        assert str(told.value).isprintable()


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.csv", None)
    with pytest.raises(AncileError) as told:
        open_csv(b"a\n1\n", limit_bytes=LIMIT_BYTES)
    assert 'pip install "ancile[tables]"' in told.value.remedy
