"""Whatever a model answers with becomes scores in one form, or one clear error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from ancile.core.errors import AncileError
from ancile.models.answers import Reading, array_model, numeric, prepared, reading_of, scores_of, worded
from ancile.models.blocks import array_of, block_of
from ancile.models.layout import layout_for, layouts
from ancile.work.frames import Frame

FLOATS = st.floats(-50, 50, width=32)


def read(answer: object, **options: object) -> tuple[Reading, NDArray[np.float64]]:
    found = numeric(answer)
    reading, _ = reading_of(found, **options)  # type: ignore[arg-type]  # as the test gives them
    return reading, scores_of(found, reading, samples=len(found))


@given(arrays(np.float32, (7, 4), elements=FLOATS))
def test_rows_of_scores_are_kept_as_they_are(rows: NDArray[np.float32]) -> None:
    reading, scores = read(rows, output="logits")
    assert (reading.output, reading.classes) == ("logits", 4)
    np.testing.assert_array_equal(scores, rows.astype(np.float64))


@given(arrays(np.float64, (6, 3), elements=FLOATS))
def test_rows_that_sum_to_one_are_probabilities_and_others_are_logits(rows: NDArray[np.float64]) -> None:
    softmax = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
    assert read(softmax)[0].output == "probabilities"
    assert read(softmax + 0.1)[0].output == "logits"


@given(arrays(np.float64, (40, 10), elements=st.floats(-6, 6)), st.sampled_from([2, 3, 4]))
def test_rounded_probabilities_are_probabilities_and_said_to_be_rounded(
    rows: NDArray[np.float64], digits: int
) -> None:
    """(softmax * 100).round() / 100 sums to 0.95 to 1.05 for ten classes."""
    rounded = (np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)).round(digits)
    reading, note = reading_of(rounded)
    assert reading.output == "probabilities"
    assert ("are rounded" in note) == bool((np.abs(rounded.sum(axis=1) - 1) > 1e-3).any())


def test_labels_that_count_from_one_are_told_so() -> None:
    with pytest.raises(AncileError, match="fewer classes") as caught:
        reading_of(np.zeros((3, 10)), classes=11)
    assert "labels run from 1 to 10, subtract 1" in caught.value.remedy


@given(arrays(np.float64, 9, elements=st.floats(0, 1)))
def test_a_single_probability_is_that_of_class_one(column: NDArray[np.float64]) -> None:
    for answer in (column, column[:, None]):
        reading, scores = read(answer)
        assert (reading.output, reading.classes) == ("probabilities", 2)
        np.testing.assert_array_equal(scores, np.stack([1 - column, column], axis=1))


@given(arrays(np.float64, 9, elements=FLOATS))
def test_a_single_logit_stands_against_zero(column: NDArray[np.float64]) -> None:
    reading, scores = read(column[:, None, None], output="logits")
    assert reading.classes == 2
    np.testing.assert_array_equal(scores, np.stack([np.zeros(9), column], axis=1))


@given(arrays(np.int64, 9, elements=st.integers(0, 4)), st.integers(5, 8) | st.none())
def test_labels_become_one_hot_rows(labels: NDArray[np.int64], classes: int | None) -> None:
    reading, scores = read(labels, classes=classes)
    assert reading.output == "labels"
    assert reading.classes == (classes or max(2, labels.max() + 1))
    np.testing.assert_array_equal(scores.argmax(axis=1), labels)
    np.testing.assert_array_equal(scores.sum(axis=1), 1)


def test_whole_floats_and_one_hot_rows_are_labels_where_that_is_said() -> None:
    np.testing.assert_array_equal(read([0.0, 2.0], output="labels")[1], [[1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(read([True, False])[1], [[0, 1], [1, 0]])


def test_a_wide_answer_of_a_model_of_labels_is_read_by_its_largest() -> None:
    reading = Reading(output="labels", classes=3)
    found = scores_of(numeric([[0.1, 0.7, 0.2], [5, 1, 1]]), reading, samples=2)
    np.testing.assert_array_equal(found, [[0, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize(
    ("answer", "reading", "words"),
    [
        ([[0.0, 1.0]], Reading(output="logits", classes=3), "changed its number"),
        ([[0.0, 1.0]], Reading(output="logits", classes=2, single=True), "changed its number"),
        ([1.5], Reading(output="probabilities", classes=2, single=True), r"leave \[0, 1\]"),
        ([3], Reading(output="labels", classes=3), "beyond its classes"),
        ([-1], Reading(output="labels", classes=3), "beyond its classes"),
        ([[0, 1]], Reading(output="labels", classes=3), "beyond its classes"),
        ([[0.0, 1.0]] * 2, Reading(output="logits", classes=2), "one row of scores"),
        ([[[0.0, 1.0]]], Reading(output="logits", classes=2), "one row of scores"),
        (3.0, Reading(output="logits", classes=2), "one row of scores"),
    ],
)
def test_an_answer_that_does_not_fit_is_an_error(answer: object, reading: Reading, words: str) -> None:
    with pytest.raises(AncileError, match=words) as caught:
        scores_of(numeric(answer), reading, samples=1)
    assert caught.value.remedy


@pytest.mark.parametrize("answer", ["cat", ["a", "b"], [[1], [1, 2]], [None], {"a": 1}, [1 + 2j], object()])
def test_what_are_no_numbers_is_refused(answer: object) -> None:
    with pytest.raises(AncileError, match="numbers"):
        numeric(answer)


def test_a_model_of_fewer_classes_than_the_data_is_refused_and_of_more_is_not() -> None:
    with pytest.raises(AncileError, match="fewer classes"):
        read(np.zeros((2, 3)), classes=4)
    assert read(np.zeros((2, 3)), classes=2)[0].classes == 3


def test_scores_that_are_not_finite_are_passed_on() -> None:
    rows = np.array([[np.nan, np.inf], [0.2, 0.8]])
    np.testing.assert_array_equal(read(rows)[1], rows)
    np.testing.assert_array_equal(read(rows, output="probabilities")[1], rows)


def test_normalisation_is_per_channel_or_per_feature() -> None:
    def same(x: NDArray[np.floating]) -> NDArray[np.floating]:
        return x

    for shape, axis in (((2, 3, 4, 5), 1), ((2, 4, 5, 3), 3), ((2, 3), 1)):
        x = np.ones(shape)
        found = np.asarray(prepared(same, mean=(1.0, 2.0, 3.0), std=(2.0, 2.0, 4.0))(x))
        assert [found.take(i, axis=axis).flat[0] for i in range(3)] == [0, -0.5, -0.5]


def test_a_model_of_arrays_counts_its_queries() -> None:
    model = array_model(lambda x: x[:, :2], np.ones((3, 4)), kind="callable")
    model.scores(np.ones((5, 4)))
    assert (model.usage.queries, model.traits.access, model.traits.kind) == (5, "scores", "callable")


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple))
def test_every_layout_keeps_every_number(shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape) * 2).reshape(2, *shape)
    for layout in layouts(shape):
        changed = layout.change(x)
        assert len(changed) == 2
        assert sorted(changed.ravel()) == sorted(x.ravel())
        assert layout_for(shape, changed.shape[1:]) is not None


@pytest.mark.parametrize(
    ("shape", "declared", "wanted"),
    [
        ((8, 8), (1, 8, 8), (2, 1, 8, 8)),
        ((8, 8), (8, 8, 1), (2, 8, 8, 1)),
        ((8, 8, 3), (3, 8, 8), (2, 3, 8, 8)),
        ((3, 8, 8), (8, 8, 3), (2, 8, 8, 3)),
        ((8, 8), (64,), (2, 64)),
        ((8, 8), (None, None), (2, 8, 8)),
        ((5,), None, (2, 5)),
    ],
)
def test_a_declared_shape_is_met(
    shape: tuple[int, ...], declared: tuple[int | None, ...], wanted: tuple[int, ...]
) -> None:
    layout = layout_for(shape, declared)
    assert layout is not None
    assert layout.change(np.zeros((2, *shape))).shape == wanted


def test_a_shape_that_no_layout_meets_is_none() -> None:
    assert layout_for((8, 8), (3, 8, 8)) is None


@given(arrays(np.float32, st.tuples(st.integers(0, 4), st.integers(0, 4))))
def test_an_array_survives_the_way_through_a_block(array: NDArray[np.float32]) -> None:
    frame = Frame(1, "x", blocks=(block_of(array.T),))
    found = array_of(frame, 0, dtype="float32", axes=(array.shape[1], None))
    np.testing.assert_array_equal(found, array.T)


def test_an_array_of_another_form_than_asked_for_is_refused() -> None:
    frame = Frame(1, "x", blocks=(block_of(np.zeros((2, 3))),))
    for place, dtype, axes in (
        (1, "float64", None),
        (0, "float32", None),
        (0, "float64", (3, 2)),
        (0, "float64", (6,)),
    ):
        with pytest.raises(AncileError, match="other numbers"):
            array_of(frame, place, dtype=dtype, axes=axes)


@pytest.mark.parametrize(
    "answer",
    [["dog", "cat"], np.array([["dog"], ["cat"]]), np.array(["dog", "cat"], dtype=object)],
)
def test_words_become_the_numbers_of_the_classes(answer: list[str]) -> None:
    found = np.asarray(worded(lambda _: answer, ("cat", "dog"))(np.zeros((2, 3))))
    assert found.reshape(-1).tolist() == [1, 0]


def test_words_beyond_the_classes_are_an_error_and_other_answers_pass() -> None:
    x, scores = np.zeros((2, 3)), np.ones((2, 2))
    assert worded(lambda _: scores, ("cat", "dog"))(x) is scores
    with pytest.raises(AncileError, match=r"no classes of the data: emu"):
        worded(lambda _: ["emu", "cat"], ("cat", "dog"))(x)
