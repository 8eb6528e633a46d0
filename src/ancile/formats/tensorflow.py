"""Operators, texts and file names of TensorFlow graphs: tensorflow/core/protobuf/saved_model.proto,
meta_graph.proto, saved_object_graph.proto, framework/graph.proto, function.proto, node_def.proto.

Both the graph and its function library are walked: what a function holds runs as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ancile.core.errors import AncileError
from ancile.formats.held import Held
from ancile.formats.protobuf import BYTES, VARINT, Field, Steps, fields, text

TOP_FIELDS = 100_000
TEXT_BYTES = 1 << 22
OPERATOR = re.compile(r"[A-Za-z_.>][\w.>]*")
KERAS_OBJECT = b"_tf_keras_"
FINGERPRINT_BYTES = 1024
DIGITS = re.compile(rb"\d{1,40}")
PROTOBUF_TEXT = re.compile(r"\b(?:node|node_def|meta_graphs)\s*(?::\s*)?[{<]")
TEXT_OPERATOR = re.compile(r"\bop\s*:\s*(\"[^\"\n]*\"|'[^'\n]*')")
TEXT_VALUE = re.compile(r"\b(?:s|string_val)\s*:\s*(\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')")


@dataclass
class GraphFacts:
    """What was found.

    operators  name to the texts of its nodes' attributes
    functions  that the file itself defines
    assets     names of files beside it
    keras      configurations of Keras objects
    fault      why the walk broke off
    """

    operators: dict[str, list[str]] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    assets: list[str] = field(default_factory=list)
    keras: list[bytes] = field(default_factory=list)
    fault: str = ""


def _message(data: memoryview) -> list[Field]:
    return list(fields(data, Steps(TOP_FIELDS)))


def kind_of(data: Held) -> str:
    """Which of TensorFlow's messages this is, as saved-model, graph, keras-metadata, fingerprint; or none."""
    if len(data) < 2:
        return ""
    try:
        top = _message(memoryview(data))
        if {(one.tag, one.wire) for one in top} == {(1, VARINT), (2, BYTES)}:
            return "saved-model" if all(_is_meta_graph(one.data) for one in top if one.tag == 2) else ""
        first = next((one for one in top if (one.tag, one.wire) == (1, BYTES)), None)
        if first is not None:
            return _kind_of_nodes(top, first)
    except AncileError:
        return ""
    return "fingerprint" if len(data) < FINGERPRINT_BYTES and _is_fingerprint(top) else ""


def _is_fingerprint(top: list[Field]) -> bool:
    """Whether this is a FingerprintDef: 1 to 5 numbers, 6 versions, 7 a UUID in decimal; fingerprint.proto.

    The digits make sure that whoever takes it for an ONNX model, whose graph is field 7, finds none in it.
    """
    for one in top:
        is_number = 1 <= one.tag <= 5 and one.wire == VARINT
        is_words = one.wire == BYTES and (one.tag == 6 or (one.tag == 7 and DIGITS.fullmatch(one.data)))
        if not (is_number or is_words):
            return False
    return True


def is_fingerprint(data: Held) -> bool:
    """Whether TensorFlow wrote this beside a SavedModel, to tell one from another."""
    return len(data) < FINGERPRINT_BYTES and kind_of(data) == "fingerprint"


def _is_meta_graph(data: memoryview) -> bool:
    held = _message(data)
    return any(one.tag in (1, 2) for one in held) and all(one.tag < 16 and one.wire == BYTES for one in held)


def _kind_of_nodes(top: list[Field], first: Field) -> str:
    node = _message(first.data)
    if any(one.tag == 4 and bytes(one.data[:10]) == KERAS_OBJECT for one in node):
        return "keras-metadata"
    operator = next((text(one.data) for one in node if (one.tag, one.wire) == (2, BYTES)), "")
    is_graph = OPERATOR.fullmatch(operator) and all(one.tag <= 4 for one in top)
    return "graph" if is_graph and all(one.tag <= 7 and one.wire == BYTES for one in node) else ""


def read_graph(data: Held) -> GraphFacts:
    """The facts of any of these messages."""
    facts, steps, kind = GraphFacts(), Steps(), kind_of(data)
    whole = memoryview(data)
    try:
        if kind == "graph":
            _graph(whole, facts, steps)
        elif kind == "saved-model":
            _saved_model(whole, facts, steps)
        elif kind == "keras-metadata":
            _keras_metadata(whole, facts, steps)
    except AncileError as reason:
        facts.fault = str(reason)
    return facts


