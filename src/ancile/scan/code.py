"""Sources beside a model, Python and shell: what they reach for, and what they do before anyone asks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, error, examine, fail, ok, warn
from ancile.core.text import plain
from ancile.formats import python_source, shell_source
from ancile.formats.python_names import CODE, FILES, INSIDE, NATIVE, NETWORK, PICKLE, PROCESS
from ancile.formats.python_source import Reach, Source
from ancile.scan.names import feared
from ancile.scan.part import Formatted, Part

EXECUTES = ("CWE-94 (CWE 4.17)", "AML.T0011.000 (ATLAS 5.6.0)")
SHOWN = 20
FETCHES_SHOWN = 200  # characters of what is fetched
# What no script is called: weights, data, texts, pictures. A name that says nothing is none of these
PACKED = re.compile(r"\.(gz|bz2|xz|lzma|zst|lz4|zlib|z)$")
DATA = re.compile(
    r"\.(?:bin|pt\d?|pth|ckpt|pkl|pickle|joblib|dill|np[yz]|safetensors|gguf|ggml|onnx|ort|tflite|keras|h5|hdf5"
    r"|pb|pbtxt|mar|nemo|model|params|msgpack|ubj|cbm|skops|mlmodel|pte|engine|data|dat|db|parquet|arrow|feather"
    r"|jsonl?|ya?ml|toml|ini|cfg|conf|csv|tsv|txt|md|rst|log|lock|pdf|xml|html?|jinja2?|ipynb"
    r"|png|jpe?g|gif|webp|svg|bmp|tiff?|ico|mp[34]|wav|flac|ogg|woff2?|zip|tar|gz|bz2|xz|7z|zst|lz4)$"
)
COMMANDS = (".sh", ".bash", ".zsh", ".ksh", ".bat", ".cmd", ".ps1", ".vbs", ".command")
OTHERS = (".js", ".mjs", ".cjs", ".ts", ".lua", ".r", ".pl", ".rb", ".php", ".java", ".go")
STARTED = (
    ".pth",
    "sitecustomize.py",
    "usercustomize.py",
)  # what the interpreter runs when it starts: site.py
GRAVE_ON_IMPORT = (PROCESS, NETWORK, CODE, NATIVE)
MILD = (PROCESS, NETWORK, CODE, NATIVE, PICKLE, INSIDE, FILES)
# Of the network, what sends rather than fetches
SENDS = re.compile(
    r".*\.(?:post|put|patch|socket|create_connection|SMTP\w*|FTP\w*|HTTPS?Connection|open_connection)"
)
CALM = ("timeit.", "torch.hub.load_state")  # what libraries do as well


class CodeFacts(NamedTuple):
    """A source: what it reaches for, and its shell commands that no model needs.

    disguised  a script under a name that no script has
    startup    run by every Python that starts
    notebook   a person runs it, cell by cell
    """

    part: Part
    source: Source
    commands: tuple[tuple[int, str], ...] = ()
    disguised: str = ""
    startup: str = ""
    notebook: bool = False
    fetches: str = ""


WHEN = {
    "import": "as soon as it is imported",
    "hook": "when the model is loaded or asked",
    "start": "when an object is made or dropped",
    "later": "when it is called",
}


def _told(facts: CodeFacts, reaches: list[Reach]) -> Iterator[Remark]:
    for one in list(dict.fromkeys(reaches))[:SHOWN]:
        yield fail(
            f"line {one.line}: {plain(one.what, 80)} reaches for {one.kind} {WHEN[one.when]}",
            where=facts.part.where(),
        )
    if not reaches:
        yield ok()


def _is_grave(facts: CodeFacts, one: Reach) -> bool:
    """Whether no model's code has a use for it there.

    Libraries start processes and evaluate texts too, in functions that somebody calls: that is looked at.
    What runs unasked is an attack, and so is what hides what it does, wherever it stands.
    """
    if one.hidden:
        return True
    if facts.notebook or one.what.startswith(CALM):
        return False
    if one.when == "import":
        return one.kind in GRAVE_ON_IMPORT
    if one.when == "hook":
        is_code = one.kind == CODE and one.what != "builtins.eval"
        sends = one.kind == NETWORK and SENDS.fullmatch(one.what) is not None
        builds = one.what.startswith("torch.utils.cpp_extension.")  # its own operators
        return one.kind == PROCESS or (one.kind == NATIVE and not builds) or is_code or sends
    if one.when == "start":
        return one.kind == PROCESS and (
            not one.what.startswith("subprocess.") or one.what.endswith(" a shell")
        )
    return False


@check("code-reaches-out", severity="critical", refs=EXECUTES)
def reaches_out(facts: CodeFacts) -> Iterator[Remark]:
    """A source beside a model starts processes, opens connections or runs hidden code.

    Why   It does so when it is imported or when the model is loaded; loading with remote code allowed, a
          model server or an installer is enough.
    Fix   Do not load the model with its code. Read the code; ask the publisher for weights alone.
    """
    return _told(facts, [one for one in facts.source.reaches if _is_grave(facts, one)])


def _is_mild(facts: CodeFacts, one: Reach) -> bool:
    """Whether somebody should look at it: a person runs a notebook, cell by cell, and sees what it does."""
    if facts.notebook:
        return one.kind == PROCESS or (one.kind == NATIVE and one.what.endswith(" of a file"))
    return one.kind in MILD


@check("code-may-reach-out", severity="medium", refs=EXECUTES)
def may_reach_out(facts: CodeFacts) -> Iterator[Remark]:
    """A source beside a model can start processes, open connections or unpickle when it is called.

    Why   What it fetches or opens then is not here to be examined.
    Fix   Read the places that are named before you let the code run.
    """
    milder = [one for one in facts.source.reaches if not _is_grave(facts, one) and _is_mild(facts, one)]
    return _told(facts, milder)


@check("code-private-places", severity="high", refs=("CWE-200 (CWE 4.17)", "AML.T0025 (ATLAS 5.6.0)"))
def private_places(facts: CodeFacts) -> Iterator[Remark]:
    """A source names places where a user's secrets lie.

    Why   No model needs keys, passwords or start-up files of whoever runs it.
    Fix   Do not run it, and keep it as evidence.
    """
    for line, what in facts.source.private[:SHOWN]:
        yield fail(f"line {line}: {plain(what, 80)}", where=facts.part.where())
    if not facts.source.private:
        yield ok()


@check("code-hostile-command", severity="critical", refs=("CWE-78 (CWE 4.17)", "AML.T0011.000 (ATLAS 5.6.0)"))
def hostile_command(facts: CodeFacts) -> Iterator[Remark]:
    """A shell command runs what it fetches, hands out a shell, or touches what is not the model's.

    Why   These are the forms of an attack; no model needs them.
    Fix   Do not run it, and keep it as evidence.
    """
    for line, what in facts.commands[:SHOWN]:
        yield fail(f"line {line}: {what}", where=facts.part.where())
    if not facts.commands:
        yield ok()


@check("code-disguised", severity="high", refs=("CWE-434 (CWE 4.17)",))
def disguised(facts: CodeFacts) -> Iterator[Remark]:
    """A program stands under a name that no program has.

    Why   It is meant to be taken for weights or data by whoever looks at names.
    Fix   Remove it; ask what it is for.
    """
    yield fail(facts.disguised, where=facts.part.where()) if facts.disguised else ok()


@check("code-at-startup", severity="high", refs=EXECUTES)
def at_startup(facts: CodeFacts) -> Iterator[Remark]:
    """A file is of the kind that Python runs whenever it starts.

    Why   Unpacked among the packages it runs in every program, with or without the model.
    Fix   Remove it; no model has a use for it.
    """
    yield fail(facts.startup, where=facts.part.where()) if facts.startup else ok()


@check("code-not-parsed", severity="medium", refs=EXECUTES)
def not_parsed(facts: CodeFacts) -> Iterator[Remark]:
    """A source could not be parsed.

    Why   Another version of its language may run it; nothing is known of what it does.
    Fix   Read it before you run it, or remove it.
    """
    if facts.source.fault:
        yield error(plain(facts.source.fault), where=facts.part.where())
    else:
        yield ok()


@check("code-fetches", severity="low", refs=EXECUTES)
def fetches(facts: CodeFacts) -> Iterator[Remark]:
    """A script or notebook fetches something, or runs commands.

    Why   What it fetches is not here to be examined.
    Fix   Scan what it fetched before you open that.
    """
    yield warn(facts.fetches, where=facts.part.where()) if facts.fetches else ok()


CODE_CHECKS: tuple[Check[CodeFacts], ...] = (
    reaches_out,
    may_reach_out,
    private_places,
    hostile_command,
    disguised,
    at_startup,
    not_parsed,
    fetches,
)


def is_marker(part: Part) -> bool:
    """Whether this is an empty source: it makes its folder a package, and does nothing."""
    return len(part.data) == 0 and name_of(part).endswith((".py", ".pyi", "py.typed"))


def examine_marker(part: Part) -> Iterator[Formatted | Part]:
    """Nothing is in it."""
    yield Formatted("python", examine(CODE_CHECKS, CodeFacts(part, Source())))


def examine_python(
    part: Part, text: str, *, notebook: bool = False, commands: str = "", sets_off: Sequence[str] = ()
) -> Formatted | None:
    """What a Python source does; None where the text is none.

    commands  of a shell that stand beside it
    sets_off  what it runs that stands elsewhere, in words
    """
    name = name_of(part)
    source = python_source.parse(text, is_source=name.endswith(".py"))
    if source.fault and not (notebook or name.endswith(".py")):
        source = Source()  # prose has words in common with Python
    told = shell_source.hostile(commands) if commands else []
    for line, argument in source.texts:
        told += ((line, what) for _, what in shell_source.hostile(argument))
    startup = name if name.endswith(STARTED) and source.is_code else ""
    if not (
        source.is_code or source.reaches or source.private or source.fault or told or commands or sets_off
    ):
        return None
    fetches = ", ".join(dict.fromkeys([*sets_off, *shell_source.fetches(commands)]))
    facts = CodeFacts(
        part, source, tuple(told), startup=startup, notebook=notebook, fetches=plain(fetches, FETCHES_SHOWN)
    )
    packages = frozenset(one for one in source.imports if one and one not in feared())
    return Formatted("notebook" if notebook else "python", examine(CODE_CHECKS, facts), packages)


def examine_script(part: Part, text: str) -> Formatted | None:
    """What a script does whose first line or whose name says which program runs it; None for any other."""
    begun = shell_source.SHEBANG.match(text)
    name = name_of(part)
    other = [Reach(line, PROCESS, said, "later") for line, said in shell_source.starts(text)]
    if begun is None and not name.endswith(COMMANDS) and not (other and name.endswith(OTHERS)):
        return None
    said = f"a script for {begun[1]}" if begun else f"a script called {plain(name, 80)}"
    hidden = begun is not None and DATA.search(name) is not None
    facts = CodeFacts(
        part,
        Source(reaches=other),
        tuple(shell_source.hostile(text)),
        disguised=said if hidden else "",
        fetches=said,
    )
    return Formatted("script", examine(CODE_CHECKS, facts))


def name_of(part: Part) -> str:
    """The file's own name, in small letters; of what was compressed, without the ending that says so."""
    whole, streams = part.path, 0
    for one in part.members:
        whole, streams = (whole, streams + 1) if one.startswith("(") else (one, 0)
    name = whole.replace("\\", "/").rpartition("/")[2].lower()
    for _ in range(streams):
        name = PACKED.sub("", name)
    return name
