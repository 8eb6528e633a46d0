"""What a name is that a pickle asks for: exact lists per library, one JSON file each in ``names/``.

Written by ``tools/pickle_names.py`` from the packages' sources, and for what is written in C by hand with its
source; the verdict is the same whatever is installed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from ancile.core.subject import digest_of, manifest_digest

HOME = Path(__file__).with_name("names")
FEARED = "feared.json"
ASKED = 1 << 14  # names whose standing is remembered
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
CYTHON = re.compile(r"__pyx_unpickle_\w+|newObj")  # what Cython, and sklearn by hand, call with a class first
CLASS = re.compile(r"[A-Z]\w*[a-z]\w*")  # as PEP 8 names a class
READER = re.compile(
    r"Read|Writ|File|Stream|Load|Open"
)  # of compiled classes, those that take a place to open
TORCHSCRIPT = "__torch__"  # names that the archive's own code/ defines


class Standing(Enum):
    """How far a name is known."""

    LISTED = "listed"
    KNOWN_PACKAGE = "of a known package, not in its list"
    UNKNOWN_PACKAGE = "of a package that nobody has read"
    FEARED = "of the standard library or an installer, not listed"
    NO_NAME = "no name that an import could find"


class Rule(Enum):
    """How a listed name may be called."""

    NEVER = "never"
    PLAIN = "plain"
    NEW_ONLY = "new-only"  # as a class without its __init__
    CLASS_FIRST = "class-first"
    NAME_FIRST = "name-first"
    CALL_FIRST = "call-first"
    BOUND_METHOD = "bound-method"
    NESTED = "nested"


RULES = (
    ("classes", Rule.NEW_ONLY),
    ("called", Rule.PLAIN),
    ("functions", Rule.PLAIN),
    ("ufuncs", Rule.PLAIN),
    ("referenced", Rule.NEVER),
)
KINDS = (
    *(kind for kind, _ in RULES),
    "rules",
    "left_out",
    "hooks",
    "compiled",
)  # what has a module for a key


class Lists(msgspec.Struct, frozen=True, eq=False):
    """All lists as one.

    names     (module, path) to how it may be called
    packages  top-level module to the package that one pins
    partial   those of which a part was read: what is not listed may be anything
    compiled  modules of machine code, whose classes are pickled by class and arguments
    feared    top-level modules of which only what is listed is harmless
    left_out  classes that were read and are not harmless to make or change, with the reason
    verbs     words in the name of a function that opens, fetches, runs or writes
    tools     modules, by the words in their names, that build, test or start things
    hooks     methods that a class hooks its own objects to: read, and they reach for nothing
    """

    names: dict[tuple[str, str], Rule]
    packages: dict[str, str]
    partial: frozenset[str]
    compiled: frozenset[str]
    feared: frozenset[str]
    left_out: dict[tuple[str, str], str]
    verbs: re.Pattern[str]
    tools: frozenset[str]
    hooks: frozenset[tuple[str, str]]


@cache
def _texts() -> dict[str, bytes]:
    """Every file as it is, by its name."""
    return {one.name: one.read_bytes() for one in HOME.iterdir()}


@cache
def _file(name: str) -> dict[str, Any]:
    """What a file says."""
    held: dict[str, Any] = msgspec.json.decode(_texts()[name])
    return held


def _speaks_of(file: str, top: str) -> bool:
    """Whether a file speaks of a top-level module: most do not have its name at all."""
    text, name = _texts()[file], top.encode("utf-8", "surrogatepass")
    if file == FEARED or not (b'"%b"' % name in text or b'"%b.' % name in text):
        return False
    return any(module.partition(".")[0] == top for kind in KINDS for module in _file(file).get(kind, ()))


@lru_cache(ASKED)
def _by_top(top: str) -> tuple[str, ...]:
    """The files that speak of a top-level module."""
    return tuple(file for file in _texts() if _speaks_of(file, top))


def lists(module: str | None = None) -> Lists:
    """The lists as far as they speak of this module; all of them without one."""
    if module is None:
        return _read(tuple(one for one in _texts() if one != FEARED))
    return _of_module(module)


@lru_cache(ASKED)
def _of_module(module: str) -> Lists:
    return _read(_by_top(module.partition(".")[0]))


def feared() -> frozenset[str]:
    """Top-level modules of which only what is listed is harmless."""
    return lists("").feared


@cache
def _read(some: tuple[str, ...]) -> Lists:
    """Some files as one, with what is feared."""
    names: dict[tuple[str, str], Rule] = {}
    packages: dict[str, str] = {}
    partial: set[str] = set()
    compiled: set[str] = set()
    left_out: dict[tuple[str, str], str] = {}
    hooks: set[tuple[str, str]] = set()
    for held in map(_file, some):
        compiled |= set(held.get("compiled", ()))
        for module, said in held.get("left_out", {}).items():
            left_out |= {(module, one.partition(": ")[0]): one.partition(": ")[2] for one in said}
        hooks |= {(module, path) for module, said in held.get("hooks", {}).items() for path in said}
        for module, path, rule in _rows(held):
            if names.get((module, path), Rule.NEW_ONLY) in (Rule.NEW_ONLY, Rule.NEVER):
                names[module, path] = rule
            packages[module.partition(".")[0]] = held["package"]
        partial |= {held["package"]} if held.get("partial") else set()
    words = _file(FEARED)
    return Lists(
        names=names,
        packages={top: name for top, name in packages.items() if name != "python"},
        partial=frozenset(partial),
        compiled=frozenset(compiled),
        feared=frozenset(words["modules"]),
        left_out=left_out,
        verbs=_verbs(**words["function_words"]),
        tools=frozenset(words["module_words"]["words"]),
        hooks=frozenset(hooks),
    )


def _verbs(*, words: list[str], parts: list[str], **_: str) -> re.Pattern[str]:
    """Names that have one of the words between underscores, or one of the parts anywhere."""
    return re.compile(rf".*(?:{'|'.join(parts)}).*|(?:.*_)?(?:{'|'.join(words)})(?:_.*)?")


def _rows(held: dict[str, Any]) -> Iterator[tuple[str, str, Rule]]:
    for kind, rule in RULES:
        for module, paths in held.get(kind, {}).items():
            yield from ((module, path, rule) for path in paths)
    for module, rules in held.get("rules", {}).items():
        yield from ((module, path, Rule(rule)) for path, rule in rules.items())


def today(module: str) -> str:
    """The module's name since numpy 2.0."""
    return module.replace("numpy.core", "numpy._core", 1) if module.startswith("numpy.core") else module


