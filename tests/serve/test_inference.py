"""What the protocol allows comes through as it was; everything else is refused, in one kind of error."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ancile.serve.inference import (
    Infer,
    Wanted,
    _remembered,
    parse_answer,
    parse_request,
    write_answer,
    write_request,
)
from ancile.serve.refusal import Refused
from ancile.serve.scores import row_bytes
from ancile.serve.signature import Spec, in_order, rows_of
from ancile.serve.tensors import TYPES, Tensor

NUMBERS = sorted(TYPES)


def request(**changes: object) -> bytes:
    """A request of one row, with changes to its tensor."""
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1.0]} | changes
    return json.dumps({"inputs": [{k: v for k, v in tensor.items() if v is not None}]}).encode()


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    datatype = draw(st.sampled_from([*NUMBERS, "BYTES"]))
    shape = draw(arrays.array_shapes(max_dims=4, max_side=4))
    if datatype == "BYTES":
        pieces = draw(st.lists(st.text(max_size=5), min_size=math.prod(shape), max_size=math.prod(shape)))
        array = np.empty(len(pieces), dtype=object)
        array[:] = [piece.encode("utf-8") for piece in pieces]
        return Tensor("t", datatype, array.reshape(shape))
    dtype = TYPES[datatype]
    elements = arrays.from_dtype(dtype)
    if dtype.kind == "f":
        elements = arrays.from_dtype(dtype, allow_nan=False, allow_infinity=False)
    return Tensor("t", datatype, draw(arrays.arrays(dtype, shape, elements=elements)))


def same(one: Tensor, other: Tensor) -> bool:
    return one[:2] == other[:2] and one.shape == other.shape and one.array.tolist() == other.array.tolist()


@given(tensor=tensors(), binary=st.booleans())
def test_a_tensor_is_read_as_it_was_written(tensor: Tensor, binary: bool) -> None:
    """JSON keeps every bit too: each number is written as short as its own precision has it."""
    infer = Infer("7", (tensor,), (Wanted("a", binary=True), Wanted("b", binary=False)), binary)
    message = write_request(infer, binary=binary).joined()
    length = message.headers.partition(b"Content-Length: ")[2].strip() or None
    again = parse_request(message.body, length)
    assert same(again.inputs[0], tensor)
    assert again.outputs[0] == Wanted("a", binary=True)
    assert again.binary == binary


@given(tensor=tensors(), binary=st.booleans())
def test_an_answer_is_read_as_it_was_written(tensor: Tensor, binary: bool) -> None:
    message = write_answer(Infer("7", (), (), binary), [tensor], model="m", version="1")
    length = message.headers.partition(b"Content-Length: ")[2].strip() or None
    head = json.loads(message.body[: int(length)] if length else message.body)
    assert (head["id"], head["model_name"], head["model_version"]) == ("7", "m", "1")
    if tensor.datatype == "FP16" and not binary:
        return  # there is no such thing in JSON; the answer shows its values
    assert same(parse_answer(message.body, length)[0], tensor)


def test_a_nested_list_is_a_flat_one() -> None:
    flat = parse_request(request(shape=[2, 1, 2], data=[1, 2, 3, 4]), None)
    nested = parse_request(request(shape=[2, 1, 2], data=[[[1, 2]], [[3, 4]]]), None)
    assert same(flat.inputs[0], nested.inputs[0])


def test_of_a_key_that_comes_twice_nothing_but_what_was_read_travels_on() -> None:
    twice = b'{"inputs":[{"name":"evil","shape":[1],"datatype":"FP32","data":[9]}],' + request()[1:]
    infer = parse_request(twice, None)
    assert b"evil" not in write_request(infer, binary=False).joined().body
    assert write_request(infer, binary=False).joined().body.count(b"inputs") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"data": [True, False]},
        {"data": ["a" * 1_000_000, *[1] * 100_000], "shape": [1, 100_001]},
        {"data": ["0.5", "1.0"]},
        {"data": [None, 1.0]},
        {"data": [[0.5], [1.0, 2.0]]},
        {"data": [0.5]},
        {"data": [[[0.5, 1.0]]]},
        {"data": {"0": 1}},
        {"shape": [-1, 2]},
        {"shape": [0]},
        {"shape": []},
        {"shape": [1] * 9},
        {"shape": [1.0, 2]},
        {"shape": [2**62, 2**62]},
        {"datatype": "FP16"},
        {"datatype": "FP8"},
        {"datatype": "INT8", "data": [1, 128]},
        {"datatype": "UINT8", "data": [1, -1]},
        {"datatype": "INT32", "data": [1, 1.0]},
        {"datatype": "INT64", "data": [1, 2**64]},
        {"datatype": "INT64", "data": [-1, 2**63]},
        {"datatype": "BOOL", "data": [1, 0]},
        {"datatype": "BYTES", "data": ["a", 1]},
        {"datatype": "BYTES", "data": ["a", ["b"]]},
        {"name": ""},
        {"name": "x" * 257},
        {"name": 1},
        {"data": None},
        {"parameters": {"binary_data_size": 8}},
        {"data": None, "parameters": {"binary_data_size": 8}},
        {"data": None, "parameters": {"binary_data_size": -1}},
        {"parameters": {"shared_memory_region": "r"}},
        {"parameters": {"content_type": "np"}},
        {"extra": 1},
    ],
)
def test_a_tensor_that_is_not_what_it_says_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Refused) as told:
        parse_request(request(**changes), None)
    assert told.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"inputs":[]}',
        b'{"inputs":' + b"[" * 5000,
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":'
        + b"[" * 300
        + b"1"
        + b"]" * 300
        + b"}]}",
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[NaN]}]}',
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1e999]}]}',
        b'{"inputs":[{"name":"\xff","shape":[1],"datatype":"FP32","data":[1]}]}',
        request()[:-1] + b',"parameters":{"sequence_id":7}}',
        request()[:-1] + b',"parameters":{"priority":1}}',
        request()[:-1] + b',"outputs":[{"name":"y","parameters":{"classification":3}}]}',
        request()[:-1] + b',"outputs":[{"name":"y"},{"name":"y"}]}',
        b'{"inputs":[' + request()[11:-2] + b"," + request()[11:-2] + b"]}",
    ],
)
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as told:
        parse_request(body, None)
    assert told.value.status == 400


BINARY = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"%b","parameters":{"binary_data_size":%d}}]}'


@pytest.mark.parametrize(
    ("datatype", "size", "rest", "length"),
    [
        (b"FP32", 8, b"\0" * 9, None),
        (b"FP32", 8, b"\0" * 7, None),
        (b"FP32", 4, b"\0" * 4, None),
        (b"BOOL", 2, b"\x01\x02", None),
        (b"BYTES", 8, b"\0\0\0\0\xff\xff\xff\xff", None),
        (b"BYTES", 10, struct.pack("<I", 0) * 2 + b"ab", None),
        (b"BYTES", 4, struct.pack("<I", 0), None),
        (b"BYTES", 10, struct.pack("<I", 5) + b"abcdef", None),
        (b"FP32", 8, b"\0" * 8, b"0"),
        (b"FP32", 8, b"\0" * 8, b"-1"),
        (b"FP32", 8, b"\0" * 8, b"+90"),
        (b"FP32", 8, b"\0" * 8, b"99999"),
        (b"FP32", 8, b"\0" * 8, b"9" * 50),
        (b"FP32", 8, b"\0" * 8, b"10"),
        (b"FP32", 8, b"\0" * 8, "٣".encode()),
    ],
)
def test_binary_data_that_does_not_add_up_is_refused(
    datatype: bytes, size: int, rest: bytes, length: bytes | None
) -> None:
    head = BINARY % (datatype, size)
    with pytest.raises(Refused):
        parse_request(head + rest, length or str(len(head)).encode())


@given(body=st.binary(max_size=200), cut=st.none() | st.binary(max_size=4))
def test_no_bytes_raise_anything_but_a_refusal(body: bytes, cut: bytes | None) -> None:
    for parse in (parse_request, parse_answer):
        with pytest.raises(Refused):
            parse(body, cut)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@given(
    data=JSON_VALUES, shape=JSON_VALUES, datatype=st.sampled_from([*NUMBERS, "BYTES"]), parameters=JSON_VALUES
)
def test_no_values_raise_anything_but_a_refusal(
    data: object, shape: object, datatype: str, parameters: object
) -> None:
    body = request(data=data, shape=shape, datatype=datatype, parameters=parameters)
    try:
        infer = parse_request(body, None)
    except Refused:
        return
    assert infer.inputs[0].array.size == math.prod(infer.inputs[0].shape)


def test_an_output_that_the_model_does_not_have_is_refused() -> None:
    infer = Infer(None, (), (Wanted("nope", binary=False),), binary=False)
    with pytest.raises(Refused, match="no output"):
        write_answer(infer, [Tensor("y", "FP32", np.zeros((1, 2), "f4"))], model="m", version=None)


def test_an_answer_with_bytes_that_are_no_text_has_no_json_form() -> None:
    array = np.empty(1, dtype=object)
    array[0] = b"\xff"
    with pytest.raises(Refused, match="binary"):
        write_answer(
            Infer(None, (), (), binary=False), [Tensor("y", "BYTES", array)], model="m", version=None
        )


TWO = (Spec("at", "FP32", (1,)), Spec("x", "FP32", (-1, 2)))


def test_in_whatever_order_inputs_come_they_are_the_same_request_with_as_many_rows() -> None:
    at, x = Tensor("at", "FP32", np.ones(1, "f4")), Tensor("x", "FP32", np.ones((5, 2), "f4"))
    for given_ in ((at, x), (x, at)):
        assert in_order(given_, TWO) == (at, x)
        assert rows_of(given_, TWO) == 5
    strange = (x, Tensor("y", "FP32", np.ones(1, "f4")))
    assert in_order(strange, TWO)[1].name in {"x", "y"}
    assert in_order((x,), TWO) == (x,)
    assert rows_of((at, at), TWO) == 1
    assert len(row_bytes(Infer(None, (at, x), (), binary=False))) == 5


def test_a_head_that_came_before_is_read_with_other_binary_data_and_values_are_not_kept() -> None:
    head = b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}%b]}'
    length = str(len(head) - 2).encode()
    for value in (1.0, 2.0):
        infer = parse_request(head % b"" + np.float32(value).tobytes(), length)
        assert infer.inputs[0].array.tolist() == [value]
    with pytest.raises(Refused):
        parse_request(head % b"" + bytes(5), length)
    beside = head % b',{"name":"y","shape":[1],"datatype":"INT32","data":[7]}'
    known = _remembered.cache_info().currsize
    infer = parse_request(beside + bytes(4), str(len(beside)).encode())
    assert [one.array.tolist() for one in infer.inputs] == [[0.0], [7]]
    assert _remembered.cache_info().currsize == known
