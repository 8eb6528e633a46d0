"""What is counted of classes is what counting them by hand gives; what singles rows out is suggested."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.data import anonymity
from ancile.data.anonymity import classes_of, suggest
from ancile.inputs.batches import Batches


def batches(columns: dict[str, Sequence[object]], rows: int = 3) -> Batches:
    table = pa.table(dict(columns))
    names, types = tuple(table.schema.names), tuple(table.schema.types)
    return Batches(names, types, table.num_rows, lambda: iter(table.to_batches(max_chunksize=rows)))


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=40
)


@pytest.mark.slow
@given(ROWS, st.integers(1, 50))
def test_classes_are_those_that_counting_by_hand_gives(rows: list[tuple[int, str, str]], wait: int) -> None:
    by_hand: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for one, two, value in rows:
        by_hand[one, two][value] += 1
    table = batches({"a": [r[0] for r in rows], "b": [r[1] for r in rows], "s": [r[2] for r in rows]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anonymity, "MERGE_ROWS", wait)
        found = classes_of(table, ("a", "b"), ("s",))
    assert sorted(found.sizes) == sorted(sum(one.values()) for one in by_hand.values())
    assert sorted(found.diverse) == sorted(len(one) for one in by_hand.values())
    entropies = [
        -sum(n / sum(one.values()) * math.log(n / sum(one.values())) for n in one.values())
        for one in by_hand.values()
    ]
    assert np.allclose(sorted(np.log(found.entropy)), sorted(entropies))
    assert np.array_equal(sorted(classes_of(table, ("a", "b")).sizes), sorted(found.sizes))


def test_a_column_that_is_not_there_and_a_table_without_rows_are_refused() -> None:
    with pytest.raises(AncileError, match="no such column"):
        classes_of(batches({"a": [1]}), ("b",))
    with pytest.raises(AncileError, match="no rows"):
        classes_of(batches({"a": pa.array([], pa.int64())}), ("a",))


def test_what_singles_out_is_suggested_and_what_is_measured_is_not() -> None:
    rng = np.random.default_rng(5)
    found = suggest(
        batches(
            {
                "id": [f"p{n}" for n in range(2000)],
                "age": rng.integers(18, 90, 2000).tolist(),
                "place": rng.integers(0, 40, 2000).astype(str).tolist(),
                "same": ["x"] * 2000,
                "weight": rng.normal(70, 10, 2000).tolist(),
                "whole": rng.integers(0, 2, 2000).astype(float).tolist(),
                "ill": ["yes", "no"] * 1000,
            },
            500,
        ),
        ("ill",),
    )
    assert found.identifiers == ("id",)
    assert {one.column for one in found.steps} == {"age", "place", "whole"}
    assert [one.single for one in found.steps] == sorted(one.single for one in found.steps)
    assert not suggest(batches({"a": pa.array([], pa.int64())})).steps
