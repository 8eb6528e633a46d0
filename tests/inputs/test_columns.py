"""Features and labels from tables."""

from __future__ import annotations

import decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.inputs.opener import open_data
from tests.inputs.tables import from_csv, from_parquet, parquet
from tests.shared import SHARED, needs_shared

NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20)


@given(a=NUMBERS)
def test_a_column_of_numbers_is_a_feature(a: list[float]) -> None:
    found = from_parquet(parquet({"a": a, "y": [0] * len(a)}))
    assert found.x[:, 0].tolist() == a
    assert (found.features, found.y.y.tolist()) == (("a",), [0] * len(a))


@pytest.mark.slow
@given(a=NUMBERS)
def test_csv_and_parquet_give_the_same_samples(a: list[float]) -> None:
    lines = "".join(f"{value!r},{at % 3}\n" for at, value in enumerate(a))
    text = from_csv("a,y\n" + lines)
    binary = from_parquet(parquet({"a": a, "y": [at % 3 for at in range(len(a))]}))
    np.testing.assert_array_equal(text.x, binary.x)
    np.testing.assert_array_equal(text.y.y, binary.y.y)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2, 3], pa.int8()),
        pa.array([1, 2, 3], pa.uint64()),
        pa.array([1, 2, 3], pa.float16()),
        pa.array([1.0, 2.0, 3.0], pa.float64()),
        pa.array([decimal.Decimal("1.00"), decimal.Decimal("2.00"), decimal.Decimal("3.00")]),
    ],
)
def test_numbers_of_every_type_are_read(column: pa.Array) -> None:
    found = from_parquet(parquet({"a": column, "y": column}))
    assert (found.x[:, 0].tolist(), found.y.y.tolist()) == ([1, 2, 3], [1, 2, 3])


def test_booleans_are_0_and_1() -> None:
    found = from_csv("a,y\ntrue,false\nfalse,true\n")
    assert (found.x[:, 0].tolist(), found.y.y.tolist()) == ([1, 0], [0, 1])


def test_labels_that_are_text_are_numbered_in_sorted_order() -> None:
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())):
        y = pa.array(["spam", "ham", "spam"], pa.string()).cast(kind)
        found = from_parquet(parquet({"a": [1, 2, 3], "y": y})).y
        assert (found.y.tolist(), found.classes) == ([1, 0, 1], ("ham", "spam"))


def test_rows_are_chosen_before_labels_are_numbered() -> None:
    found = from_csv("split,a,y\ntrain,1,zebra\ntest,2,ape\ntest,3,bee\n", where="split=test")
    assert (found.x[:, 0].tolist(), found.rows.tolist()) == ([2, 3], [1, 2])
    assert (found.y.y.tolist(), found.y.classes) == ([0, 1], ("ape", "bee"))


def test_a_text_column_that_chooses_rows_is_no_feature_a_number_stays_one() -> None:
    text = "split,sex,a,y\ntest,0,1,0\ntest,1,2,1\ntrain,1,3,0\n"
    assert from_csv(text, where="split=test").features == ("sex", "a")
    found = from_csv(text, where="sex=1", drop=("split",))
    assert (found.features, found.x.tolist(), found.rows.tolist()) == (("sex", "a"), [[1, 2], [1, 3]], [1, 2])
    assert from_csv(text, where="sex=1.0", drop=("split", "sex")).features == ("a",)


def test_rows_are_chosen_by_a_boolean() -> None:
    text = "held,a,y\ntrue,1,0\nfalse,2,1\n"
    assert from_csv(text, where="held=True", drop=("held",)).rows.tolist() == [0]
    assert from_csv(text, where="held=0", drop=("held",)).rows.tolist() == [1]


@pytest.mark.parametrize("where", ["split=dev", "a=7", "a=many", "split=\x1b[2J", "n=1"])
def test_a_choice_of_no_rows_says_what_the_column_holds(where: str) -> None:
    with pytest.raises(AncileError, match="no row is chosen") as told:
        from_csv("split,a,n,b,y\ntrain,1.5,,1,0\ntest,2,,2,1\n", drop=("split", "n"), where=where)
    holds = {"split": "train, test", "a": "1.5, 2", "n": "nothing"}[where.partition("=")[0]]
    assert told.value.remedy.endswith(f"holds {holds}")
    assert told.value.value.isprintable()


def test_a_missing_label_lists_the_columns() -> None:
    with pytest.raises(AncileError) as told:
        from_csv("a,b\n1,2\n", label="target")
    assert (told.value.value, told.value.remedy) == ("no column is named target", "columns are: a, b")


def test_all_that_is_wrong_with_what_was_asked_is_told_at_once() -> None:
    with pytest.raises(AncileError, match="4 faults") as told:
        from_csv("a,a\n1,2\n", label="", drop=("b", "c"), where="split")
    for words in ("stand there twice: a", "--label", "'split' is not column=value", "named split, b, c"):
        assert words in told.value.value


