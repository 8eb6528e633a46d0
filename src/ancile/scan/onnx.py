"""ONNX models: what they read from elsewhere, what they need beside the runtime, what metadata holds."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine
from ancile.core.errors import AncileError
from ancile.formats.extents import covers
from ancile.formats.onnx import GRAPH, MODEL_FIELDS, OPSET, Entry, External, OnnxFacts, read_onnx
from ancile.formats.protobuf import Steps, fields
from ancile.formats.tensorflow import is_fingerprint
from ancile.scan.hidden import search_numbers, search_texts
from ancile.scan.licence import examine_metadata
from ancile.scan.neighbours import Neighbour
from ancile.scan.part import Formatted, Part
from ancile.scan.places import Place, failed, unread
from ancile.scan.snippets import acts, leaves, names_library

TOP_FIELDS = 100_000
IR_VERSION = 1
# Domains whose operators a runtime brings along: onnx/defs/schema.h; onnxruntime, core/graph/constants.h
DOMAINS = frozenset(
    (
        "",
        "ai.onnx",
        "ai.onnx.ml",
        "ai.onnx.training",
        "ai.onnx.preview",
        "ai.onnx.preview.training",
        "com.microsoft",
        "com.microsoft.nchwc",
        "com.microsoft.experimental",
        "com.microsoft.dml",
        "com.ms.internal.nhwc",
    )
)
# Operators that call Python (onnxruntime-extensions PyOp, onnxruntime-training PythonOp), hand a string to
# PyTorch's dispatcher (ATen), or load compiled code from a path (EPContext)
PROGRAMS = re.compile(r"Py(thon)?(Custom)?Op(Grad)?|ATen(Op)?(Grad)?|EPContext", re.IGNORECASE)
SIZES = ("offset", "length")
LARGEST = 1 << 62  # bytes of a file


class GraphFacts(NamedTuple):
    """A model, and the places of each fault."""

    part: Part
    outside: tuple[Place, ...] = ()
    unclear: tuple[Place, ...] = ()
    missing: tuple[Place, ...] = ()
    programs: tuple[Place, ...] = ()
    strange: tuple[Place, ...] = ()
    metadata: tuple[Place, ...] = ()
    libraries: tuple[Place, ...] = ()
    damaged: tuple[Place, ...] = ()


@check("onnx-reads-outside", severity="high", refs=("CWE-22 (CWE 4.17)", "CVE-2022-25882", "CVE-2024-27318"))
def reads_outside(facts: GraphFacts) -> Iterator[Remark]:
    """A tensor of a model is read from a file outside the model's folder.

    Why   Whoever loads the model reads that file, and its bytes leave again with the model or its answers.
    Fix   Do not load it. Ask for a model in one file, or with its data in files beside it.
    """
    return failed(facts.part, facts.outside)


@check("onnx-external-data-unclear", severity="medium", refs=("CWE-20 (CWE 4.17)", "CVE-2025-51480"))
def external_unclear(facts: GraphFacts) -> Iterator[Remark]:
    """A model does not say properly where a tensor is kept.

    Why   Without location, twice, or with numbers that are none: readers take different bytes for it.
    Fix   Save the model again, as one file: ``save_as_external_data=False``.
    """
    return failed(facts.part, facts.unclear)


@check("onnx-external-data-missing", severity="medium", refs=("CWE-1059 (CWE 4.17)",))
def external_missing(facts: GraphFacts) -> Iterator[Remark]:
    """A tensor of a model is kept in a file that is not there.

    Why   The model is not whole: what is loaded later, from a file that appears in that place, was not
          examined.
    Fix   Take the files that belong together, and scan their folder.
    """
    return unread(facts.part, facts.missing)


@check("onnx-program-operator", severity="high", refs=("CWE-94 (CWE 4.17)", "AML.T0011.000 (ATLAS 5.6.0)"))
def program_operator(facts: GraphFacts) -> Iterator[Remark]:
    """An operator of a model runs Python or compiled code that is not part of the runtime.

    Why   The graph calls it as soon as the model is loaded or asked, with arguments from the file.
    Fix   Do not load it; ask for an export with standard operators alone.
    """
    return failed(facts.part, facts.programs)


@check("onnx-unknown-operators", severity="medium", refs=("CWE-829 (CWE 4.17)",))
def unknown_operators(facts: GraphFacts) -> Iterator[Remark]:
    """A model needs operators that no runtime brings along.

    Why   They come as a library of machine code that is to be loaded beside the model.
    Fix   Find out whose library that is, read or pin it; or export with standard operators alone.
    """
    return failed(facts.part, facts.strange)


@check("onnx-code-in-metadata", severity="high", refs=("CWE-506 (CWE 4.17)",))
def code_in_metadata(facts: GraphFacts) -> Iterator[Remark]:
    """A model's metadata holds code.

    Why   No exporter writes that; it waits for a program that evaluates it.
    Fix   Do not load it, and keep it as evidence.
    """
    return failed(facts.part, facts.metadata)


@check("onnx-library-in-metadata", severity="medium", refs=("CWE-114 (CWE 4.17)",))
def library_in_metadata(facts: GraphFacts) -> Iterator[Remark]:
    """A model's metadata names a library of machine code.

    Why   A loader that registers it runs it.
    Fix   Find out which program reads that, and whose library it is.
    """
    return failed(facts.part, facts.libraries)


@check("onnx-damaged", severity="medium", refs=("CWE-20 (CWE 4.17)",))
def damaged(facts: GraphFacts) -> Iterator[Remark]:
    """A model breaks off, or its graphs are nested beyond measure.

    Why   What could not be read was not examined.
    Fix   Take the file from its source once more.
    """
    return failed(facts.part, facts.damaged)


ONNX_CHECKS: tuple[Check[GraphFacts], ...] = (
    reads_outside,
    external_unclear,
    external_missing,
    program_operator,
    unknown_operators,
    code_in_metadata,
    library_in_metadata,
    damaged,
)


def is_onnx(part: Part) -> bool:
    """Whether the bytes are a ModelProto: a graph, and an operator set or a version, whatever else."""
    if part.head[:1] in (b"", b"\x00"):
        return False
    seen: set[int] = set()
    try:
        for one in fields(memoryview(part.data), Steps(TOP_FIELDS)):
            if one.tag in MODEL_FIELDS and MODEL_FIELDS[one.tag] == one.wire:
                seen.add(one.tag)
    except AncileError:
        return False
    return GRAPH in seen and bool(seen & {OPSET, IR_VERSION}) and not is_fingerprint(part.data)


def examine_onnx(part: Part) -> Iterator[Formatted | Part]:
    """What the model asks for, and pickles that it carries."""
    facts = GraphFacts(part)
    found = OnnxFacts()
    try:
        found = read_onnx(part.data)
    except AncileError as reason:
        facts = facts._replace(damaged=(Place(str(reason)),))
    programs, strange = _operators(found)
    facts = facts._replace(
        outside=tuple(Place(said) for one in found.kept for said in _outside(part, one)),
        unclear=tuple(Place(said) for one in found.kept for said in (*_unclear(one), *_beyond(part, one))),
        missing=tuple(Place(said) for one in found.kept for said in _missing(part, one)),
        programs=programs,
        strange=strange,
    )
    words = [(f"metadata {one.key}", one.value.decode("utf-8", "replace")) for one in found.metadata]
    facts = facts._replace(
        metadata=tuple(Place(f"{key}: {piece}") for key, value in words if (piece := acts(value))),
        libraries=tuple(Place(f"{key}: {value}") for key, value in words if names_library(value)),
    )
    yield Formatted("onnx", examine(ONNX_CHECKS, facts), keeps=frozenset(_keeps(part, found)))
    yield from search_texts(part, "onnx", words)
    metadata = [(entry.key, entry.value.decode("utf-8", "replace")) for entry in found.metadata]
    yield from examine_metadata(part, "onnx", metadata)
    yield search_numbers(part, "onnx", [(0, len(part.data))])


def _operators(found: OnnxFacts) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    programs, strange = [], []
    for domain, name in sorted(found.operators - found.functions):
        shown = Place(f"{domain}.{name}".lstrip("."))
        if PROGRAMS.fullmatch(name):
            programs.append(shown)
        elif domain not in DOMAINS:
            strange.append(shown)
    return tuple(programs), tuple(strange)


def _locations(one: External) -> list[str]:
    return [
        entry.value.decode("utf-8", "backslashreplace") for entry in one.entries if entry.key == "location"
    ]


def _beside(part: Part, one: External) -> Iterator[tuple[str, Neighbour]]:
    """Each place that the tensor is said to be kept in, below the model's folder, and what lies there."""
    if part.neighbours is not None:
        for place in filter(None, _locations(one)):
            if not leaves(place):
                yield place, part.neighbours(place)


