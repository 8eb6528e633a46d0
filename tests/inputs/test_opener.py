"""Files by their content, and everything a user can get wrong."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from ancile.core.errors import AncileError
from ancile.inputs.opener import open_data
from tests.inputs.files import npy, npz
from tests.inputs.tables import parquet

TABLE = {"a": [1.0, 2.0], "y": [0, 1]}
ARRAYS = npz(x=np.zeros((2, 3)), y=np.array([0, 1]))


@pytest.mark.parametrize("name", ["a.npz", "a.bin", "a.csv", "a"])
def test_an_archive_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(ARRAYS)
    assert open_data(name, base=tmp_path).x.shape == (2, 3)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a"])
def test_a_parquet_file_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(parquet(TABLE))
    found = open_data(name, label="y", base=tmp_path)
    assert (found.x.tolist(), found.kind, found.features) == ([[1], [2]], "table", ("a",))


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "a.tsv"])
def test_a_csv_is_known_by_its_suffix(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"a\ty\n1\t0\n2\t1\n")
    found = open_data(name, label="y", base=tmp_path)
    assert found.x.tolist() == [[1], [2]]
    assert found.subject.digest == f"sha256:{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}"


def test_columns_are_dropped_rows_chosen_and_bounds_given(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"s,n,a,y\ntest,x,1,0\ntrain,y,2,1\n")
    found = open_data("a.csv", label="y", drop=["n"], where="s=test", bounds="0,5", base=tmp_path)
    assert (found.x.tolist(), found.low, found.high, found.scale) == ([[1]], 0, 5, None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "data file is empty"),
        (npy(np.zeros(3)), "a single array"),
        (b"\x80\x05K\x01.", "a pickle, which runs code"),
        (gzip.compress(b"a,y\n1,0\n", mtime=0), "gzipped"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"a,y\n1,0\n", "of no known kind"),
    ],
)
def test_what_is_no_data_set_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "data").write_bytes(content)
    with pytest.raises(AncileError, match=words) as told:
        open_data("data", base=tmp_path)
    assert told.value.value == "data"
    assert told.value.remedy


def test_options_of_tables_are_refused_for_arrays(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(ARRAYS)
    with pytest.raises(AncileError, match="for tables alone: --label, --drop, --where"):
        open_data("a.npz", label="y", drop=("a",), where="a=1", base=tmp_path)


def test_a_missing_file_lists_the_named_sets(tmp_path: Path) -> None:
    with pytest.raises(AncileError, match="no such data") as told:
        open_data("digitz", base=tmp_path)
    assert "digits" in told.value.remedy


@pytest.mark.parametrize("bounds", ["1,0", "x"])
def test_bounds_are_checked_before_anything_is_opened(tmp_path: Path, bounds: str) -> None:
    with pytest.raises(AncileError, match="bounds are not two numbers"):
        open_data("absent", bounds=bounds, base=tmp_path)


def test_data_outside_the_given_bounds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(npz(x=np.full((2, 2), 3.0), y=np.array([0, 1])))
    with pytest.raises(AncileError, match=r"4 values lie outside the bounds 0\.\.1: 3 to 3"):
        open_data("a.npz", bounds="0,1", base=tmp_path)


def test_a_limit_holds_for_every_kind(tmp_path: Path) -> None:
    for name, content in (("a.npz", ARRAYS), ("a.parquet", parquet(TABLE)), ("a.csv", b"a,y\n1,0\n")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(AncileError, match="too large"):
            open_data(name, label=None if name == "a.npz" else "y", limit_bytes=7, base=tmp_path)
