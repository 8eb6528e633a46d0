"""TensorFlow graphs and SavedModels: operators that reach files, Python or the network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine
from ancile.formats.json_tree import may_be_json
from ancile.formats.tensorflow import (
    GraphFacts,
    is_graph_text,
    kind_of,
    read_graph,
    read_graph_text,
    read_graph_too,
)
from ancile.scan.hidden import search_numbers, search_texts
from ancile.scan.part import Formatted, Part
from ancile.scan.places import Place, failed
from ancile.scan.plain_data import is_text
from ancile.scan.snippets import acts, leaves

# Operators that run Python, read or write files that a graph names, or talk to other machines:
# tensorflow/core/ops/{script,io,logging,debug,dataset,experimental_dataset,summary,functional}_ops.cc
REACHES = re.compile(
    r"(Eager)?PyFunc(Stateless)?|ReadFile|WriteFile|MatchingFiles"
    r"|(WholeFile|TextLine|TFRecord|FixedLengthRecord|LMDB)Reader(V2)?"
    r"|(Experimental)?(TextLine|TFRecord|FixedLengthRecord|CSV|LMDB|Sql|MatchingFiles|Generator)"
    r"Dataset(V[23])?"
    r"|(Save|Load|Snapshot)Dataset(V2|Reader)?|Snapshot(Nested)?Dataset(Reader)?|CacheDataset(V2)?"
    r"|CreateSummary(File|Db)Writer|ImportEvent|DistributedSave|(ListSnapshotChunks|SnapshotChunk)Dataset"
    r"|FileSystemSetConfiguration|DataServiceDataset(V[2-4])?|RegisterDataset(V2)?"
    r"|Remote(Call|FusedGraphExecute)|Rpc\w+|TryRpc|Load(Op)?Library\w*|DatasetToTFRecord"
    r"|(Experimental)?DatasetToTFRecord|BigQueryReader|(Big[qQ]uery|GenerateBigQuery)\w*"
)
DEBUGS = re.compile(r"DebugIdentity(V[23])?|Debug(Nan|Numeric)\w*|Copy(Host)?|PrintV2|Print")
ADDRESS = re.compile(r"(file|grpc|grpcs|http|https|gs|s3|hdfs)://", re.IGNORECASE)
STOPS = ("Abort",)
BUNDLE = re.compile(r"(?:.*/)?[^/]+\.(?:index|data-\d{5}-of-\d{5})")


class TensorflowFacts(NamedTuple):
    """A graph, and the places of each fault."""

    part: Part
    reaching: tuple[Place, ...] = ()
    strange: tuple[Place, ...] = ()
    outside: tuple[Place, ...] = ()
    code: tuple[Place, ...] = ()
    damaged: tuple[Place, ...] = ()


@check(
    "tensorflow-reaching-operator",
    severity="critical",
    refs=("CWE-829 (CWE 4.17)", "AML.T0011.000 (ATLAS 5.6.0)"),
)
def reaching_operator(facts: TensorflowFacts) -> Iterator[Remark]:
    """A graph has an operator that reads or writes files, runs Python or talks to other machines.

    Why   It runs with the rights of whoever asks the model, with names that stand in the file.
    Fix   Do not load it. Ask for an export without it; preprocessing belongs in front of the model.
    """
    return failed(facts.part, facts.reaching)


@check("tensorflow-unknown-operator", severity="medium", refs=("CWE-829 (CWE 4.17)",))
def unknown_operator(facts: TensorflowFacts) -> Iterator[Remark]:
    """A graph has an operator that TensorFlow does not bring along, or one that stops the process.

    Why   It comes as a library of machine code that is to be loaded beside the model.
    Fix   Find out whose library that is, and pin it; or export with TensorFlow's own operators.
    """
    return failed(facts.part, facts.strange)


@check("tensorflow-reads-outside", severity="high", refs=("CWE-22 (CWE 4.17)",))
def reads_outside(facts: TensorflowFacts) -> Iterator[Remark]:
    """A SavedModel names an asset outside its folder.

    Why   Loading it reads that file.
    Fix   Do not load it; ask for a model whose assets are in its folder.
    """
    return failed(facts.part, facts.outside)


@check("tensorflow-code-in-text", severity="high", refs=("CWE-506 (CWE 4.17)",))
def code_in_text(facts: TensorflowFacts) -> Iterator[Remark]:
    """A text in a graph is code that does something.

    Why   No operator needs it; it waits for whoever evaluates it.
    Fix   Do not load it, and keep it as evidence.
    """
    return failed(facts.part, facts.code)


@check("tensorflow-damaged", severity="medium", refs=("CWE-20 (CWE 4.17)",))
def damaged(facts: TensorflowFacts) -> Iterator[Remark]:
    """A graph breaks off.

    Why   What could not be read was not examined.
    Fix   Take the file from its source once more.
    """
    return failed(facts.part, facts.damaged)


TENSORFLOW_CHECKS: tuple[Check[TensorflowFacts], ...] = (
    reaching_operator,
    unknown_operator,
    reads_outside,
    code_in_text,
    damaged,
)


@cache
def known_operators() -> frozenset[str]:
    """The operators that TensorFlow brings along."""
    held = json.loads(files("ancile.scan").joinpath("tensorflow_operators.json").read_text("utf-8"))
    return frozenset(held["operators"])


def is_tensorflow(part: Part) -> bool:
    """Whether this is a SavedModel, a graph, a Keras metadata file or a fingerprint."""
    return bool(kind_of(part.data)) or _graph_text(part) is not None


def _graph_text(part: Part) -> str | None:
    if b"op:" not in part.head.replace(b" ", b"") or not is_text(part):
        return None
    words = bytes(part.data).decode("utf-8", "replace")
    return words if is_graph_text(words) else None


def examine_tensorflow(part: Part) -> Iterator[Formatted | Part]:
    """What the graph would do."""
    words = None if kind_of(part.data) else _graph_text(part)
    yield from _examined(part, read_graph(part.data) if words is None else read_graph_text(words))


def is_graph_too(part: Part) -> bool:
    """Whether TensorFlow finds a graph in a message of another format."""
    found = read_graph_too(part.data)
    return bool(found.operators or found.keras)


def examine_graph_too(part: Part) -> Iterator[Formatted | Part]:
    """What that graph would do."""
    yield from _examined(part, read_graph_too(part.data))


def _examined(part: Part, found: GraphFacts) -> Iterator[Formatted | Part]:
    held = [(name, one) for name, ones in found.operators.items() for one in ones]
    facts = TensorflowFacts(
        part,
        tuple(Place(name) for name in _reaching(found)),
        tuple(Place(name) for name in sorted(found.operators) if _is_strange(name, found)),
        tuple(Place(name) for name in found.assets if leaves(name)),
        tuple(Place(f"{name}: {piece}") for name, one in held if (piece := acts(one))),
        (Place(found.fault),) if found.fault else (),
    )
    yield Formatted("tensorflow", examine(TENSORFLOW_CHECKS, facts))
    yield from search_texts(part, "tensorflow", held)
    yield search_numbers(part, "tensorflow", [(0, len(part.data))])
    for one in found.keras:
        if may_be_json(one):
            yield part.inner("(Keras metadata)", one)


def _reaching(found: GraphFacts) -> Iterator[str]:
    for name, words in sorted(found.operators.items()):
        if REACHES.fullmatch(name):
            yield name
        elif DEBUGS.fullmatch(name):
            yield from (f"{name} to {one}" for one in words if ADDRESS.match(one))


def _is_strange(name: str, found: GraphFacts) -> bool:
    if name in STOPS:
        return True
    return name not in found.functions and name not in known_operators() and not REACHES.fullmatch(name)


def is_bundle(part: Part) -> bool:
    """Whether TensorFlow reads this as the variables of a checkpoint: tensor_bundle.h names its files so."""
    return BUNDLE.fullmatch(part.members[-1] if part.members else part.path) is not None


def examine_bundle(part: Part) -> Iterator[Formatted | Part]:
    """Numbers, in which no pickle should hide."""
    yield search_numbers(part, "tensorflow variables", [(0, len(part.data))])
