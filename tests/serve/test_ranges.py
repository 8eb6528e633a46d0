"""Ranges of inputs that are several, or no floats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.serve.guards.schema import schema
from ancile.serve.inference import Infer
from ancile.serve.ranges import MOST_VALUES, ranged, with_range
from ancile.serve.signature import Signature, Spec
from ancile.serve.tensors import TYPES, Tensor

MIXED = Signature(
    "m",
    "onnx",
    (
        Spec("age", "INT64", (-1, 1)),
        Spec("income", "FP32", (-1, 2)),
        Spec("town", "BYTES", (-1, 1)),
        Spec("member", "BOOL", (-1, 1)),
        Spec("tokens", "INT32", (-1, -1)),
    ),
    (),
)


@pytest.fixture
def archive(tmp_path: Path) -> str:
    path = tmp_path / "callers.npz"
    np.savez(
        path,
        age=np.array([[20], [30], [40]]),
        income=np.array([[0.0, 10.0], [1.0, 20.0], [0.5, 15.0]]),
        town=np.array([["Rome"], ["Nola"], ["Rome"]]),
        member=np.array([[True], [False], [True]]),
        tokens=np.array([[0, 9, 4], [3, 2, 1], [7, 7, 7]]),
    )
    return str(path)


def asked(
    age: int = 30, income: float = 0.5, town: bytes = b"Rome", token: int = 9, length: int = 5
) -> Infer:
    given_ = (
        Tensor("age", "INT64", np.array([[age]])),
        Tensor("income", "FP32", np.array([[income, 12.0]], "f4")),
        Tensor("town", "BYTES", np.array([[town]], dtype=object)),
        Tensor("member", "BOOL", np.array([[True]])),
        Tensor("tokens", "INT32", np.full((1, length), token, "i4")),
    )
    return Infer(None, given_, (), binary=False)


@pytest.mark.parametrize(
    ("changes", "reaction"),
    [
        ({}, "allow"),
        ({"age": 10}, "allow"),
        ({"age": 9}, "deny"),
        ({"age": 51}, "deny"),
        ({"income": -0.5}, "allow"),
        ({"income": 1.6}, "deny"),
        ({"income": float("nan")}, "deny"),
        ({"town": b"Nola"}, "allow"),
        ({"town": b"Troy"}, "deny"),
        ({"token": 14, "length": 9}, "allow"),
        ({"token": 15}, "deny"),
    ],
)
def test_each_input_has_the_range_of_its_array_and_half_of_its_span(
    archive: str, changes: dict[str, object], reaction: str
) -> None:
    found = ranged(archive, MIXED)
    assert schema(asked(**changes), found, rows=1).reaction == reaction  # type: ignore[arg-type]  # values as named above


@given(
    values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5),
    datatype=st.sampled_from(["INT8", "UINT8", "INT32", "UINT64", "INT64"]),
)
def test_what_the_reference_holds_is_inside_in_every_integer_type(values: list[int], datatype: str) -> None:
    """Bounds end where the datatype ends, and small values are kept exactly."""
    dtype = TYPES[datatype]
    held = np.array([value % 100 for value in values], dtype)[:, None]
    bounds = with_range(Spec("x", datatype, (-1, 1)), held).bounds
    assert bounds is not None
    assert bounds.low.dtype == dtype
    assert ((held >= bounds.low) & (held <= bounds.high)).all()
    assert int(bounds.low[0]) >= np.iinfo(dtype).min


def test_a_text_with_too_many_values_is_no_list_and_is_not_held_to_one() -> None:
    spec = Spec("x", "BYTES", (-1, 1))
    few = np.array([[f"v{k}"] for k in range(MOST_VALUES)])
    assert with_range(spec, few).values == frozenset(f"v{k}".encode() for k in range(MOST_VALUES))
    assert with_range(spec, np.concatenate([few, [["more"]]])).values is None


@pytest.mark.parametrize(
    ("datatype", "samples"),
    [
        ("INT64", np.ones((3, 1))),
        ("BYTES", np.ones((3, 1))),
        ("FP32", np.array([["a"]])),
        ("BOOL", np.ones((3, 1))),
    ],
)
def test_an_array_of_another_kind_is_refused(datatype: str, samples: np.ndarray) -> None:
    with pytest.raises(AncileError, match="another kind"):
        with_range(Spec("x", datatype, (-1, 1)), samples)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("age\n1\n", "utf-8")
    with pytest.raises(AncileError, match="archive"):
        ranged(str(tmp_path / "a.csv"), MIXED)
