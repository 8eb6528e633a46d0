"""Data in every form is opened as the same rows, and what is none is refused in one line."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ancile.core.errors import AncileError
from ancile.data.checking.arrays import Draw
from ancile.data.checking.opening import open_both
from ancile.data.checking.tables import Asked
from ancile.data.rows import Cells, Pictures, Texts
from tests.data.checking.sets import (
    digits,
    opened,
    png,
    table,
    texts,
    write_idx,
    write_lines,
    write_pictures,
    write_table,
)


@pytest.mark.parametrize("form", ["parquet", "feather", "csv", "tsv", "jsonl"])
def test_a_table_has_the_same_rows_in_every_form(tmp_path: Path, form: str) -> None:
    path = write_table(tmp_path, form)
    found = opened(path)
    made = table()
    (rows,) = found.rows
    assert isinstance(rows.content, Cells)
    assert (found.kind, found.total, found.labels.column) == ("table", 200, "label")
    assert found.subject.digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert rows.content.number_names == ("age", "income")
    np.testing.assert_allclose(rows.content.numbers[:, 1], made.column("income").to_numpy())
    assert rows.content.values == (("Bern", "Oslo", "Rome"),)
    towns = [rows.content.values[0][at] for at in rows.content.codes[:, 0]]
    assert towns == made.column("town").to_pylist()
    assert rows.y is not None
    assert [rows.classes[at] for at in rows.y] == [str(one) for one in made.column("label").to_pylist()]


def test_a_draw_is_the_same_for_a_seed_and_names_rows_of_the_file(tmp_path: Path) -> None:
    path = write_table(tmp_path, "parquet")
    one, again, other = (opened(path, rows=40, seed=seed).rows[0] for seed in (3, 3, 4))
    assert (len(one), one.places.tolist()) == (40, again.places.tolist())
    assert one.places.tolist() != other.places.tolist()
    assert one.places.tolist() == sorted(one.places.tolist())
    assert isinstance(one.content, Cells)
    np.testing.assert_array_equal(one.content.numbers[:, 0], table().column("age").to_numpy()[one.places])


def test_texts_and_chats_are_texts_with_their_labels(tmp_path: Path) -> None:
    (rows,) = opened(write_lines(tmp_path / "a.jsonl", texts())).rows
    assert isinstance(rows.content, Texts)
    assert (len(rows), rows.classes) == (200, ("ham", "spam"))
    chats: list[dict[str, object]] = [
        {
            "messages": [
                {"role": "user", "content": one["text"]},
                {"role": "assistant", "content": "as you say"},
            ]
        }
        for one in texts()
    ]
    (rows,) = opened(write_lines(tmp_path / "b.jsonl", chats)).rows
    assert isinstance(rows.content, Texts)
    assert rows.content.texts[0] == f"user: {texts()[0]['text']}\nassistant: as you say"
    shared: list[dict[str, object]] = [
        {"conversations": [{"from": "human", "value": str(one["text"])}]} for one in texts()
    ]
    (rows,) = opened(write_lines(tmp_path / "c.jsonl", shared)).rows
    assert isinstance(rows.content, Texts)
    assert rows.content.texts[0].startswith("human: ")


def test_lines_and_a_folder_of_texts_are_texts(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("\n\n".join(str(one["text"]) for one in texts()), "utf-8")
    (rows,) = opened(tmp_path / "lines.txt").rows
    assert isinstance(rows.content, Texts)
    assert (len(rows), rows.y) == (200, None)
    for at, one in enumerate(texts(30)):
        place = tmp_path / "mail" / str(one["label"])
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{at}.txt").write_text(str(one["text"]), "utf-8")
    (tmp_path / "mail" / "ham" / "z.txt").write_bytes(b"caf\xe9 at n\xc3\xb6on")
    found = opened(tmp_path / "mail")
    assert (found.kind, found.total, found.rows[0].classes) == ("texts", 31, ("ham", "spam"))
    assert found.table is not None
    assert list(found.table.columns[0].tricks) == ["characters of a wrong encoding"]
    at = found.table.columns[0].tricks["characters of a wrong encoding"].rows[0]
    assert found.rows[0].names[at] == "ham/z.txt"
    assert len(found.subject.parts) == 31
    shutil.rmtree(tmp_path / "mail" / "spam")
    assert opened(tmp_path / "mail").rows[0].y is None


def test_a_table_with_texts_and_other_columns_is_looked_at_as_both(tmp_path: Path) -> None:
    rows = [one | {"age": at % 60, "town": ("Rome", "Bern")[at % 2]} for at, one in enumerate(texts())]
    found = opened(write_lines(tmp_path / "a.jsonl", rows))
    assert [type(one.content) for one in found.rows] == [Texts, Cells]


@pytest.mark.parametrize("packed", [False, True])
def test_idx_pictures_have_the_labels_beside_them(tmp_path: Path, packed: bool) -> None:
    found = opened(write_idx(tmp_path, packed=packed))
    x, y = digits()
    (rows,) = found.rows
    assert isinstance(rows.content, Pictures)
    np.testing.assert_array_equal(rows.content.pixels, x)
    np.testing.assert_array_equal(rows.y, y)


def test_arrays_in_any_layout_and_range_are_the_same_pictures(tmp_path: Path) -> None:
    x, y = digits(channels=3)
    forms = {
        "last": x,
        "first": np.moveaxis(x, 3, 1),
        "real": x / np.float32(255),
        "wide": x.astype(np.int64),
    }
    for name, one in forms.items():
        np.savez(tmp_path / f"{name}.npz", x_train=one, y_train=y, x_test=one[:9], y_test=y[:9])
        (rows,) = opened(tmp_path / f"{name}.npz").rows
        assert isinstance(rows.content, Pictures)
        np.testing.assert_array_equal(rows.content.pixels, x)


def test_arrays_of_features_and_of_texts_are_rows_too(tmp_path: Path) -> None:
    x, y = digits()
    flat = x.reshape(len(x), -1).astype(np.float64)
    flat[0, 0] = np.inf
    np.savez(tmp_path / "flat.npz", x=flat, y=y)
    (rows,) = opened(tmp_path / "flat.npz").rows
    assert isinstance(rows.content, Cells)
    assert np.isnan(rows.content.numbers[0, 0])
    np.savez(tmp_path / "texts.npz", x=np.array(["one text", "another"] * 20), y=np.arange(40) % 2)
    assert isinstance(opened(tmp_path / "texts.npz").rows[0].content, Texts)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "PPM", "WEBP"])
def test_a_folder_of_pictures_has_the_folders_in_it_as_classes(tmp_path: Path, form: str) -> None:
    found = opened(write_pictures(tmp_path / "set", form=form, channels=3))
    (rows,) = found.rows
    assert isinstance(rows.content, Pictures)
    assert (found.kind, rows.content.pixels.shape) == ("pictures", (60, 8, 8, 3))
    assert rows.classes == ("class 0", "class 1", "class 2")
    assert rows.names[int(rows.places[0])].startswith("class%20")
    assert found.sizes == {(8, 8): 60}
    assert len(found.subject.parts) == 60


def test_pictures_of_several_sizes_are_brought_to_one(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "set", 20)
    for at in range(15):
        (folder / "class 0" / f"x{at}.png").write_bytes(png(np.zeros((8 + at, 20, 1), np.uint8)))
    found = opened(folder)
    assert isinstance(found.rows[0].content, Pictures)
    assert found.rows[0].content.pixels.shape[1:] == (8, 8, 1)
    assert len(found.sizes) == 16


def test_a_reference_has_the_numbers_of_the_data(tmp_path: Path) -> None:
    made = table()
    pq.write_table(made, tmp_path / "a.parquet")
    other = made.set_column(2, "town", pa.array(["Oslo"] * 199 + ["Aarau"])).append_column(
        "more", made.column(0)
    )
    pq.write_table(other, tmp_path / "b.parquet")
    both = open_both(tmp_path / "a.parquet", Asked(), Draw(1000, 0), reference=tmp_path / "b.parquet")
    assert both.reference is not None
    one, beside = both.data.rows[0].content, both.reference.rows[0].content
    assert isinstance(one, Cells)
    assert isinstance(beside, Cells)
    assert one.values == beside.values == (("Aarau", "Bern", "Oslo", "Rome"),)
    assert set(beside.codes[:, 0]) == {0, 2}


def test_sources_are_named_by_their_column(tmp_path: Path) -> None:
    rows = [one | {"from": ("shop", "mail", None)[at % 3]} for at, one in enumerate(texts())]
    (found, *_) = opened(write_lines(tmp_path / "a.jsonl", rows), source="from").rows
    assert found.source_names == ("mail", "shop")
    assert found.sources is not None
    assert found.sources[:3].tolist() == [1, 0, -1]


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [one | {"label": None if at < 7 else one["label"]} for at, one in enumerate(texts())]
    found = opened(write_lines(tmp_path / "a.jsonl", rows))
    assert (found.total, found.labels.missing, len(found.rows[0])) == (200, 7, 193)
    assert found.rows[0].places[0] == 7


def test_a_column_called_label_goes_before_one_called_y(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("y,Label\n" + "1,a\n2,b\n" * 20, "ascii")
    assert opened(tmp_path / "a.csv").labels.column == "Label"


def test_a_column_of_measurements_is_no_label(tmp_path: Path) -> None:
    found = opened(write_table(tmp_path, "csv"), label="income")
    assert "no classes" in found.labels.fault or "measurements" in found.labels.fault
    assert found.rows[0].y is None


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "nothing": ("a.csv", b"", "empty"),
    "header alone": ("a.csv", b"a,b\n", "table is empty"),
    "ragged": ("a.csv", b"a,b\n1,2\n3\n", "Row #3"),
    "not UTF-8": ("a.csv", b"a,b\n1,caf\xe9\n", "near line 2"),
    "UTF-16": ("a.csv", "a,b\n1,2\n".encode("utf-16"), "not UTF-8"),
    "cut character": ("a.txt", "one\ntwo é".encode()[:-1], "near line 2"),
    "columns twice": ("a.csv", b"a,a\n1,2\n", "twice"),
    "no columns": ("a.csv", b"\n\n\n", "cannot be read"),
    "pickle": ("a.csv", b"\x80\x04N.", "pickle"),
    "unknown": ("a.xyz", b"1234", "no known kind"),
    "no object": ("a.jsonl", b'{"a": 1}\n[1]\n', "line 2"),
    "broken line": ("a.jsonl", b'{"a": 1}\n{"a": \n', "line 2"),
    "nested alone": ("a.jsonl", b'{"a": {"b": 1}}\n', "no line holds"),
    "no zip": ("a.npz", b"PK\x03\x04nothing", "archive is damaged"),
    "idx": ("t10k-images-idx3-ubyte", b"\0\0\x08\x03\0\0\0\x09", "idx"),
    "not Arrow": ("a.arrow", b"ARROW1\0\0nothing", "Arrow file cannot be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    file, content, said = REFUSED[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(AncileError) as refused:
        opened(tmp_path / file)
    told = f"{refused.value} {refused.value.remedy}"
    assert said in told
    assert "\n" not in told


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_truncated_parquet_or_arrow_file_is_refused(tmp_path: Path, share: float) -> None:
    for form in ("parquet", "feather"):
        whole = write_table(tmp_path, form).read_bytes()
        (tmp_path / f"cut.{form}").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(AncileError, match="cannot be read"):
            opened(tmp_path / f"cut.{form}")


def test_columns_and_options_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path, "csv")
    with pytest.raises(AncileError, match="no column is named price") as refused:
        opened(path, label="price")
    assert "age, income, town, label" in str(refused.value)
    with pytest.raises(AncileError, match="for tables alone"):
        opened(write_pictures(tmp_path / "set", 3), label="y")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "a.bin").write_bytes(b"1")
    with pytest.raises(AncileError, match="neither pictures nor texts"):
        opened(tmp_path / "odd")
    with pytest.raises(AncileError, match="reference is of another kind"):
        open_both(path, Asked(), Draw(100, 0), reference=tmp_path / "set")
    pq.write_table(table().drop_columns(["town"]), tmp_path / "less.parquet")
    with pytest.raises(AncileError, match="not the same columns"):
        open_both(path, Asked(), Draw(100, 0), reference=tmp_path / "less.parquet")


def test_a_cell_that_does_not_fit_its_column_makes_the_column_wider(tmp_path: Path) -> None:
    """Types follow from the first eight MiB; what comes later is no reason to refuse the file."""
    lines = "a,b\n" + "1,2\n" * 2_200_000
    (tmp_path / "a.csv").write_text(lines + "1.5,x\n", "ascii")
    found = opened(tmp_path / "a.csv", rows=100)
    assert found.table is not None
    kinds = {one.name: (one.kind, one.high) for one in found.table.columns}
    assert kinds["a"] == ("number", 1.5)
    assert kinds["b"][0] == "text"
