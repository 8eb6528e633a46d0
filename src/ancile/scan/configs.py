"""Configurations that name code, files or packages: JSON, YAML, TOML, requirements, XML."""

# ruff: noqa: E501 - sets of names in rows, patterns in one piece

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine, fail, ok
from ancile.core.text import plain
from ancile.formats.json_text import Document, Json, Value, walk
from ancile.formats.python_names import PICKLE, reach
from ancile.formats.python_resolve import through
from ancile.formats.python_source import parse
from ancile.scan.config_lines import (
    commands,
    commands_of,
    named_in,
    places_of_packages,
    tags_in,
    unescaped,
    unfolds,
)
from ancile.scan.names import feared, package_of, reaches_out
from ancile.scan.part import Formatted, Part
from ancile.scan.snippets import acts

CODE = ("CWE-829 (CWE 4.17)", "AML.T0011.000 (ATLAS 5.6.0)")
SHOWN = 20
# Packages whose classes a configuration may name; what is in them is code that somebody installed on purpose
KNOWN = frozenset(
    {
        "accelerate", "catboost", "datasets", "diffusers", "evaluate", "hydra", "keras", "lightgbm", "lightning",
        "mlflow", "monai", "nemo", "numpy", "omegaconf", "onnx", "onnxruntime", "pandas", "peft", "pl_bolts",
        "pytorch_lightning", "scipy", "sentence_transformers", "sklearn", "spacy", "speechbrain", "statsmodels",
        "tensorflow", "tf_keras", "timm", "tokenizers", "torch", "torchaudio", "torchmetrics", "torchtext",
        "torchvision", "transformers", "trl", "xgboost",
    }
)  # fmt: skip
CALLED = ("_target_", "loader_module", "_component_", "class_path")
# What looks up by name whatever its arguments say: hydra/utils.py
GETTERS = re.compile(r"hydra\.(?:utils|_internal\.utils)\.\w+|importlib\.\w+|pydoc\.locate")
# Packages of which a function that opens or runs something is no part of a model's description
COMPUTING = frozenset({"joblib", "numpy", "pandas", "scipy", "sklearn", "torch"})
SMALL = 1 << 18  # characters of a document in which code among the texts is looked for
AUTO_MAP = re.compile(r"(?m)^[ \t]{0,40}[\"']?auto_map[\"']?[ \t]{0,40}:")
ENTITY = re.compile(
    r"<!ENTITY\b|<!DOCTYPE[^>\[]{0,400}\b(?:SYSTEM|PUBLIC)\b[^>]{0,400}\[|<xi:include\b|<!DOCTYPE\s{1,40}\S{1,80}\s{1,40}SYSTEM\b"
)


class ConfigFacts(NamedTuple):
    """What a configuration names, each in words."""

    part: Part
    remote: tuple[str, ...] = ()
    own_code: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    packages_from: tuple[str, ...] = ()
    open_packages_from: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    unfolds: str = ""


def _told(facts: ConfigFacts, words: tuple[str, ...]) -> Iterator[Remark]:
    for one in words[:SHOWN]:
        yield fail(plain(one, 120), where=facts.part.where())
    if not words:
        yield ok()


@check("config-code-elsewhere", severity="high", refs=CODE)
def code_elsewhere(facts: ConfigFacts) -> Iterator[Remark]:
    """A configuration takes the model's code from another repository.

    Why   Whoever may write there changes what runs here; nothing of it was examined.
    Fix   Do not allow remote code; ask for a model that needs none, or copy the code and read it.
    """
    return _told(facts, facts.remote)


@check("config-own-code", severity="medium", refs=CODE)
def own_code(facts: ConfigFacts) -> Iterator[Remark]:
    """A configuration names code that comes with the model.

    Why   A loader that allows remote code imports it.
    Fix   Read that code, and pin the revision; or load without remote code.
    """
    return _told(facts, facts.own_code)


@check("config-calls", severity="critical", refs=("CWE-470 (CWE 4.17)",))
def calls(facts: ConfigFacts) -> Iterator[Remark]:
    """A configuration names a function that starts processes, runs code or reaches for the network.

    Why   Whatever builds objects from the configuration calls it.
    Fix   Do not load it, and keep it as evidence.
    """
    return _told(facts, facts.calls)


@check("config-leaves-folder", severity="high", refs=("CWE-22 (CWE 4.17)",))
def leaves_folder(facts: ConfigFacts) -> Iterator[Remark]:
    """A configuration names a file outside the model's folder.

    Why   Loading the model reads whatever lies there.
    Fix   Do not load it; ask for a model whose files lie in its folder.
    """
    return _told(facts, facts.outside)


