"""Requests and answers of the Open Inference Protocol v2 over HTTP, read into typed arrays and written anew.

What two readers could take differently (keys that come twice, unknown keys, parameters that reach a
scheduler or another process's memory) never travels on: only what was read and checked is written again.
Fields that are not named below are refused by the decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.serve.refusal import JSON, Refused
from ancile.serve.tensors import Tensor, flat_floats, from_bytes, from_json, to_bytes, to_list

orjson = needs("orjson", "serve")

MOST_TENSORS = 64  # inputs or outputs of one request
LONGEST_NAME = 256
REMEMBERED = 256  # heads of JSON, as clients send them again and again; whose are longer are read anew
LONGEST_REMEMBERED = 1024
DATA = b'"data"'  # values of an input are not remembered
BINARY = b"Content-Type: application/octet-stream\r\nInference-Header-Content-Length: %d\r\n"


NONE = msgspec.Raw()


class _InputParameters(msgspec.Struct, forbid_unknown_fields=True):
    binary_data_size: int | None = None


class _OutputParameters(msgspec.Struct, forbid_unknown_fields=True):
    binary_data: bool | None = None


class _RequestParameters(msgspec.Struct, forbid_unknown_fields=True):
    binary_data_output: bool = False


class _Input(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    shape: list[int]
    datatype: str
    parameters: _InputParameters | None = None
    data: msgspec.Raw = NONE


class _Output(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    parameters: _OutputParameters | None = None


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    inputs: list[_Input]
    id: str | None = None
    outputs: list[_Output] | None = None
    parameters: _RequestParameters | None = None
    model_name: str | None = None  # the KServe SDK sends it; the path alone says which model
    model_version: str | None = None


# Of a server's answer, what is not asked about is dropped.


class _LooseInput(msgspec.Struct):
    binary_data_size: int | None = None


class _LooseOutput(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: _LooseInput | None = None
    data: msgspec.Raw = NONE


class _LooseAnswer(msgspec.Struct):
    outputs: list[_LooseOutput]
    model_version: str | None = None


class Wanted(NamedTuple):
    """An output that is asked for, and whether as binary data."""

    name: str
    binary: bool


class Infer(NamedTuple):
    """A request as read.

    outputs  that are asked for by name; none asks for all
    binary   whether those that are not named come as binary data
    sent_binary  whether the inputs came as binary data
    trace    traceparent for whoever computes the answer; empty without
    """

    id: str | None
    inputs: tuple[Tensor, ...]
    outputs: tuple[Wanted, ...]
    binary: bool
    sent_binary: bool = False
    trace: bytes = b""


class Message(NamedTuple):
    """Header lines and body of what is written."""

    headers: bytes
    body: bytes


class Pieces(NamedTuple):
    """The same with the body in pieces: images are not copied once more to be one."""

    headers: bytes
    pieces: tuple[bytes, ...]

    def joined(self) -> Message:
        """With the body whole."""
        pieces = self.pieces
        return Message(self.headers, pieces[0] if len(pieces) == 1 else b"".join(pieces))


# Flat lists of numbers, which most requests and answers are: read at once, and a third of the cost.


class _FloatInput(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class _FloatRequest(msgspec.Struct, forbid_unknown_fields=True):
    inputs: list[_FloatInput]
    id: str | None = None
    model_name: str | None = None
    model_version: str | None = None


class _FloatOutput(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class _FloatAnswer(msgspec.Struct):
    outputs: list[_FloatOutput]


_REQUEST = msgspec.json.Decoder(_Request)
_ANSWER = msgspec.json.Decoder(_LooseAnswer)
_FLOAT_REQUEST = msgspec.json.Decoder(_FloatRequest)
_FLOAT_ANSWER = msgspec.json.Decoder(_FloatAnswer)


def parse_request(body: bytes, head_length: bytes | None) -> Infer:
    """The request in a body.

    head_length  the header Inference-Header-Content-Length, where there is one
    Refused with status 400 for whatever is not exactly a request.
    """
    return (_floats_asked(body) if head_length is None else None) or _parsed(body, head_length)


def _floats_asked(body: bytes) -> Infer | None:
    """A request of one flat list of floats and nothing special; None for any other."""
    try:
        read = _FLOAT_REQUEST.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if len(read.inputs) != 1:
        return None
    tensor = _floats(read.inputs[0])
    return None if tensor is None else Infer(read.id, (tensor,), (), binary=False)


def _floats(one: _FloatInput | _FloatOutput) -> Tensor | None:
    if not 0 < len(one.name) <= LONGEST_NAME:
        return None
    array = flat_floats(one.data, one.datatype, one.shape)
    return None if array is None else Tensor(one.name, one.datatype, array)


class _Asked(NamedTuple):
    id: str | None
    inputs: list[_Input]
    outputs: tuple[Wanted, ...]
    binary: bool


def _parsed(body: bytes, head_length: bytes | None) -> Infer:
    head, rest = _split(body, head_length)
    again = bytes(head) if len(rest) and len(head) <= LONGEST_REMEMBERED else b""
    asked = _remembered(again) if again and DATA not in again else _asked(head)
    return Infer(asked.id, _tensors(asked.inputs, rest), asked.outputs, asked.binary, head_length is not None)


def _asked(head: bytes | memoryview) -> _Asked:
    try:
        read = _REQUEST.decode(head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
        raise Refused(400, plain(f"not a request of the Open Inference Protocol v2: {reason}")) from None
    if not 0 < len(read.inputs) <= MOST_TENSORS:
        raise Refused(400, "a request has 1 to 64 inputs")
    outputs = read.outputs or []
    _check_names([one.name for one in read.inputs])
    _check_names([one.name for one in outputs])
    binary = read.parameters is not None and read.parameters.binary_data_output
    wanted = tuple(
        Wanted(one.name, one.parameters.binary_data)
        if one.parameters is not None and one.parameters.binary_data is not None
        else Wanted(one.name, binary)
        for one in outputs
    )
    return _Asked(read.id, read.inputs, wanted, binary)


_remembered = lru_cache(maxsize=REMEMBERED)(_asked)


def write_request(infer: Infer, *, binary: bool) -> Pieces:
    """The request as a server behind us gets it.

    binary  send the inputs as binary data; FP16 has no other form
    """
    opening = _asking(infer.outputs, infer.binary)
    return _written(opening, [(one, binary or one.datatype == "FP16") for one in infer.inputs])


@lru_cache(maxsize=REMEMBERED)
def _asking(outputs: tuple[Wanted, ...], binary: bool) -> bytes:
    """The JSON of a request up to its inputs."""
    named = [
        {"name": one.name, "parameters": {"binary_data": one.binary}} if one.binary else {"name": one.name}
        for one in outputs
    ]
    document: dict[str, object] = {"outputs": named} if named else {}
    if binary:
        document["parameters"] = {"binary_data_output": True}
    return _up_to(document, "inputs")


def parse_answer(body: bytes, head_length: bytes | None) -> tuple[Tensor, ...]:
    """The outputs in the body of a server's answer; Refused with status 502 for what is none."""
    try:
        if head_length is None and (found := _floats_answered(body)):
            return found
        head, rest = _split(body, head_length)
        read = _ANSWER.decode(head)
        return _tensors(read.outputs[: MOST_TENSORS + 1], rest)
    except (Refused, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refused(502, "the upstream's answer is none of the Open Inference Protocol v2") from None


def _floats_answered(body: bytes) -> tuple[Tensor, ...]:
    """The outputs where all are flat lists of floats, else none."""
    try:
        read = _FLOAT_ANSWER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()
    found = [_floats(one) for one in read.outputs[: MOST_TENSORS + 1]]
    return () if None in found else tuple(one for one in found if one is not None)


def write_answer(infer: Infer, outputs: Sequence[Tensor], *, model: str, version: str | None) -> Message:
    """The answer in the form that was asked for; outputs that were not asked for are left out."""
    ways = {one.name: one.binary for one in infer.outputs}
    if ways:
        found = {one.name: one for one in outputs}
        if not ways.keys() <= found.keys():
            raise Refused(400, "the model has no output of that name")
        outputs = [found[name] for name in ways]
    answering = _answering if infer.id is None else _answering.__wrapped__  # what names one is no other's
    ways_of = [(one, ways.get(one.name, infer.binary)) for one in outputs]
    return _written(answering(model, version, infer.id), ways_of).joined()


@lru_cache(maxsize=REMEMBERED)
def _answering(model: str, version: str | None, id_: str | None) -> bytes:
    """The JSON of an answer up to its outputs."""
    document = {"model_name": model, "model_version": version, "id": id_}
    return _up_to({name: value for name, value in document.items() if value is not None}, "outputs")


def _up_to(document: dict[str, object], key: str) -> bytes:
    """A JSON object up to the list that is its last value."""
    return orjson.dumps(document | {key: []})[: -len(b"]}")]  # type: ignore[no-any-return]  # bytes


def _split(body: bytes, head_length: bytes | None) -> tuple[bytes | memoryview, memoryview]:
    if head_length is None:
        return body, memoryview(b"")
    if not head_length.isdigit() or len(head_length) > 12 or not 0 < int(head_length) <= len(body):
        raise Refused(400, "Inference-Header-Content-Length is the length of the JSON within the body")
    whole, at = memoryview(body), int(head_length)
    return whole[:at], whole[at:]


def _check_names(names: list[str]) -> None:
    if len(names) > 1 and (len(set(names)) != len(names) or len(names) > MOST_TENSORS):
        raise Refused(400, "a tensor is named once")
    for name in names:
        if not 0 < len(name) <= LONGEST_NAME:
            raise Refused(400, "a tensor's name has 1 to 256 characters")


def _tensors(given: Sequence[_Input | _LooseOutput], rest: memoryview) -> tuple[Tensor, ...]:
    """The tensors, whose binary data follows in their order and leaves nothing over."""
    found, at = [], 0
    for one in given:
        size = one.parameters.binary_data_size if one.parameters is not None else None
        if (size is None) == (not one.data):
            raise Refused(400, "a tensor has either data or binary_data_size")
        if one.data:
            found.append(Tensor(one.name, one.datatype, from_json(bytes(one.data), one.datatype, one.shape)))
            continue
        if size is None or not 0 <= size <= len(rest) - at:
            raise Refused(400, "binary_data_size is beyond the body")
        array = from_bytes(rest[at : at + size], one.datatype, one.shape)
        found.append(Tensor(one.name, one.datatype, array))
        at += size
    if at != len(rest):
        raise Refused(400, "there are bytes behind the last tensor")
    return tuple(found)


def _written(opening: bytes, tensors: Sequence[tuple[Tensor, bool]]) -> Pieces:
    """An object whose JSON begins so, and goes on with a list of these tensors, each binary or not."""
    documents, pieces = [], []
    for tensor, is_binary in tensors:
        name, datatype, array = tensor
        if is_binary:
            data = to_bytes(tensor)
            pieces.append(data)
            documents.append(_described(name, datatype, array.shape, len(data)))
        else:
            described = _described(name, datatype, array.shape, -1)
            documents.append(
                described + orjson.dumps(to_list(tensor), option=orjson.OPT_SERIALIZE_NUMPY) + b"}"
            )
    head = opening + b",".join(documents) + b"]}"
    return Pieces(BINARY % len(head), (head, *pieces)) if pieces else Pieces(JSON, (head,))


@lru_cache(maxsize=REMEMBERED)
def _described(name: str, datatype: str, shape: tuple[int, ...], size: int) -> bytes:
    """The JSON of a tensor of ``size`` binary bytes; of one with -1 up to its data."""
    document = {"name": name, "datatype": datatype, "shape": shape}
    if size < 0:
        return orjson.dumps(document)[:-1] + b',"data":'  # type: ignore[no-any-return]  # bytes
    return orjson.dumps(document | {"parameters": {"binary_data_size": size}})  # type: ignore[no-any-return]  # bytes