def standing(module: str, path: str) -> Standing:
    """How far a name is known that an unpickler would look up."""
    return _standing(lists(module), module, path)


@lru_cache(ASKED)
def _standing(known: Lists, module: str, path: str) -> Standing:
    if (today(module), path) in known.names:
        return Standing.LISTED
    if not (NAME.fullmatch(module) and NAME.fullmatch(path)):
        return Standing.NO_NAME
    top = module.partition(".")[0]
    if top == TORCHSCRIPT:
        return Standing.LISTED
    if top in known.feared or "." in path:
        return Standing.LISTED if _is_method(known, module, path) else Standing.FEARED
    if top in known.packages and known.packages[top] not in known.partial:
        return (
            Standing.LISTED
            if CYTHON.fullmatch(path) or _is_compiled(known, module, path)
            else Standing.KNOWN_PACKAGE
        )
    return Standing.UNKNOWN_PACKAGE


def rule_of(module: str, path: str) -> Rule | None:
    """How a name may be called; None where it may not."""
    return _rule_of(lists(module), module, path)


@lru_cache(ASKED)
def _rule_of(known: Lists, module: str, path: str) -> Rule | None:
    if module.partition(".")[0] == TORCHSCRIPT:
        return Rule.NEW_ONLY
    if CYTHON.fullmatch(path) and module.partition(".")[0] in known.packages:
        return Rule.CLASS_FIRST
    if _is_compiled(known, module, path):
        return Rule.PLAIN
    if _is_method(known, module, path):
        return Rule.NEVER
    return known.names.get((today(module), path))


def _is_method(known: Lists, module: str, path: str) -> bool:
    """Whether this is a method of a listed class of a package, one that reaches for nothing."""
    owner, _, name = path.partition(".")
    is_plain = name.isidentifier() and not name.startswith("__") and known.verbs.fullmatch(name) is None
    is_listed = (today(module), owner) in known.names
    return is_plain and is_listed and module.partition(".")[0] in known.packages


def _is_compiled(known: Lists, module: str, path: str) -> bool:
    is_class = CLASS.fullmatch(path) is not None and not READER.search(path)
    return is_class and today(module) in known.compiled


def reaches_out(module: str, path: str) -> bool:
    """Whether a function of a known package is one that opens, fetches, runs or writes.

    Its name says so, or that of its module; a class is judged by what was read of it.
    """
    known = lists(module)
    if CLASS.fullmatch(path) or (module, path) in known.left_out:
        return False
    return known.verbs.fullmatch(path) is not None or not known.tools.isdisjoint(module.split("."))


def is_own_hook(module: str, owner: str, method: str) -> bool:
    """Whether the class hooks its own objects to that method of theirs, which reaches for nothing."""
    return (today(module), f"{owner}.{method}") in lists(module).hooks


def left_out(module: str, path: str) -> str:
    """Why a class that was read is not listed; empty where it is, or was not read."""
    return lists(module).left_out.get((today(module), path), "")


def package_of(module: str) -> str:
    """The package that one would pin for this module; empty for Python's own."""
    return lists(module).packages.get(module.partition(".")[0], "")


@cache
def lists_digest() -> str:
    """What tells one edition of the lists from another."""
    return manifest_digest({one.name: digest_of(one.read_bytes()) for one in HOME.iterdir()})