def read_graph_too(data: Held) -> GraphFacts:
    """What TensorFlow finds in a message of another format: like every reader it passes over unknown fields.

    A reading that breaks off is none: TensorFlow refuses the whole message then.
    """
    facts, steps = GraphFacts(), Steps()
    for read in (_saved_model, _graph, _keras_metadata):
        found = GraphFacts()
        try:
            read(memoryview(data), found, steps)
        except AncileError:
            continue
        named = {name: words for name, words in found.operators.items() if OPERATOR.fullmatch(name)}
        facts.operators |= named
        facts.functions |= found.functions
        facts.assets += found.assets
        facts.keras += [one for one in found.keras if one]
    return facts


def _saved_model(data: memoryview, facts: GraphFacts, steps: Steps) -> None:
    for one in fields(data, steps):
        if (one.tag, one.wire) == (2, BYTES):
            _meta_graph(one.data, facts, steps)


def _keras_metadata(data: memoryview, facts: GraphFacts, steps: Steps) -> None:
    for one in fields(data, steps):
        if (one.tag, one.wire) == (1, BYTES):
            facts.keras += [bytes(held.data) for held in fields(one.data, steps) if held.tag == 5]


def is_graph_text(words: str) -> bool:
    """Whether this is a graph in protobuf's text format."""
    return PROTOBUF_TEXT.search(words) is not None and TEXT_OPERATOR.search(words) is not None


def read_graph_text(words: str) -> GraphFacts:
    """The facts of a graph in protobuf's text format, as far as patterns tell them."""
    values = [found[1][1:-1] for found in TEXT_VALUE.finditer(words)]
    return GraphFacts({found[1][1:-1]: values for found in TEXT_OPERATOR.finditer(words)})


def _meta_graph(data: memoryview, facts: GraphFacts, steps: Steps) -> None:
    for one in fields(data, steps):
        if one.wire != BYTES:
            continue
        if one.tag == 2:
            _graph(one.data, facts, steps)
        elif one.tag == 6:  # AssetFileDef: 2 filename
            facts.assets += [text(held.data) for held in fields(one.data, steps) if held.tag == 2]
        elif one.tag == 7:
            _objects(one.data, facts, steps)


def _objects(data: memoryview, facts: GraphFacts, steps: Steps) -> None:
    """SavedObjectGraph: 1 nodes; SavedObject: 4 user_object; SavedUserObject: 3 metadata."""
    for node in fields(data, steps):
        if (node.tag, node.wire) != (1, BYTES):
            continue
        for user in fields(node.data, steps):
            if (user.tag, user.wire) == (4, BYTES):
                held = (one for one in fields(user.data, steps) if (one.tag, one.wire) == (3, BYTES))
                facts.keras += [bytes(one.data) for one in held if len(one.data)]


def _graph(data: memoryview, facts: GraphFacts, steps: Steps) -> None:
    for one in fields(data, steps):
        if (one.tag, one.wire) == (1, BYTES):
            _node(one.data, facts, steps)
        elif (one.tag, one.wire) == (2, BYTES):
            for function in fields(one.data, steps):
                if (function.tag, function.wire) == (1, BYTES):
                    _function(function.data, facts, steps)


def _function(data: memoryview, facts: GraphFacts, steps: Steps) -> None:
    """FunctionDef: 1 signature with 1 name, 3 node_def."""
    for one in fields(data, steps):
        if (one.tag, one.wire) == (1, BYTES):
            facts.functions |= {text(held.data) for held in fields(one.data, steps) if held.tag == 1}
        elif (one.tag, one.wire) == (3, BYTES):
            _node(one.data, facts, steps)


def _node(data: memoryview, facts: GraphFacts, steps: Steps) -> None:
    """NodeDef: 2 op, 5 attr as entries of 1 key and 2 AttrValue."""
    names: list[str] = []
    words: list[str] = []
    for one in fields(data, steps):
        if (one.tag, one.wire) == (2, BYTES):
            names.append(text(one.data))
        elif (one.tag, one.wire) == (5, BYTES):
            for entry in fields(one.data, steps):
                if (entry.tag, entry.wire) == (2, BYTES):
                    words += _words(entry.data, steps)
    for name in names:
        facts.operators.setdefault(name, []).extend(words)


def _words(data: memoryview, steps: Steps) -> list[str]:
    """AttrValue: 1 list with 2 s, 2 s, 8 tensor with 8 string_val."""
    found: list[memoryview] = []
    for one in fields(data, steps):
        if one.wire != BYTES:
            continue
        if one.tag == 2:
            found.append(one.data)
        elif one.tag in (1, 8):
            wanted = 2 if one.tag == 1 else 8
            inner = fields(one.data, steps)
            found += (held.data for held in inner if (held.tag, held.wire) == (wanted, BYTES))
    return [bytes(one[:TEXT_BYTES]).decode("utf-8", "replace") for one in found]
