"""True labels in the shapes in which people keep them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ancile.inputs.labels import LARGEST, labels, misplaced

CODES = st.lists(st.integers(0, 9), min_size=1, max_size=30)


@given(codes=CODES, kind=st.sampled_from(["u1", "i1", "i2", "<i8", ">u4", "f2", "f4", ">f8"]))
def test_whole_numbers_of_any_type_are_class_numbers(codes: list[int], kind: str) -> None:
    found = labels(np.array(codes, dtype=kind))
    assert found.y.dtype == np.int64
    assert found.y.tolist() == codes
    assert found.faults == ()
    assert bool(found.notes) == (1 == min(codes) < max(codes))


@given(codes=CODES)
def test_a_column_is_a_row(codes: list[int]) -> None:
    assert labels(np.array(codes)[:, None]).y.tolist() == codes


@given(codes=CODES, kind=st.sampled_from(["?", "u1", "f4"]))
def test_one_hot_rows_are_class_numbers(codes: list[int], kind: str) -> None:
    found = labels(np.eye(10)[codes].astype(kind))
    assert found.y.tolist() == codes
    assert found.notes == ("labels were one-hot over 10 classes",)


def test_booleans_are_two_classes() -> None:
    assert labels(np.array([True, False, True])).y.tolist() == [1, 0, 1]


@given(texts=st.lists(st.text(max_size=3), min_size=1, max_size=20), seed=st.integers(0, 9))
def test_text_is_numbered_in_sorted_order_whatever_the_order_of_samples(texts: list[str], seed: int) -> None:
    raw = np.array(texts)
    found, names = labels(raw), sorted(set(raw.tolist()))
    assert [names[code] for code in found.y] == raw.tolist()
    order = np.random.default_rng(seed).permutation(len(texts))
    assert labels(raw[order]).y.tolist() == found.y[order].tolist()
    assert len(found.classes or ()) == len(names)


def test_names_of_classes_are_safe_to_show() -> None:
    found = labels(np.array(["b\n::error::", "a\x1b[31m"]))
    assert found.classes == ("a\\x1b[31m", "b\\n::error::")
    assert found.notes == ("labels were text, numbered in sorted order: 0 = a\\x1b[31m, 1 = b\\n::error::",)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (np.array([0, -1, 1]), "labels from -1 to 1 are out of range"),
        (np.array([-1.0, 1.0]), "labels from -1 to 1 are out of range"),
        (np.array([0, LARGEST]), f"label {LARGEST} is out of range"),
        (np.array([2**64 - 1], dtype=np.uint64), "out of range"),
        (np.array([1e300]), "out of range"),
        (np.array([0.5, 1.0]), "fractions"),
        (np.array([0.0, np.nan, np.inf]), "2 labels are NaN or infinite"),
        (np.array([[0.1, 0.9]]), "not one-hot"),
        (np.array([[1, 1], [1, 0]]), "not one-hot"),
        (np.array([[0, 0], [1, 0]]), "not one-hot"),
        (np.zeros((2, 2, 2), dtype=np.int64), r"shape \(2, 2, 2\)"),
        (np.array(3), r"shape \(\)"),
        (np.array([["a", "b"]]), r"shape \(1, 2\)"),
        (np.array([b"a"]), "of type"),
        (np.array([1j]), "of type"),
        (np.zeros(0), "there are no labels"),
        (np.arange(LARGEST + 1).astype(str), "different texts"),
    ],
)
def test_labels_that_cannot_be_meant_are_one_fault(raw: NDArray[np.generic], words: str) -> None:
    found = labels(raw)
    assert len(found.faults) == 1
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(found.faults[0])


def test_a_label_beyond_the_classes_is_named_with_its_sample() -> None:
    assert misplaced(np.array([0, 1, 7, 3]), 3) == (
        "2 labels are out of range: label 7 at sample 2, 3 classes are 0..2"
    )
    assert misplaced(np.array([0, 1, 2]), 3) is None
    assert misplaced(np.zeros(0, dtype=np.int64), 3) is None


def test_labels_that_begin_at_one_are_said_to() -> None:
    assert "run from 1 to 10" in labels(np.arange(1, 11)).notes[0]
    assert labels(np.arange(0, 10)).notes == ()
