"""Keras configurations: a program in JSON, in a ``.keras`` archive, HDF5, a SavedModel, or by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine
from ancile.formats.json_tree import Object, Tree, may_be_json, objects, parse_json, texts
from ancile.scan.hidden import search_texts
from ancile.scan.keras_names import Asked, asked
from ancile.scan.part import Formatted, Part
from ancile.scan.places import Place, failed
from ancile.scan.plain_data import is_text
from ancile.scan.snippets import acts, leaves
from ancile.scan.texts import examine_text

MARKS = (b"class_name", b"c\0l\0a\0s\0s\0_\0n\0a\0m\0e", b"c\0\0\0l\0\0\0a\0\0\0s\0\0\0s", b"\\u00")
BESIDE_CLASS = frozenset(("config", "module", "registered_name"))
PATHS = frozenset(
    (
        "checkpoint",
        "export_dir",
        "file_path",
        "filename",
        "filepath",
        "model_path",
        "path",
        "vocab_file",
        "vocabulary",
        "vocabulary_file",
        "vocabulary_path",
        "weights_path",
    )
)
OWN = ("keras", "Custom", "keras_cv", "keras_hub", "keras_nlp", "tf_keras")


class KerasFacts(NamedTuple):
    """A configuration, and the places of each fault."""

    part: Part
    programs: tuple[Place, ...] = ()
    gadgets: tuple[Place, ...] = ()
    unknown: tuple[Place, ...] = ()
    outside: tuple[Place, ...] = ()
    files: tuple[Place, ...] = ()
    code: tuple[Place, ...] = ()
    repeated: tuple[Place, ...] = ()


@check(
    "keras-holds-program", severity="critical", refs=("CWE-502 (CWE 4.17)", "CVE-2024-3660", "CVE-2025-49655")
)
def holds_program(facts: KerasFacts) -> Iterator[Remark]:
    """A Keras model has a layer that runs code which the file holds.

    Why   A Lambda layer is Python byte code, others wrap a pickle or a model of another format; ``safe_mode``
          has been switched off from within files, and does not count for HDF5.
    Fix   Do not load it. Ask for the model with that layer written as a class, or as ONNX.
    """
    return failed(facts.part, facts.programs)


@check(
    "keras-unlisted-call", severity="critical", refs=("CWE-502 (CWE 4.17)", "CVE-2025-1550", "CVE-2025-8747")
)
def unlisted_call(facts: KerasFacts) -> Iterator[Remark]:
    """A Keras model asks for something that is no part of a model.

    Why   Its module is imported and it is called with arguments of the file before anyone sees the model.
    Fix   Do not load it, and keep it as evidence.
    """
    return failed(facts.part, facts.gadgets)


@check("keras-unknown-class", severity="medium", refs=("CWE-829 (CWE 4.17)",))
def unknown_class(facts: KerasFacts) -> Iterator[Remark]:
    """A Keras model asks for a class or function of a package that nobody has read for these lists.

    Why   Whoever loads it runs that package's code with arguments of the file.
    Fix   See that the package is the one you mean, and pin it; or save weights alone.
    """
    return failed(facts.part, facts.unknown)


@check("keras-reads-outside", severity="high", refs=("CWE-22 (CWE 4.17)", "CWE-73 (CWE 4.17)"))
def reads_outside(facts: KerasFacts) -> Iterator[Remark]:
    """A Keras model names a file outside its folder, or an address.

    Why   Loading it reads that file; what it holds ends in the model, a vocabulary for one.
    Fix   Do not load it. Ask for a model that carries what it needs.
    """
    return failed(facts.part, facts.outside)


@check("keras-reads-file", severity="medium", refs=("CWE-73 (CWE 4.17)",))
def reads_file(facts: KerasFacts) -> Iterator[Remark]:
    """A Keras model names a file beside it.

    Why   What stands in that file, on the machine that loads the model, becomes part of the model.
    Fix   Ask for a model that carries what it needs.
    """
    return failed(facts.part, facts.files)


@check("keras-code-in-text", severity="high", refs=("CWE-506 (CWE 4.17)",))
def code_in_text(facts: KerasFacts) -> Iterator[Remark]:
    """A text in a Keras configuration is code that does something.

    Why   No layer needs it; it waits for whoever evaluates it.
    Fix   Do not load it, and keep it as evidence.
    """
    return failed(facts.part, facts.code)


@check("keras-repeated-key", severity="high", refs=("CWE-436 (CWE 4.17)",))
def repeated_key(facts: KerasFacts) -> Iterator[Remark]:
    """A key stands twice in one object of a Keras configuration.

    Why   Readers take the first or the last: what a scanner sees is not what the loader builds.
    Fix   Do not load it. No writer makes that.
    """
    return failed(facts.part, facts.repeated)


KERAS_CHECKS: tuple[Check[KerasFacts], ...] = (
    holds_program,
    unlisted_call,
    unknown_class,
    reads_outside,
    reads_file,
    code_in_text,
    repeated_key,
)


def is_keras(part: Part) -> bool:
    """Whether this is JSON in which something is asked for by class and configuration."""
    if not may_be_json(part.head) or not any(part.data.find(mark) >= 0 for mark in MARKS):
        return False
    tree = parse_json(bytes(part.data))
    return not isinstance(tree, ValueError) and any(_is_request(one) for one in objects(tree))


def _is_request(one: Object) -> bool:
    names = {name for name, _ in one.pairs}
    return "class_name" in names and bool(names & BESIDE_CLASS)


def examine_keras(part: Part) -> Iterator[Formatted | Part]:
    """What a loader would build from it."""
    tree = parse_json(bytes(part.data))
    if isinstance(tree, ValueError):
        return
    yield Formatted("keras", examine(KERAS_CHECKS, read_keras(part, tree)))
    yield from search_texts(part, "keras", (("a text", text) for text in texts(tree)))
    if is_text(part):
        yield from examine_text(part)


def read_keras(part: Part, tree: Tree) -> KerasFacts:
    """All that the configuration asks for."""
    found: dict[Asked, list[Place]] = {kind: [] for kind in Asked}
    outside: list[Place] = []
    files: list[Place] = []
    repeated: list[Place] = []
    for one in objects(tree):
        for kind, said in _requests(one):
            found[kind].append(Place(said))
        for name, value in one.pairs:
            if name in PATHS and isinstance(value, str) and value:
                (outside if leaves(value) else files).append(Place(f"{name}: {value}"))
        repeated += (Place(name) for name in one.repeated)
    code = (Place(piece) for text in texts(tree) if (piece := acts(text)))
    return KerasFacts(
        part,
        tuple(found[Asked.PROGRAM]),
        tuple(found[Asked.GADGET]),
        tuple(found[Asked.UNKNOWN]),
        tuple(outside),
        tuple(files),
        tuple(code),
        tuple(repeated),
    )


def _requests(one: Object) -> Iterator[tuple[Asked, str]]:
    """Each class or function that an object asks for, over all values of repeated keys."""
    modules = one.words("module") or [""]
    for name in one.words("class_name"):
        for module in modules:
            for asked_for, function in _targets(one, name):
                shown = f"{module}.{asked_for}".lstrip(".")
                yield asked(module, asked_for, function=function), shown
    for name in one.words("registered_name"):
        package = name.rpartition(">")[0]
        if package and package not in OWN:
            yield Asked.UNKNOWN, name
    if any(kind in ("lambda", "__lambda__") for kind in one.words("function_type")):
        yield Asked.PROGRAM, "a function of type lambda"


def _targets(one: Object, name: str) -> list[tuple[str, bool]]:
    if name == "function":
        return [(word, True) for word in one.words("config")] or [(name, True)]
    if name == "__typespec__":
        return [(word, False) for word in one.words("spec_name")]
    return [(name.rpartition(">")[2], False)]
