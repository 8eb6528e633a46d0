"""Arrays in the npy format, sound and hostile."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ancile.core.errors import AncileError
from ancile.inputs.npy import read_array
from tests.inputs.files import npy, npy_of

TYPES = ("?", "<i1", "<i2", ">i4", "<i8", "<u1", ">u2", "<u4", "<u8", "<f2", "<f4", ">f8")


@given(
    array=st.sampled_from(TYPES).flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(max_dims=5))),
    fortran=st.booleans(),
)
def test_an_array_comes_back_as_numpy_saved_it(
    array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], fortran: bool
) -> None:
    saved = np.asfortranarray(array) if fortran else array
    found = read_array(memoryview(npy(saved)), name="x")
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@given(texts=st.lists(st.text(st.characters(exclude_characters="\0"), max_size=5), min_size=1))
def test_text_comes_back_as_numpy_saved_it(texts: list[str]) -> None:
    array = np.array([*texts, "a"])
    assert read_array(memoryview(npy(array)), name="y").tolist() == array.tolist()


def test_a_header_of_the_second_version_is_read() -> None:
    header = "{'descr': '<u1', 'fortran_order': False, 'shape': (3,), }\n"
    found = read_array(memoryview(npy_of(header, b"abc", version=2)), name="x")
    assert found.tolist() == [97, 98, 99]


def test_a_header_of_python_2_is_read() -> None:
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (3L, 1L), }\n"
    assert read_array(memoryview(npy_of(header, b"abc")), name="x").shape == (3, 1)


@pytest.mark.parametrize(
    "shape", [f"({1 << 40},)", f"({1 << 20}, {1 << 20})", f"({10**17}, {10**17}, {10**17})"]
)
def test_a_shape_beyond_the_bytes_takes_no_memory(shape: str) -> None:
    data = memoryview(npy_of(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n", b"\0" * 64))
    tracemalloc.start()
    try:
        with pytest.raises(AncileError, match="bytes, 64 are there"):
            read_array(data, name="x")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "Python objects"),
        ("{'descr': 'O', 'fortran_order': False, 'shape': (), }", "Python objects"),
        ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "of a type that is not read"),
        ("{'descr': '<M8', 'fortran_order': False, 'shape': (1,), }", "of a type that is not read"),
        ("{'descr': '|S8', 'fortran_order': False, 'shape': (1,), }", "of a type that is not read"),
        ("{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }", "of a type that is not read"),
        ("{'descr': '<i3', 'fortran_order': False, 'shape': (1,), }", "of a type that is not read"),
        ("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }", "not one that numpy writes"),
        ("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,), }", "not one that numpy writes"),
        ("{'descr': '<f4', 'fortran_order': 1, 'shape': (1,), }", "not one that numpy writes"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "not one that numpy writes"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1 1,), }", "is none"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1), }", "is none"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4), }", "array is empty"),
        (f"{{'descr': '<f4', 'fortran_order': False, 'shape': (0, {10**17}), }}", "array is empty"),
        ("{'descr': '<U0', 'fortran_order': False, 'shape': (9,), }", "array is empty"),
        ("{}         ", "not one that numpy writes"),
    ],
)
def test_a_header_is_refused(header: str, words: str) -> None:
    with pytest.raises(AncileError) as told:
        read_array(memoryview(npy_of(header + "\n")), name="x")
    assert words in str(told.value)


@pytest.mark.parametrize("length", range(12))
def test_a_head_that_is_cut_short_is_refused(length: int) -> None:
    with pytest.raises(AncileError, match="not an npy array"):
        read_array(memoryview(npy(np.zeros(3))[:length]), name="x")


def test_a_header_that_ends_beyond_the_file_is_refused() -> None:
    with pytest.raises(AncileError, match="cut short"):
        read_array(memoryview(npy(np.zeros(3))[:40]), name="x")


def test_a_structured_array_of_version_3_is_refused() -> None:
    data = bytearray(npy(np.zeros(3)))
    data[6] = 3
    with pytest.raises(AncileError, match=r"npy version 3\.0"):
        read_array(memoryview(bytes(data)), name="x")


def test_text_of_code_points_that_are_none_is_refused() -> None:
    header = "{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }\n"
    with pytest.raises(AncileError, match="no unicode"):
        read_array(memoryview(npy_of(header, b"\x00\x00\x11\x00")), name="y")
    assert (
        read_array(memoryview(npy_of(header.replace("<", ">"), b"\x00\x00\x11\x00")), name="y")[0] == "\u1100"
    )
