"""Schemas of skops files: every node names a class or function that loading imports (skops/io)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine
from ancile.formats.json_tree import Object, Tree, may_be_json, objects, parse_json, texts
from ancile.scan.hidden import search_texts
from ancile.scan.names import Rule, Standing, feared, package_of, rule_of, standing
from ancile.scan.part import Formatted, Part
from ancile.scan.places import Place, failed
from ancile.scan.snippets import leaves

MARKS = (b"__loader__", b"_\0_\0l\0o\0a\0d\0e\0r", b"_\0\0\0_\0\0\0l\0\0\0o", b"\\u00")
CLASS = re.compile(r"_?[A-Z]\w*")
METHOD = re.compile(r"[A-Za-z]\w*")
# Types of Python's own that skops names beside data: what a method, a function or nothing is
PLAIN_TYPES = frozenset(
    (
        "NoneType",
        "builtin_function_or_method",
        "ellipsis",
        "function",
        "method",
        "slice",
        "type",
        "wrapper_descriptor",
    )
)
HARMLESS = (Rule.NEW_ONLY, Rule.PLAIN)
CALLERS = ("functools", "operator", "_operator", "_functools")  # whose classes call what they are given
GETTERS = ("attrgetter", "itemgetter")
# Nodes of skops 0.1 to 0.16
LOADERS = frozenset(
    (
        "BytearrayNode",
        "BytesNode",
        "CachedNode",
        "ConstructorFromReduceNode",
        "DTypeNode",
        "DefaultDictNode",
        "DictNode",
        "FunctionNode",
        "JsonNode",
        "ListNode",
        "LossNode",
        "MaskedArrayNode",
        "MethodNode",
        "NdArrayNode",
        "ObjectNode",
        "OperatorFuncNode",
        "PartialNode",
        "QuantileForestNode",
        "RandomGeneratorNode",
        "RandomStateNode",
        "ReduceNode",
        "SetNode",
        "SgdNode",
        "SliceNode",
        "SparseMatrixNode",
        "TreeNode",
        "TupleNode",
        "TypeNode",
        "_DictWithDeprecatedKeysNode",
    )
)


class SkopsFacts(NamedTuple):
    """A schema, and the places of each fault."""

    part: Part
    unlisted: tuple[Place, ...] = ()
    unknown: tuple[Place, ...] = ()
    outside: tuple[Place, ...] = ()


@check(
    "skops-unlisted-name",
    severity="critical",
    refs=("CWE-502 (CWE 4.17)", "CVE-2025-54412", "CVE-2025-54413"),
)
def unlisted_name(facts: SkopsFacts) -> Iterator[Remark]:
    """A skops file asks for something of the system that no list knows as harmless.

    Why   Loading imports it and calls it; what a node shows as its type is not always what it calls.
    Fix   Do not load it, and trust none of its types.
    """
    return failed(facts.part, facts.unlisted)


@check("skops-unknown-class", severity="medium", refs=("CWE-829 (CWE 4.17)",))
def unknown_class(facts: SkopsFacts) -> Iterator[Remark]:
    """A skops file asks for a class, function or kind of node that nobody has read for these lists.

    Why   Whoever trusts it runs that code with arguments of the file.
    Fix   See that the package is the one you mean, and pin it.
    """
    return failed(facts.part, facts.unknown)


@check("skops-reads-outside", severity="high", refs=("CWE-22 (CWE 4.17)",))
def reads_outside(facts: SkopsFacts) -> Iterator[Remark]:
    """A skops file names a member outside of itself.

    Why   No writer does; readers that unpack it first read another file.
    Fix   Do not load it.
    """
    return failed(facts.part, facts.outside)


SKOPS_CHECKS: tuple[Check[SkopsFacts], ...] = (unlisted_name, unknown_class, reads_outside)


def is_skops(part: Part) -> bool:
    """Whether this is JSON in which nodes name their loader and class."""
    if not may_be_json(part.head) or not any(part.data.find(mark) >= 0 for mark in MARKS):
        return False
    tree = parse_json(bytes(part.data))
    return not isinstance(tree, ValueError) and any(_is_node(one) for one in objects(tree))


def _is_node(one: Object) -> bool:
    return {"__loader__", "__class__"} <= {name for name, _ in one.pairs}


def examine_skops(part: Part) -> Iterator[Formatted | Part]:
    """What loading the schema would import and call."""
    tree = parse_json(bytes(part.data))
    if isinstance(tree, ValueError):
        return
    nodes = [one for one in objects(tree) if _is_node(one)]
    packages = {package_of(module) for one in nodes for module in one.words("__module__")}
    said = examine(SKOPS_CHECKS, read_skops(part, tree, nodes))
    yield Formatted("skops", said, frozenset(packages - {""}))
    yield from search_texts(part, "skops", (("a text", text) for text in texts(tree)))


def read_skops(part: Part, tree: Tree, nodes: list[Object]) -> SkopsFacts:
    """All that the nodes ask for."""
    unlisted: list[Place] = []
    unknown: list[Place] = []
    for one in nodes:
        for said, is_unlisted in _asked(one):
            (unlisted if is_unlisted else unknown).append(Place(said))
    named = (name for one in objects(tree) for name in one.words("file"))
    outside = tuple(Place(name) for name in named if leaves(name))
    return SkopsFacts(part, tuple(unlisted), tuple(unknown), outside)


def _asked(one: Object) -> Iterator[tuple[str, bool]]:
    """What a node asks for, and whether that is refused rather than looked at."""
    loaders = one.words("__loader__")
    for loader in loaders:
        if loader not in LOADERS:
            yield f"a node of the kind {loader}", False
    for module in one.words("__module__") or [""]:
        for name in one.words("__class__"):
            if "OperatorFuncNode" in loaders:
                if module not in ("operator", "_operator") or name not in GETTERS:
                    yield f"{module}.{name}", True
                continue
            if "PartialNode" in loaders and (module, name) == ("functools", "partial"):
                continue
            yield from _judged(module, name)
    for content in (held for held in one.all("content") if isinstance(held, Object)):
        for module in content.words("module_path"):
            for name in content.words("function"):
                yield from _judged(module, name)
        if "MethodNode" in loaders:
            strange = (name for name in content.words("func") if not METHOD.fullmatch(name))
            yield from ((f"the method {name}", True) for name in strange)


def _judged(module: str, name: str) -> Iterator[tuple[str, bool]]:
    """A name that is not known as harmless; names of the system are refused, of others looked at."""
    shown, known = f"{module}.{name}", standing(module, name)
    if module == "__main__":
        yield shown, False
    elif module.partition(".")[0] in feared():
        is_type = module in ("builtins", "types") and name in PLAIN_TYPES
        is_data = rule_of(module, name) in HARMLESS and module.partition(".")[0] not in CALLERS
        if not is_type and not is_data:
            yield shown, True
    elif known is Standing.KNOWN_PACKAGE:
        yield shown, CLASS.fullmatch(name) is None
    elif known is not Standing.LISTED:
        yield shown, known is not Standing.UNKNOWN_PACKAGE