@check("config-repeated-key", severity="high", refs=("CWE-436 (CWE 4.17)",))
def repeated_key(facts: ConfigFacts) -> Iterator[Remark]:
    """A key stands twice in an object, with different values.

    Why   Readers disagree about which counts: what one examines is not what another obeys.
    Fix   Do not load it; ask how it was made.
    """
    return _told(facts, facts.repeated)


@check("config-tag", severity="critical", refs=("CWE-502 (CWE 4.17)", "AML.T0011.000 (ATLAS 5.6.0)"))
def tag(facts: ConfigFacts) -> Iterator[Remark]:
    """A YAML document asks its loader for objects.

    Why   Loaders that are not safe ones call what the tag names.
    Fix   Do not load it but with a safe loader; ask for plain values.
    """
    return _told(facts, facts.tags)


@check("config-unfolds", severity="high", refs=("CWE-776 (CWE 4.17)",))
def unfolding(facts: ConfigFacts) -> Iterator[Remark]:
    """A small document unfolds to more values than fit in memory.

    Why   It stops whoever loads or prints it.
    Fix   Do not load it.
    """
    yield fail(facts.unfolds, where=facts.part.where()) if facts.unfolds else ok()


@check("config-open-index", severity="high", refs=("CWE-829 (CWE 4.17)", "AML.T0010.001 (ATLAS 5.6.0)"))
def open_index(facts: ConfigFacts) -> Iterator[Remark]:
    """Requirements take packages over a connection that anybody on the way may change.

    Why   Installing a package runs its code.
    Fix   Do not install them; name versions of packages from an index that you trust.
    """
    return _told(facts, facts.open_packages_from)


@check("config-other-index", severity="medium", refs=("CWE-829 (CWE 4.17)", "AML.T0010.001 (ATLAS 5.6.0)"))
def other_index(facts: ConfigFacts) -> Iterator[Remark]:
    """Requirements take packages from an index or repository of their own.

    Why   Installing a package runs its code; the usual index does not vouch for this one.
    Fix   See who runs that index, and pin digests.
    """
    return _told(facts, facts.packages_from)


@check("config-entity", severity="high", refs=("CWE-611 (CWE 4.17)", "CWE-776 (CWE 4.17)"))
def entity(facts: ConfigFacts) -> Iterator[Remark]:
    """An XML document declares entities or includes others.

    Why   A reader that resolves them reads files, opens connections or fills memory.
    Fix   Do not open it; no model format needs entities.
    """
    return _told(facts, facts.entities)


@check("config-command", severity="medium", refs=("CWE-78 (CWE 4.17)", "AML.T0011.000 (ATLAS 5.6.0)"))
def command(facts: ConfigFacts) -> Iterator[Remark]:
    """A configuration holds a command that runs what it fetches, or one that an attack would use.

    Why   An editor, an installer, a version control system or a pipeline runs it, often unasked.
    Fix   Read it; write down what is installed, with its version, instead of piping it to a shell.
    """
    return _told(facts, facts.commands)


CONFIG_CHECKS: tuple[Check[ConfigFacts], ...] = (
    code_elsewhere,
    own_code,
    calls,
    leaves_folder,
    repeated_key,
    tag,
    unfolding,
    open_index,
    other_index,
    entity,
    command,
)


class _Noted:
    """What is found on the way through one configuration."""

    def __init__(self) -> None:
        self.remote: list[str] = []
        self.own: list[str] = []
        self.calls: list[str] = []
        self.outside: list[str] = []
        self.commands: list[str] = []
        self.packages: set[str] = set()

    def named(self, name: str, *, where: str) -> None:
        """A dotted name that a loader imports."""
        top, _, last = name.partition(".")[0], "", name.rpartition(".")[2]
        shown = f"{where}: {name}"
        is_class = last[:1].isupper()
        if reach(name) or through(name) or GETTERS.fullmatch(name) or (top in feared() and not is_class):
            self.calls.append(shown)
        elif top not in feared():
            opens = top in COMPUTING and reaches_out(name.rpartition(".")[0], last)
            foreign = top not in KNOWN and (where == "loader_module" or not is_class)
            if opens or foreign:
                self.own.append(shown)
            self.packages.add(package_of(top) or top)


def examine_json(part: Part, document: Document) -> Formatted:
    """What a JSON document names."""
    noted = _Noted()
    for one in walk(document.root):
        _json_value(one, noted)
    if isinstance(document.root, list):
        _modules(document.root, noted)
    elif isinstance(document.root, dict) and "_class_name" in document.root:
        _pipeline(document.root, noted)
    texts = [one for one in walk(document.root) if isinstance(one.value, str)]
    if sum(len(str(one.value)) for one in texts) < SMALL:
        noted.own += (f"{'.'.join(one.path)}: {piece}" for one in texts if (piece := _code(str(one.value))))
    facts = ConfigFacts(
        part,
        tuple(noted.remote),
        tuple(noted.own),
        tuple(noted.calls),
        tuple(noted.outside),
        tuple(document.repeated),
        commands=tuple(noted.commands),
    )
    return Formatted("json", examine(CONFIG_CHECKS, facts), frozenset(noted.packages))


