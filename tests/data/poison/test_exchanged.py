"""Labels that go one way, a reference, and who brought the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ancile.core.errors import AncileError
from ancile.data.poison.search import search
from ancile.data.rows import Cells, Pictures, Rows, Texts
from tests.data.poison.planting import pictures, relabelled, rows_of, table, texts


def one_way(rows: Rows, many: int) -> tuple[Rows, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Some rows of the first class under the label of the second."""
    assert rows.y is not None
    turned = np.flatnonzero(rows.y == 0)[:many]
    return relabelled(rows, turned, np.ones(many, int)), turned


def test_rows_that_go_one_way_are_a_group() -> None:
    """Forty of class 0 under label 1, none back: a group with evidence, and nearly all in it are planted."""
    rows, turned = one_way(table(900), 40)
    found = search(rows, seed=0)
    group = next(one for one in found.groups if "are labelled 'class 1'" in one.what)
    assert group.evidence > 3
    assert group.label == 1
    assert np.isin(group.rows, turned).mean() > 0.9
    assert np.isin(turned, found.order[:44]).mean() > 0.85
    assert "are labelled" in " ".join(found.reasons(int(group.rows[0])))


def test_of_two_classes_none_is_said_to_be_exchanged() -> None:
    """There is no third that could be the measure: the detector says that it was not asked."""
    found = search(table(200, classes=2), seed=0)
    assert "exchanged classes" in [one.name for one in found.skipped]


@pytest.mark.parametrize("kind", [pictures, table, texts])
def test_a_reference_finds_what_was_relabelled(kind: Callable[..., Rows]) -> None:
    """A whole third of a class under another label stands out beside rows that are trusted."""
    rows, turned = one_way(kind(600), 70)
    found = search(rows, seed=0, reference=kind(400, seed=9))
    group = next(one for one in found.groups if "to the reference" in one.what)
    assert group.evidence > 3
    assert np.isin(turned, found.order[:84]).mean() > 0.9


@pytest.mark.parametrize("kind", [pictures, table, texts])
def test_a_row_that_the_reference_has_under_another_label_is_named(kind: Callable[..., Rows]) -> None:
    """The earlier version of the set is the reference: the one changed row comes first."""
    before = kind(300)
    assert before.y is not None
    found = search(relabelled(before, np.array([5]), (before.y[[5]] + 1) % 3), seed=0, reference=before)
    assert found.order[0] == 5
    assert "the reference has the same row as" in " ".join(found.reasons(5))


def test_a_clean_set_beside_a_clean_reference_has_no_finding() -> None:
    """Drawn alike, nothing stands out."""
    found = search(table(500), seed=0, reference=table(300, seed=3))
    assert found.score.max() < 3


def test_a_reference_with_other_words_is_compared() -> None:
    """Texts of a column that only one of the two has are no obstacle."""
    rows, other = table(200), table(200, seed=4)
    assert isinstance(other.content, Cells)
    content = replace(other.content, values=(("red", "white", "green"),))
    assert search(rows, seed=0, reference=replace(other, content=content)).score.max() < 3


@pytest.mark.parametrize(
    "reference",
    [
        rows_of(Pictures(pixels=np.zeros((90, 8, 8, 1), np.uint8)), np.arange(90) % 3),
        Rows(content=pictures(90).content, y=None, classes=(), places=np.arange(90)),
        replace(pictures(90), classes=("others", "of", "these")),
    ],
)
def test_a_reference_that_cannot_be_compared_is_said(reference: Rows) -> None:
    """Of another size, without labels, or of other classes: the search goes on and says so."""
    found = search(pictures(90), seed=0, reference=reference)
    assert "beside trusted" in [one.name for one in found.skipped]


def test_the_source_of_bad_rows_is_named() -> None:
    """Of ten sources one brings wrong labels in a third of its rows."""
    rows = table(1000)
    assert rows.y is not None
    sources = np.arange(1000) % 10
    wrong = np.flatnonzero(sources == 4)[:33]
    planted = relabelled(rows, wrong, (rows.y[wrong] + 1) % 3)
    named = replace(planted, sources=sources, source_names=tuple(f"batch {one}" for one in range(10)))
    found = search(named, seed=0)
    groups = [one for one in found.groups if one.what.startswith("source")]
    assert ["batch 4" in one.what for one in groups] == [True]
    assert groups[0].evidence > 3
    assert any("source 'batch 4'" in one for one in found.reasons(int(wrong[0])))


def test_sources_of_a_clean_set_are_not_blamed() -> None:
    """Ten sources of the same rows: no group."""
    rows = replace(table(1000), sources=np.arange(1000) % 10, source_names=tuple("abcdefghij"))
    assert not [one for one in search(rows, seed=0).groups if one.what.startswith("source")]


def test_a_reference_of_other_columns_is_refused() -> None:
    """Texts beside pictures never reach the detectors."""
    with pytest.raises(AncileError, match="another kind"):
        search(rows_of(Texts(texts=("a",) * 30), np.arange(30) % 3), seed=0, reference=table(40))
