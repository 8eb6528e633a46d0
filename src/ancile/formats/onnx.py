"""What an ONNX file asks for: onnx/onnx.proto3, messages ModelProto, GraphProto, NodeProto, TensorProto.

Only what can reach outside the file is looked for: tensors kept in other files, operators that come from a
library of their own, and metadata. The model itself is the runtime's to read, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.formats.held import Held
from ancile.formats.protobuf import BYTES, VARINT, Steps, broken, fields, text

TEXT_BYTES = 1 << 24  # of a location or a piece of metadata
DEPTH = 24  # of graphs in attributes of nodes in graphs
EXTERNAL = 1  # TensorProto.DataLocation

# ModelProto: field to wire type. 1 ir_version, 5 model_version are numbers.
MODEL_FIELDS = {1: VARINT, 5: VARINT} | dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), BYTES)
GRAPH, OPSET, FUNCTION = 7, 8, 25

# Operators that onnxruntime has built in. EPContext loads a compiled blob from a path.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
REFUSED_OPERATORS = ("EPContext",)


class Entry(NamedTuple):
    """A StringStringEntryProto: a key and a value, whatever its bytes."""

    key: str
    value: bytes


class External(NamedTuple):
    """A tensor that is kept elsewhere: its name, and all entries that say where, repeated keys and all."""

    name: str
    entries: tuple[Entry, ...]


@dataclass(slots=True)
class OnnxFacts:
    """What was found.

    operators    as (domain, name)
    own_domains  that functions of the file are in
    functions    of the file itself, as (domain, name)
    external     names of tensors in other files
    kept         the same tensors, and where
    metadata     of the model, its graphs, functions, nodes and tensors
    """

    operators: set[tuple[str, str]] = field(default_factory=set)
    own_domains: set[str] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)
    external: list[str] = field(default_factory=list)
    kept: list[External] = field(default_factory=list)
    metadata: list[Entry] = field(default_factory=list)


def is_onnx(data: Held) -> bool:
    """Whether the bytes are a ModelProto with a graph and an operator set, as far as the top level shows."""
    seen = set()
    try:
        for one in fields(memoryview(data), Steps(100_000)):
            if MODEL_FIELDS.get(one.tag) != one.wire:
                return False
            seen.add(one.tag)
    except AncileError:
        return False
    return {GRAPH, OPSET} <= seen


def read_onnx(data: Held) -> OnnxFacts:
    """The facts of a model; AncileError where it is damaged or nested too deep."""
    facts, steps = OnnxFacts(), Steps()
    for one in fields(memoryview(data), steps):
        if one.tag == GRAPH and one.wire == BYTES:
            _graph(one.data, facts, steps, DEPTH)
        elif one.tag == FUNCTION and one.wire == BYTES:
            _function(one.data, facts, steps, DEPTH)
        elif one.tag == 14 and one.wire == BYTES:
            facts.metadata.append(_entry(one.data, steps))
        elif one.tag == 20 and one.wire == BYTES:  # training_info: 1 initialization, 2 algorithm
            _each(one.data, facts, steps, DEPTH, {1: _graph, 2: _graph})
    return facts


def require_self_contained(data: bytes) -> None:
    """Refuse a model that reads other files or needs operators from outside the runtime."""
    facts = read_onnx(data)
    if facts.external:
        raise AncileError(
            "the ONNX file keeps tensors in other files",
            value=plain(", ".join(facts.external[:3])),
            remedy="save it as one file: onnx.save_model(model, path, save_as_external_data=False)",
        )
    known = facts.own_domains.union(DOMAINS)
    strange = sorted(
        f"{domain}.{name}".lstrip(".")
        for domain, name in facts.operators
        if domain not in known or name in REFUSED_OPERATORS
    )
    if strange:
        raise AncileError(
            "the ONNX file needs operators that are not built in",
            value=plain(", ".join(strange[:5])),
            remedy="export it with standard operators alone: a custom one is native code from elsewhere",
        )


Reader = Callable[[memoryview, OnnxFacts, Steps, int], None]


def _graph(data: memoryview, facts: OnnxFacts, steps: Steps, depth: int) -> None:
    # 1 node, 5 initializer, 15 sparse_initializer, 16 metadata_props
    _each(data, facts, steps, depth, {1: _node, 5: _tensor, 15: _sparse, 16: _metadata})


def _function(data: memoryview, facts: OnnxFacts, steps: Steps, depth: int) -> None:
    name = domain = ""
    for one in fields(data, steps):  # 1 name, 10 domain
        if one.tag == 1 and one.wire == BYTES:
            name = text(one.data)
        elif one.tag == 10 and one.wire == BYTES:
            domain = text(one.data)
    facts.own_domains.add(domain)
    facts.functions.add((domain, name))
    # 11 attribute_proto, 14 metadata_props
    _each(data, facts, steps, depth, {7: _node, 11: _attribute, 14: _metadata})


def _node(data: memoryview, facts: OnnxFacts, steps: Steps, depth: int) -> None:
    name = domain = ""
    for one in fields(data, steps):  # 4 op_type, 7 domain
        if one.tag == 4 and one.wire == BYTES:
            name = text(one.data)
        elif one.tag == 7 and one.wire == BYTES:
            domain = text(one.data)
    facts.operators.add((domain, name))
    _each(data, facts, steps, depth, {5: _attribute, 9: _metadata})


def _attribute(data: memoryview, facts: OnnxFacts, steps: Steps, depth: int) -> None:
    # 5 t, 6 g, 10 tensors, 11 graphs, 22 sparse_tensor, 23 sparse_tensors
    readers: dict[int, Reader] = {5: _tensor, 6: _graph, 10: _tensor, 11: _graph, 22: _sparse, 23: _sparse}
    _each(data, facts, steps, depth, readers)


def _sparse(data: memoryview, facts: OnnxFacts, steps: Steps, depth: int) -> None:
    _each(data, facts, steps, depth, {1: _tensor, 2: _tensor})  # values, indices


def _tensor(data: memoryview, facts: OnnxFacts, steps: Steps, _depth: int) -> None:
    name, elsewhere = "", False
    entries: list[Entry] = []
    for one in fields(data, steps):  # 8 name, 13 external_data, 14 data_location, 16 metadata_props
        if one.tag == 8 and one.wire == BYTES:
            name = text(one.data)
        elif one.tag == 13 and one.wire == BYTES:
            entries.append(_entry(one.data, steps))
        elif one.tag == 16 and one.wire == BYTES:
            facts.metadata.append(_entry(one.data, steps))
        elsewhere |= one.tag == 13 or (one.tag == 14 and one.value == EXTERNAL)
    if elsewhere:
        facts.external.append(name or "a tensor without name")
        facts.kept.append(External(name, tuple(entries)))


def _metadata(data: memoryview, facts: OnnxFacts, steps: Steps, _depth: int) -> None:
    facts.metadata.append(_entry(data, steps))


def _entry(data: memoryview, steps: Steps) -> Entry:
    key, value = "", b""
    for one in fields(data, steps):
        if one.tag == 1 and one.wire == BYTES:
            key = text(one.data)
        elif one.tag == 2 and one.wire == BYTES:
            value = bytes(one.data[:TEXT_BYTES])
    return Entry(key, value)


def _each(data: memoryview, facts: OnnxFacts, steps: Steps, depth: int, readers: dict[int, Reader]) -> None:
    if depth == 0:
        raise broken(f"graphs nested deeper than {DEPTH}")
    for one in fields(data, steps):
        reader = readers.get(one.tag)
        if reader and one.wire == BYTES:
            reader(one.data, facts, steps, depth - 1)