def _json_value(one: Value, noted: _Noted) -> None:
    key = one.path[-1] if one.path else ""
    if key in ("auto_map", "custom_pipelines", "impl", "custom_generate") and one.value:
        for text in _texts(one.value):
            if "--" in text or "://" in text:
                noted.remote.append(f"{key}: {text}")
            elif key != "impl":
                noted.own.append(f"{key}: {text}")
    elif key in CALLED and isinstance(one.value, str):
        noted.named(one.value, where=key)
    elif isinstance(one.value, str) and "weight_map" in one.path[:-1] and _leaves(one.value):
        noted.outside.append(f"weight_map: {one.value}")
    elif isinstance(one.value, str) and key.endswith(("_file", "_files", "filename", "File")):
        if ".." in re.split(r"[/\\]", one.value):
            noted.outside.append(f"{key}: {one.value}")
    elif isinstance(one.value, str) and (said := commands_of(key, one.value)):
        noted.commands.append(said)
    elif (
        key == "parent_library"
        and isinstance(one.value, str)
        and one.value.startswith("transformers_modules")
    ):
        noted.own.append(f"{key}: {one.value}")
    elif key == "_class_name" and isinstance(one.value, list):
        noted.own.append(f"{key}: {' '.join(_texts(one.value))}")


def _modules(root: list[Json], noted: _Noted) -> None:
    """``modules.json`` of sentence-transformers: each type is imported."""
    for one in root:
        if isinstance(one, dict) and {"idx", "path", "type"} <= set(one):
            name, path = str(one["type"]), str(one["path"])
            if reach(name):
                noted.calls.append(f"type: {name}")
            elif name.partition(".")[0] not in KNOWN:
                noted.own.append(f"type: {name}")
            if path and _leaves(path):
                noted.outside.append(f"path: {path}")


def _code(text: str) -> str:
    """What a text would do that is Python as a whole; empty for words about Python."""
    piece = acts(text)
    return piece if piece and any(one.kind != PICKLE for one in parse(text).reaches) else ""


def _pipeline(root: dict[str, Json], noted: _Noted) -> None:
    """``model_index.json`` of diffusers: each part is a library, or a module of diffusers, and a class."""
    for key, value in root.items():
        if key.startswith("_") or not isinstance(value, list) or len(value) != 2:
            continue
        library, name = value
        if not isinstance(library, str) or not isinstance(name, str):
            continue
        own = name.lower().startswith(library.replace("_", "").lower())
        if library.partition(".")[0] in feared():
            noted.calls.append(f"{key}: {library}.{name}")
        elif library.partition(".")[0] not in KNOWN and not own:
            noted.own.append(f"{key}: {library}.{name}")


def _texts(value: Json) -> Iterator[str]:
    return (one.value for one in walk(value) if isinstance(one.value, str))


def _leaves(name: str) -> bool:
    steps = re.split(r"[/\\]", name)
    return ".." in steps or name.startswith(("/", "\\", "~")) or ":" in steps[0]


def examine_lines(part: Part, text: str) -> Formatted | None:
    """What YAML, TOML, requirements or XML name; None where nothing in the text is of that kind."""
    noted = _Noted()
    plain_text = unescaped(text)
    for where, name in named_in(plain_text):
        noted.named(name, where=where)
    if AUTO_MAP.search(text):
        noted.own.append("auto_map")
    tags = [*dict.fromkeys([*tags_in(text), *tags_in(plain_text)])]
    places = places_of_packages(text)
    open_places = [
        one for one in places if one.startswith(("http:", "ftp:", "file:", "git:", "git+http:", "git+git:"))
    ]
    is_xml = text.lstrip("\ufeff \t\r\n").startswith("<")
    entities = [one.group() for one in ENTITY.finditer(text)] if is_xml else []
    facts = ConfigFacts(
        part,
        own_code=tuple(noted.own),
        calls=tuple(noted.calls),
        tags=tuple(tags),
        packages_from=tuple(one for one in places if one not in open_places),
        open_packages_from=tuple(open_places),
        entities=tuple(dict.fromkeys(entities)),
        commands=tuple(commands(text)),
        unfolds=unfolds(text),
    )
    if not (any(facts[1:]) or noted.packages):
        return None
    return Formatted("text", examine(CONFIG_CHECKS, facts), frozenset(noted.packages))
