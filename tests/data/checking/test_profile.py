"""What one pass over a table finds is what the whole table says, whatever its batches."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.data.checking.drawing import Drawing
from ancile.data.checking.hashing import cell_hashes, numbers_of, row_hashes
from ancile.data.checking.profile import Different, Profiling
from ancile.data.checking.repeats import Repeating
from ancile.data.checking.tricks import tricks_in
from ancile.inputs import batches as reading
from ancile.inputs.batches import open_batches

CELLS = st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=30)


@given(cells=CELLS, other=CELLS)
def test_equal_cells_hash_alike_in_any_batch_and_form(
    cells: list[str | None], other: list[str | None]
) -> None:
    whole = pa.array([*cells, *other], pa.large_string())
    found = cell_hashes(whole)
    np.testing.assert_array_equal(found[len(cells) :], cell_hashes(whole.slice(len(cells))))
    np.testing.assert_array_equal(found, cell_hashes(whole.dictionary_encode()))
    values = whole.to_pylist()
    same = dict(zip(values, found.tolist(), strict=True))
    assert len(set(same.values())) == len(set(values))


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=20))
def test_a_number_hashes_as_what_it_is_not_as_its_type(numbers: list[int]) -> None:
    ints, reals = pa.array(numbers, pa.int64()), pa.array(numbers, pa.float64())
    np.testing.assert_array_equal(cell_hashes(ints), cell_hashes(reals))
    np.testing.assert_array_equal(cell_hashes(pa.array([0.0])), cell_hashes(pa.array([-0.0])))


def test_dates_times_and_flags_are_numbers() -> None:
    assert numbers_of(pa.array([True, None])).tolist()[0] == 1
    moments = pa.array([1, 2], pa.timestamp("s"))
    assert numbers_of(moments).tolist() == [1, 2]
    assert numbers_of(pa.array([3], pa.date32())).tolist() == [3]


def test_the_order_of_columns_counts() -> None:
    one, other = cell_hashes(pa.array([1, 2])), cell_hashes(pa.array([3, 4]))
    assert (row_hashes([one, other]) != row_hashes([other, one])).all()
    assert row_hashes([]).size == 0


@pytest.mark.parametrize("many", [0, 5, 1023, 20_000])
def test_different_values_are_counted_exactly_while_few_and_nearly_beyond(many: int) -> None:
    different = Different()
    for start in range(0, many, 3000):
        part = pa.array(np.arange(start, min(many, start + 3000)))
        different.take(cell_hashes(part))
        different.take(cell_hashes(part))
    assert different.number() == many if many < 1024 else abs(different.number() / many - 1) < 0.12


def test_a_column_is_profiled_over_its_batches() -> None:
    numbers = Profiling("x", pa.float64())
    numbers.take(pa.array([1.0, None, np.nan]))
    numbers.take(pa.array([np.inf, -2.5]))
    found = numbers.found()
    assert (found.rows, found.missing, found.broken, found.low, found.high) == (5, 1, 2, -2.5, 1.0)
    assert not found.whole
    texts = Profiling("t", pa.large_string())
    for form in (
        pa.array(["a", "", None, "b\u202e"], pa.large_string()),
        pa.array(["a", "=1+1"]).dictionary_encode(),
    ):
        texts.take(form)
    found = texts.found()
    assert (found.missing, found.categories) == (2, {"a": 2, "b\u202e": 1, "=1+1": 1})
    assert {name: one.rows for name, one in found.tricks.items()} == {
        "characters that reorder text": (3,),
        "spreadsheet formulas": (5,),
    }
    empty = Profiling("e", pa.float64())
    empty.take(pa.array([None, None], pa.float64()))
    assert np.isnan(empty.found().low)


def test_many_different_texts_are_no_categories() -> None:
    for some in ([f"text {at}" for at in range(300)], ["x" * 100]):
        profile = Profiling("t", pa.large_string())
        profile.take(pa.array(some, pa.large_string()))
        profile.take(pa.array(["a"], pa.large_string()))
        assert profile.found().categories == {}


def drawing_of(sizes: list[int], size: int, seed: int) -> tuple[list[int], list[str]]:
    total = sum(sizes)
    schema = pa.schema([("x", pa.int64()), ("t", pa.dictionary(pa.int32(), pa.large_string()))])
    drawing, start = Drawing(schema, size, seed=seed), 0
    for count in sizes:
        places = list(range(start, start + count))
        texts = pa.array([None if at % 7 == 0 else f"t{at % 5}" for at in places], pa.large_string())
        drawing.take(pa.record_batch([pa.array(places), texts.dictionary_encode()], schema=schema))
        start += count
    found = drawing.drawn()
    assert drawing.seen == total
    assert found.table.column("x").to_pylist() == found.places.tolist()
    for at, text in zip(found.places.tolist(), found.table.column("t").to_pylist(), strict=True):
        assert text == (None if at % 7 == 0 else f"t{at % 5}")
    return found.places.tolist(), found.table.column("t").to_pylist()


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 30), st.integers(0, 99))
def test_a_draw_does_not_depend_on_batches(sizes: list[int], size: int, seed: int) -> None:
    places, _ = drawing_of(sizes, size, seed)
    assert len(places) == min(size, sum(sizes))
    assert (places, _) == drawing_of([sum(sizes)], size, seed)


def test_equal_rows_are_counted_and_the_most_frequent_named() -> None:
    repeating = Repeating()
    for part in ([1, 2, 3], [2, 2, 4], [1]):
        repeating.take(cell_hashes(pa.array(part)))
    found = repeating.found()
    assert (found.looked, found.repeats, found.exact) == (7, 3, True)
    assert [(one.rows, one.times) for one in found.largest] == [((1, 3, 4), 3), ((0, 6), 2)]
    assert Repeating().found().share == 0


def test_of_too_many_rows_a_fair_part_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ancile.data.checking.repeats.HELD", 1000)
    repeating = Repeating()
    for _ in range(2):
        repeating.take(cell_hashes(pa.array(np.arange(8000))))
    found = repeating.found()
    assert not found.exact
    assert found.looked <= 1000
    assert found.share == 0.5


TRICKED = {
    "hidden characters": ["zero\u200bwidth", "x\U000e0041y", "a\u2060", "a\u200db", "\ufe01\ufe02"],
    "characters that reorder text": ["\u202eabc", "a\u2066b"],
    "control characters": ["\x1b[31m", "a\x07"],
    "characters of a wrong encoding": ["don\x92t", "a\ufffd"],
    "letters of two scripts in one word": ["p\u0430ypal", "s\u03bfme", "\U0001d41b\U0001d428"],
    "spreadsheet formulas": [
        "=1+1",
        "=cmd|' /C calc'!A0",
        "@SUM(1)",
        "-2+3+cmd|' /C calc'!A1",
        '=HYPERLINK("x")',
    ],
}
HONEST = [
    *("plain", "-5", "- item", "+49 123", "@user hi", "=)", "=====", "-x (y)", "+1 (555) 1234", "tab\there"),
    *(
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "k\u03a9",
    ),
    *(
        "\u2764\ufe0f",
        "\U0001f3f4\U000e0067\U000e0062\U000e007f",
        "\u041c\u043e\u0441\u043a\u0432\u0430",
        "caf\xe9",
    ),
]


@pytest.mark.parametrize("name", TRICKED)
def test_a_trick_is_found_where_it_is(name: str) -> None:
    for text in TRICKED[name]:
        assert name in tricks_in(pa.array(["plain", text], pa.large_string())), text


@pytest.mark.parametrize("text", HONEST)
def test_honest_text_of_any_script_has_no_trick(text: str) -> None:
    assert tricks_in(pa.array([text], pa.large_string())) == {}


def test_a_row_group_too_large_to_unpack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"x": np.arange(1000)}), file)
    monkeypatch.setattr(reading, "GROUP_BYTES", 100)
    with pytest.raises(AncileError, match="row group of the Parquet file is too large"):
        open_batches(file, suffix=".parquet") if file.seek(0) == 0 else None


def test_too_many_columns_are_refused() -> None:
    wide = (",".join(f"c{at}" for at in range(20_002)) + "\n").encode()
    with pytest.raises(AncileError, match="too many columns"):
        open_batches(io.BytesIO(wide), suffix=".csv")
