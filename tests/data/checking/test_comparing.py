"""Drift is told where there is some, and expectations hold what was true."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ancile.core.errors import AncileError
from ancile.data.checking.drifting import drift_between, drift_table
from ancile.data.checking.expectations import broken, frozen, inferred, read_expectations
from ancile.measure.drift import drift_of_counts, drift_of_numbers, stability_index
from tests.data.checking.sets import opened, table, texts, write_lines, write_pictures, write_table


@given(st.integers(0, 1000), st.floats(-1, 1))
def test_the_distance_is_scipys(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    old, new = rng.normal(size=60), rng.normal(size=90) + shift
    expected = stats.ks_2samp(old, new, method="exact")
    found = drift_of_numbers(old, new)
    assert found.distance == pytest.approx(expected.statistic)
    assert abs(np.log10(max(found.chance, 1e-6)) - np.log10(max(expected.pvalue, 1e-6))) < 0.5


def test_counts_are_compared_as_chi_square_does() -> None:
    old, new = np.array([50, 30, 20]), np.array([30, 40, 30])
    expected = stats.chi2_contingency(np.array([old, new]), correction=False)
    found = drift_of_counts(old, new)
    assert found.chance == pytest.approx(expected.pvalue)
    assert found.distance == pytest.approx(0.2)
    assert drift_of_counts(np.array([5]), np.array([9])).chance == 1
    assert drift_of_counts(np.array([100, 0, 1]), np.array([100, 1, 0])).chance > 0.01


def test_the_stability_index_of_equal_shares_is_nothing_and_symmetric() -> None:
    one, other = np.array([10, 20, 30]), np.array([30, 20, 10])
    assert stability_index(one, one * 7) == pytest.approx(0)
    assert stability_index(one, other) == pytest.approx(stability_index(other, one))


def test_what_moved_is_found_and_what_did_not_is_not(tmp_path: Path) -> None:
    made = table(2000)
    pq.write_table(made, tmp_path / "a.parquet")
    pq.write_table(table(2000, seed=9), tmp_path / "b.parquet")
    towns = pa.array(["Rome" if at % 2 else "Oslo" for at in range(2000)])
    ages = pa.array(made.column("age").to_numpy() + 20)
    pq.write_table(made.set_column(2, "town", towns).set_column(0, "age", ages), tmp_path / "c.parquet")
    one, same, moved = (opened(tmp_path / f"{name}.parquet", rows=2000) for name in "abc")
    assert not any(each.has_changed for each in drift_between(one, same))
    found = drift_between(one, moved)
    assert {each.column for each in found if each.has_changed} == {"age", "town"}
    assert drift_table(found, "a@1").rows[0][1] == "changed"


def test_texts_and_pictures_are_compared_by_length_and_light(tmp_path: Path) -> None:
    long = [one | {"text": str(one["text"]) * 3} for one in texts(300)]
    first, second = write_lines(tmp_path / "a.jsonl", texts(300)), write_lines(tmp_path / "b.jsonl", long)
    found = {one.column for one in drift_between(opened(first), opened(second)) if one.has_changed}
    assert {"characters of texts", "words of texts"} <= found
    pictures = opened(write_pictures(tmp_path / "set", 30))
    assert {one.column for one in drift_between(pictures, pictures)} == {
        "brightness of pictures",
        "contrast of pictures",
        "label",
    }


def test_what_is_frozen_is_kept_to_and_read_back(tmp_path: Path) -> None:
    for form in ("csv", "parquet"):
        data = opened(write_table(tmp_path, form))
        (tmp_path / "e.toml").write_text(frozen(inferred(data), "set"), "utf-8")
        read = read_expectations(tmp_path / "e.toml")
        assert read == inferred(data)
        assert list(broken(read, data)) == []
    pictures = opened(write_pictures(tmp_path / "set", 30))
    expected = inferred(pictures)
    assert expected.size == (8, 8)
    assert expected.classes == ["class 0", "class 1", "class 2"]
    assert list(broken(expected, pictures)) == []
    assert tomllib.loads(frozen(expected, "set"))["size"] == [8, 8]


CHANGES: dict[str, tuple[dict[str, object], str]] = {
    "range": ({"age": [1000] * 200}, "goes up to 1000"),
    "low": ({"age": [-5] * 200}, "goes down to -5"),
    "kind": ({"age": ["x"] * 200}, "holds text, number is expected"),
    "fractions": ({"age": [20.5] * 200}, "holds fractions"),
    "gaps": ({"town": [None] * 50 + ["Rome"] * 150}, "25.00% of the cells are empty"),
    "values": ({"town": ["Paris"] * 200}, "not expected: Paris"),
    "many values": ({"town": [f"town {at}" for at in range(200)]}, "not expected: town"),
    "labels": ({"label": [0, 1, 7, 8] * 50}, "labels that are not expected: 7, 8"),
    "more columns": ({"more": [1] * 200}, "a column that is not expected"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_expectation_can_be_broken(tmp_path: Path, name: str) -> None:
    expected = inferred(opened(write_table(tmp_path, "parquet")))
    columns, said = CHANGES[name]
    made = table()
    for column, values in columns.items():
        if column in made.column_names:
            made = made.set_column(made.column_names.index(column), column, pa.array(values))
        else:
            made = made.append_column(column, pa.array(values))
    pq.write_table(made, tmp_path / "new.parquet")
    told = [one.detail for one in broken(expected, opened(tmp_path / "new.parquet"))]
    assert any(said in one for one in told), told


def test_rows_columns_uniqueness_and_sizes_are_held(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": range(300), "x": [1.5] * 300}), tmp_path / "a.parquet")
    expected = inferred(opened(tmp_path / "a.parquet"))
    assert expected.columns["id"].unique
    pq.write_table(pa.table({"id": [1] * 100}), tmp_path / "b.parquet")
    fewer = msgspec.structs.replace(expected, rows_at_least=200)
    told = [one.detail for one in broken(fewer, opened(tmp_path / "b.parquet"))]
    assert told[0].startswith("100 rows, at least 200")
    assert "the column is not there" in told
    assert any("each row's own is expected" in one for one in told)
    optional = {name: msgspec.structs.replace(one, optional=True) for name, one in expected.columns.items()}
    left = [
        one.column
        for one in broken(msgspec.structs.replace(expected, columns=optional), opened(tmp_path / "b.parquet"))
    ]
    assert left == ["id"]
    pictures = inferred(opened(write_pictures(tmp_path / "set", 20)))
    wrong = msgspec.structs.replace(pictures, size=(9, 9))
    assert [one.detail for one in broken(wrong, opened(tmp_path / "set"))] == ["20 pictures are not 9 x 9"]


@pytest.mark.parametrize("text", ["", "schema = 3", "\xff", "[columns.a]\nkind = 'odd'", "a = ["])
def test_what_is_no_file_of_expectations_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "e.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(AncileError, match="expectations"):
        read_expectations(tmp_path / "e.toml")
