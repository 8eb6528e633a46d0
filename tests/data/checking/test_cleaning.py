"""Data without some rows: the others are as they were, the original is untouched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ancile.core.errors import AncileError
from ancile.data.checking.cleaning import Unwanted, clean, parse_rows
from ancile.data.rows import Cells, Pictures
from tests.data.checking.sets import digits, opened, table, write_idx, write_pictures, write_table

GONE = frozenset({0, 7, 199})


@pytest.mark.parametrize("form", ["parquet", "feather", "csv", "tsv", "jsonl"])
def test_a_table_loses_the_rows_and_nothing_else(tmp_path: Path, form: str) -> None:
    path = write_table(tmp_path, form)
    before = path.read_bytes()
    assert clean(path, Unwanted(GONE), tmp_path / f"new.{form}") == (3, 197)
    assert path.read_bytes() == before
    content = opened(tmp_path / f"new.{form}").rows[0].content
    assert isinstance(content, Cells)
    kept = [at for at in range(200) if at not in GONE]
    np.testing.assert_allclose(content.numbers[:, 0], table().column("age").to_numpy()[kept])


def test_lines_of_a_csv_stay_as_they_were_written(tmp_path: Path) -> None:
    rows = ['1,"two\nlines, a ""quote"""\r\n', "2,plain\n", '3,"x\n\ny"\n', "\n", "4,last"]
    (tmp_path / "a.csv").write_text("id,text\n" + "".join(rows), "utf-8", newline="")
    assert clean(tmp_path / "a.csv", Unwanted(frozenset({1, 2})), tmp_path / "b.csv") == (2, 2)
    with (tmp_path / "b.csv").open(newline="") as file:
        assert file.read() == "id,text\n" + rows[0] + "\n" + rows[4]


def test_arrays_lose_what_belongs_to_the_rows(tmp_path: Path) -> None:
    x, y = digits()
    track = np.arange(len(x))
    np.savez(
        tmp_path / "a.npz", x_train=x, y_train=y, track=track, x_test=x, y_test=y, class_names=["a", "b", "c"]
    )
    assert clean(tmp_path / "a.npz", Unwanted(frozenset({1, 59})), tmp_path / "b.npz") == (2, 58)
    with np.load(tmp_path / "b.npz") as found:
        np.testing.assert_array_equal(found["x_train"], np.delete(x, [1, 59], axis=0))
        np.testing.assert_array_equal(found["track"], np.delete(track, [1, 59]))
        np.testing.assert_array_equal(found["x_test"], x)
        assert found["class_names"].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_lose_picture_and_label(tmp_path: Path, packed: bool) -> None:
    path = write_idx(tmp_path, packed=packed)
    x, y = digits()
    assert clean(path, Unwanted(frozenset({3})), tmp_path / "new") == (1, 59)
    (rows,) = opened(tmp_path / "new" / path.name).rows
    assert isinstance(rows.content, Pictures)
    np.testing.assert_array_equal(rows.content.pixels, np.delete(x, 3, axis=0))
    np.testing.assert_array_equal(rows.y, np.delete(y, 3))


def test_a_folder_loses_files(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "set", 20)
    name = opened(folder).rows[0].names[4]
    assert clean(folder, Unwanted(frozenset({4}), frozenset({name})), tmp_path / "new") == (1, 19)
    assert name not in opened(tmp_path / "new").rows[0].names
    with pytest.raises(AncileError, match="rows of a folder are files"):
        clean(folder, Unwanted(frozenset({4})), tmp_path / "other")


def test_rows_that_are_not_there_or_all_of_them_are_refused(tmp_path: Path) -> None:
    for form in ("parquet", "csv"):
        path = write_table(tmp_path, form)
        with pytest.raises(AncileError, match="1 of 2"):
            clean(path, Unwanted(frozenset({3, 200})), tmp_path / f"a.{form}")
        with pytest.raises(AncileError, match="no row would be left"):
            clean(path, Unwanted(frozenset(range(200))), tmp_path / f"b.{form}")
    (tmp_path / "odd.csv").write_text('a,b\n1,5" nail\n2,x\n3,7" nail\n', "ascii")
    with pytest.raises(AncileError, match="cannot be told apart"):
        clean(tmp_path / "odd.csv", Unwanted(frozenset({1})), tmp_path / "c.csv")


def test_rows_are_written_as_people_do() -> None:
    assert parse_rows("3, 7,12-14").rows == {3, 7, 12, 13, 14}
    for wrong in ("", "x", "3-", "-3", "5-3", "1,,2", "0-99999999"):
        with pytest.raises(AncileError, match=r"no list of rows|no range of rows"):
            parse_rows(wrong)


def test_json_lines_keep_their_bytes(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"row {at}"}) + "\n" for at in range(5)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), "utf-8")
    assert clean(tmp_path / "a.jsonl", Unwanted(frozenset({2})), tmp_path / "b.jsonl") == (1, 4)
    assert lines[2] not in (tmp_path / "b.jsonl").read_text("utf-8")