@pytest.mark.parametrize("where", ["=x", "split", "="])
def test_a_choice_of_rows_needs_column_and_value(where: str) -> None:
    with pytest.raises(AncileError, match="is not column=value"):
        from_csv("split,a,y\nx,1,2\n", where=where)


def test_a_wide_table_is_listed_in_part() -> None:
    header = ",".join(f"c{at}" for at in range(100))
    with pytest.raises(AncileError) as told:
        from_csv(f"{header}\n{','.join('1' * 100)}\n")
    assert told.value.remedy.endswith("c18, c19 and 80 more")


def test_hostile_names_of_columns_are_shown_on_one_line() -> None:
    names = ["\x1b[31m", "::error::\n", "x" * 10_000, "=cmd|' /C calc'!A0"]
    with pytest.raises(AncileError) as told:
        from_parquet(parquet({name: ["a"] for name in names} | {"y": [1]}))
    assert told.value.value.isprintable()
    assert len(told.value.value) < 300
    found = from_parquet(parquet({name: [1.0] for name in names} | {"y": [1]}))
    assert all(name.isprintable() and len(name) <= 220 for name in found.features)


def test_text_and_dates_are_told_together_with_what_to_do() -> None:
    with pytest.raises(AncileError) as told:
        from_csv("city,day,a,y\nRome,2024-01-01,1,0\nOslo,2024-01-02,2,1\n")
    assert told.value.value == "city, day"
    assert "--drop" in told.value.remedy
    assert "encode" in told.value.remedy


def test_gaps_and_infinities_are_told_by_column() -> None:
    with pytest.raises(AncileError) as told:
        from_csv("a,b,c,y\n1,,1,0\n2,NaN,1e39,1\n3,1,inf,1\n4,1,1,0\n")
    assert told.value.value == "empty, NaN or infinite cells in 2 columns: b: 2 rows, c: 2 rows"


def test_gaps_in_rows_that_are_not_chosen_do_not_matter() -> None:
    assert from_csv("s,a,y\ntrain,,\ntest,2,1\n", where="s=test").x.tolist() == [[2]]


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (pa.array([0, None]), "1 rows have no label"),
        (pa.array(["a", None]), "1 rows have no label"),
        (pa.array([0.0, float("nan")]), "1 labels are NaN"),
        (pa.array([0, -1]), "labels from -1 to 0 are out of range"),
        (pa.array([[1], [2]]), "labels are of type list"),
        (pa.array([b"a", b"b"]), "labels are of type binary"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(y: pa.Array, words: str) -> None:
    with pytest.raises(AncileError, match=words):
        from_parquet(parquet({"a": [1, 2], "y": y}))


def test_faults_of_features_and_labels_are_told_together() -> None:
    with pytest.raises(AncileError, match=r"2 faults: .*a: 1 rows; 1 rows have no label"):
        from_parquet(parquet({"a": [1, None], "y": pa.array([None, 1])}))


def test_a_table_of_labels_alone_has_no_features() -> None:
    with pytest.raises(AncileError, match="no features"):
        from_csv("y\n1\n")


def test_the_index_that_pandas_wrote_is_left_out_and_told() -> None:
    found = from_parquet(parquet({"a": [1], "y": [0], "__index_level_0__": [7]}))
    assert (found.features, found.notes) == (("a",), ("index columns were left out: __index_level_0__",))


def test_integers_beyond_float32_are_rounded_and_told() -> None:
    found = from_csv("a,b,y\n16777217,16777216,0\n")
    assert found.notes == ("integers beyond 16777216 were rounded to float32 in a",)


def test_a_text_that_a_dictionary_holds_twice_is_one_class() -> None:
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None]), pa.array(["b", "b", "a"]))
    found = from_parquet(parquet({"a": [1, 2, 3, 4], "s": ["k", "k", "k", "d"], "y": twice}), where="s=k")
    assert (found.y.y.tolist(), found.y.classes) == ([1, 1, 0], ("a", "b"))


@needs_shared
def test_spambase_by_its_split_is_what_its_card_says() -> None:
    assert SHARED
    file = str(SHARED / "data" / "tabular" / "spambase.parquet")
    found = open_data(file, label="spam", where="split=test")
    assert found.x.shape == (1187, 57)
    assert found.kind == "table"
    assert found.features is not None
    assert (len(found.features), "split" in found.features, "spam" in found.features) == (57, False, False)
    train = open_data(file, label="spam", where="split=train")
    assert not set(found.rows.tolist()) & set(train.rows.tolist())
    assert len(found) + len(train) == 4601
    assert round((found.y.sum() + train.y.sum()) / 4601, 4) == 0.394


@needs_shared
def test_adult_says_which_columns_are_text() -> None:
    assert SHARED
    file = str(SHARED / "data" / "tabular" / "adult.parquet")
    with pytest.raises(AncileError, match="9 columns hold neither") as told:
        open_data(file, label="income")
    text = told.value.value.split(", ")
    assert open_data(file, label="income", drop=text).x.shape == (48842, 6)