def _keeps(part: Part, found: OnnxFacts) -> Iterator[str]:
    """Files beside the model that hold its tensors and nothing else."""
    extents: dict[str, list[tuple[int, int]]] = {}
    sizes: dict[str, int] = {}
    for one in found.kept:
        told = {entry.key: int(entry.value) for entry in one.entries if _is_number(entry)}
        for place, beside in _beside(part, one):
            if beside.kind == "file":
                name = posixpath.normpath(place)
                sizes[name] = beside.size_bytes
                start = told.get("offset", 0)
                stop = start + told["length"] if "length" in told else beside.size_bytes
                extents.setdefault(name, []).append((start, stop))
    return (name for name, held in extents.items() if covers(held, sizes[name]))


def _outside(part: Part, one: External) -> Iterator[str]:
    for place in _locations(one):
        if leaves(place):
            yield f"{one.name or 'a tensor'} is read from {place}"
    for place, found in _beside(part, one):
        if found.kind == "outside":
            yield f"{one.name or 'a tensor'} is read from {place}, a link that leads out of the folder"


def _missing(part: Part, one: External) -> Iterator[str]:
    for place, found in _beside(part, one):
        if found.kind in ("missing", "other"):
            yield f"{place}, which holds {one.name or 'a tensor'}, is not there"


def _beyond(part: Part, one: External) -> Iterator[str]:
    told = {entry.key: int(entry.value) for entry in one.entries if _is_number(entry)}
    stop = told.get("offset", 0) + told.get("length", 0)
    for place, found in _beside(part, one):
        if found.kind == "file" and stop > found.size_bytes:
            yield f"{one.name or 'a tensor'} reaches to byte {stop} of {place}, which has {found.size_bytes}"


def _unclear(one: External) -> Iterator[str]:
    name, places = one.name or "a tensor", _locations(one)
    if not any(places):
        yield f"{name} is kept elsewhere, it does not say where"
    keys = [entry.key for entry in one.entries]
    if len(set(keys)) < len(keys):
        yield f"{name} says twice where it is kept"
    for entry in one.entries:
        if entry.key in SIZES and not _is_size(entry.value):
            yield f"{name} has the {entry.key} {entry.value[:40]!r}"


def _is_number(entry: Entry) -> bool:
    return entry.key in SIZES and _is_size(entry.value)


def _is_size(value: bytes) -> bool:
    return value.isdigit() and len(value) < 20 and int(value) < LARGEST
