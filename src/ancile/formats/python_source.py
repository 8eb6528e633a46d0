"""What a Python source reaches for, and when it does so: parsed, never run.

CPython's own parser; names are followed through imports, assignments, ``getattr``, ``__import__`` and
constants that are put together.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ancile.formats.python_folding import Constant, folded
from ancile.formats.python_hooks import FUNCTIONS, When, is_main, runs
from ancile.formats.python_names import (
    CALLED_ONLY,
    CODE,
    FILES,
    INSIDE,
    LADDER,
    NATIVE,
    NETWORK,
    PICKLE,
    PRIVATE,
    PROCESS,
    RUNS_FROM,
    TURNS,
    reach,
)
from ancile.formats.python_resolve import MODULES, Names, through

LARGEST = 2 << 20  # characters that are parsed: a tree takes a hundred times as much
HINT = re.compile(
    r"\b(import|exec|eval|compile|getattr|globals|open|lambda|class|def)\b|__\w+__|^\w[\w.]*\(", re.MULTILINE
)
COOKIE = re.compile(r"\A(?:[^\n]*\n)?[ \t\f]*#[^\n]*?coding[:=][ \t]*([-\w.]+)")
PLAIN_ENCODINGS = re.compile(
    r"(?i)utf[-_]?8(-sig)?(-unix|-dos)?|u?ascii|us-ascii|latin[-_]?1|iso-8859-\d+|cp125\d"
)
STEALTHY = re.compile(r"(?i)rot|utf[-_]?(7|16|32)|unicode|escape|punycode|idna|base64|hex|zlib|bz2|uu")
UNSAFE = (("allow_pickle", True), ("weights_only", False), ("trust_remote_code", True))
# Programs that run what they are given, or that came with the model
SHELL = re.compile(
    r"(?:[\w/]*/)?(?:(?:ba|da|z|k|c)?sh|curl|wget|nc|ncat|python[\d.]*|powershell|cmd)(?:\.exe)?(?:\s.*)?"
    r"|\.{1,2}/.*|/tmp/.*|/dev/shm/.*",
    re.DOTALL,
)
LIBRARY = re.compile(r"(?:lib)?[\w+-]+(?:\.so(?:\.\d+)*|\.dylib|\.dll)?")  # that the system finds by itself
ARCHIVED = re.compile(r"/(?:tmp|dev/shm)/.*|.*\.(?!py$)[A-Za-z]\w+")
OUTSIDE = re.compile(r"/(?!tmp/|dev/null)|~|[A-Za-z]:[\\/]")
LOADERS = (
    "torch.load",
    "pickle.load",
    "pickle.loads",
    "joblib.load",
    "numpy.load",
    "safetensors.torch.load_file",
)
RUNNERS = tuple(f"builtins.{name}" for name in ("open", "exec", "eval", "__import__", "compile"))
HOMES = ("expanduser", "home", "getsitepackages", "getusersitepackages")
WRITES = re.compile(r"[wax+]")


class Reach(NamedTuple):
    """A place that reaches for something.

    when    it does: on import, when a loader or server calls what it always calls, when an object is made
            or dropped, or later
    hidden  whether what it reaches for is disguised, decoded, fetched or taken from the interpreter's insides
    """

    line: int
    kind: str
    what: str
    when: When
    hidden: bool = False

    @property
    def now(self) -> bool:
        """Whether importing or loading is enough."""
        return self.when != "later"


@dataclass
class Source:
    """What a source does.

    imports   top-level modules
    texts     constant arguments of what starts processes, with their lines
    is_code   whether there is anything but names and constants
    fault     why it could not be parsed
    """

    reaches: list[Reach] = field(default_factory=list)
    private: list[tuple[int, str]] = field(default_factory=list)
    texts: list[tuple[int, str]] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    is_code: bool = False
    is_script: bool = False
    fault: str = ""


def parse(text: str, *, is_source: bool = False) -> Source:
    """What a source does; whatever the parser refuses is a fault.

    is_source  whether an interpreter takes it for one whatever it looks like
    """
    found = Source()
    cookie = COOKIE.match(text)
    if cookie and not PLAIN_ENCODINGS.fullmatch(cookie[1]) and (is_source or HINT.search(text)):
        hidden = STEALTHY.search(cookie[1]) is not None
        found.reaches.append(Reach(1, CODE, f"source in the encoding {cookie[1]}", "import", hidden=hidden))
    if not (is_source or HINT.search(text)):
        return found
    if len(text) > LARGEST:
        found.fault = f"more than {LARGEST} characters"
        return found
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.lstrip("\ufeff"))
        _Walk(tree, text, found).run()
    except (SyntaxError, ValueError, OverflowError) as reason:
        found.fault = str(reason)
    except (RecursionError, MemoryError):
        found.fault = "it nests too deep"
    return found


class _Walk:
    def __init__(self, tree: ast.Module, text: str, found: Source) -> None:
        self.tree = tree
        self.found = found
        every = list(ast.walk(tree))
        self.names = Names(every, text)
        self.runs = runs(tree, every)
        self.called: set[int] = set()  # names that a call stands for

    def run(self) -> None:
        self.found.imports |= self.names.imports
        self.found.is_code = bool(self.names.imports) or any(
            isinstance(one, ast.Import | ast.ImportFrom) for one in self.tree.body
        )
        for statement in self.tree.body:
            self._visit(statement, "import")

    def _note(self, node: ast.expr, kind: str, what: str, when: When, *, hidden: bool = False) -> None:
        self.found.reaches.append(Reach(node.lineno, kind, what, when, hidden))

    def _visit(self, node: ast.AST, when: When) -> None:
        if isinstance(node, FUNCTIONS):
            for one in [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults]:
                if one is not None:
                    self._visit(one, when)
            inner = self.runs.get(node, "later")
            for statement in node.body:
                self._visit(statement, inner)
            return
        if isinstance(node, ast.Expr) and not any(isinstance(one, ast.Call) for one in ast.walk(node)):
            return  # words of a list, or a docstring: nothing is done
        if is_main(node):
            self.found.is_script = True
            when = "later"
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._assigned(target, node.value, when)
        if isinstance(node, ast.expr):
            self._look(node, when)
        for child in ast.iter_child_nodes(node):
            self._visit(child, when)

    def _assigned(self, target: ast.expr, value: ast.expr, when: When) -> None:
        """What is put where others look it up."""
        if isinstance(target, ast.Subscript):
            held, key = self.names.resolve(target.value), folded(target.slice, self.names.values)
            if held == "sys.modules" and isinstance(key, str):
                made = when != "later" and not self.names.resolve(value)
                self._note(target, INSIDE, f"a module in the place of {key}", when, hidden=made)
            if held == "os.environ" and isinstance(key, str):
                self._variable(target, key, when)
        elif isinstance(target, ast.Attribute):
            self._replaced(target, self.names.resolve(target), when)
            if target.attr == "__code__":
                self._note(value, INSIDE, "the code of a function, replaced", when, hidden=when != "later")

    def _variable(self, node: ast.expr, key: str, when: When) -> None:
        if key in RUNS_FROM:
            self._note(node, CODE, f"the variable {key}", when)
        elif key.upper() in TURNS and when == "import":
            self._note(node, NETWORK, f"the variable {key}", "later")

    def _replaced(self, node: ast.expr, name: str, when: When) -> None:
        if name in LOADERS or name.startswith("builtins."):
            self._note(node, INSIDE, f"{name}, replaced", when, hidden=when != "later" and name in RUNNERS)

    def _look(self, node: ast.expr, when: When) -> None:
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and PRIVATE.search(node.value):
                self.found.private.append((node.lineno, node.value))
            return
        if isinstance(node, ast.Call):
            self.found.is_code = True
            self._call(node, when)
        if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
            return
        named = self.names.resolve(node)
        far = through(named) if named else ""
        kind = reach(far or named) if named else ""
        if kind and kind != FILES and not named.startswith(CALLED_ONLY):
            spoken = kind in (NETWORK, NATIVE)  # a call of it is told by itself
            hidden = bool(far) or _is_disguised(node, named)
            if hidden or kind != CODE or id(node) not in self.called:
                self._note(node, kind, named, "later" if spoken else when, hidden=hidden)
        elif isinstance(node, ast.Attribute) and node.attr == "__subclasses__" and _climbs(node):
            self._note(node, INSIDE, node.attr, when, hidden=True)

    def _call(self, node: ast.Call, when: When) -> None:
        names = self.names
        self.called.add(id(node.func))
        function = names.resolve(node.func)
        values = [folded(one, names.values) for one in [*node.args, *(one.value for one in node.keywords)]]
        kind = reach(through(function) or function)
        if kind:
            self._reaching(node, function, kind, when)
        if kind == PICKLE and any(isinstance(one, bytes) for one in values):
            self._note(node, CODE, "a pickle in the source itself", when, hidden=True)
        self._looking(node, function, values, when)
        if when != "later":
            self._leaving(node, function, values, when)
        for keyword in node.keywords:
            if (keyword.arg, folded(keyword.value, names.values)) in UNSAFE:
                self._note(node, PICKLE, f"{keyword.arg}", "later")
        if isinstance(node.func, ast.Name) and node.func.id == "setup":
            self.found.is_script = True

    def _looking(self, node: ast.Call, function: str, values: Sequence[Constant | None], when: When) -> None:
        """Names that a call spells rather than writes, and a shell that is given to a connection."""
        if function == "os.dup2" and "socket" in self.names.imports:
            self._note(node, PROCESS, "a connection in the place of the terminal", when, hidden=True)
        texts = [one for one in values if isinstance(one, str)]
        is_own = any(getattr(one, "id", "") in ("__name__", "__package__") for one in _inside(node.args))
        if function == "builtins.__import__" and node.args and not (isinstance(values[0], str) or is_own):
            self._note(node, CODE, "a computed import", when, hidden=self.names.is_hidden(node.args[0]))
        if function in ("builtins.getattr", "builtins.vars", "builtins.setattr") and node.args:
            self._looked_up(node, function, values, when)
        if function in ("operator.attrgetter", "operator.methodcaller"):
            for one in texts:
                if any(reach(f"{module}.{one}") for module in MODULES):
                    self._note(node, INSIDE, f"{function} of {one}", when, hidden=True)
        if any("!!python/" in one for one in texts):
            self._note(node, CODE, "a YAML tag that calls", when, hidden=True)

    def _leaving(self, node: ast.Call, function: str, values: Sequence[Constant | None], when: When) -> None:
        """Places outside the model's folder that are written, or imported from."""
        is_path = function in ("sys.path.insert", "sys.path.append")
        if is_path and any(isinstance(one, str) and ARCHIVED.fullmatch(one) for one in values):
            self._note(node, INSIDE, "a path of imports that is no folder of sources", when)
        if _last(node.func) in ("open", "write_text", "write_bytes"):
            self._written(node, values, when)

    def _reaching(self, node: ast.Call, function: str, kind: str, when: When) -> None:
        """A call of what reaches for something: what it is given tells more."""
        arguments = [*node.args, *(one.value for one in node.keywords)]
        texts = [text for one in arguments for text in self._texts(one)]
        self.found.texts += [(node.lineno, one) for one in texts]
        given = [one for one in arguments if self.names.is_hidden(one)]
        if kind == CODE:
            acts = any(_acts(text) for text in texts)
            calm = when == "import" and any(text.endswith(".py") for text in texts) and not given
            self._note(node, kind, function, "later" if calm else when, hidden=bool(given) or acts)
        elif kind == PROCESS and (_is_shell(node, self._words(node)) or given):
            self._note(node, kind, f"{function} with a shell", when, hidden=bool(given))
        elif kind == FILES and when != "later":
            away = any(OUTSIDE.match(text) for text in texts) or any(map(self._is_outside, arguments))
            self._note(node, kind, function, when, hidden=away)
        elif kind == NETWORK:
            names_too = function.startswith("socket.get")
            away = any(self.names.is_environ(one, items=names_too) for one in arguments)
            if away or not names_too:
                self._note(node, kind, function, when, hidden=away)
        elif kind == NATIVE:
            calm = function.startswith("ctypes.") and (
                all(LIBRARY.fullmatch(text) for text in texts) if texts else _is_none(node.args[:1])
            )
            what = f"{function} of a file" if texts and not calm else function
            self._note(node, kind, what, "later" if calm else when)

    def _words(self, node: ast.Call) -> list[str]:
        """What a process is started with, as far as it is written there."""
        first = node.args[0] if node.args else None
        items = [first, *getattr(first, "elts", ())]
        return [one for one in (folded(item, self.names.values) for item in items) if isinstance(one, str)]

    def _texts(self, node: ast.expr) -> list[str]:
        """Texts that an argument is, or lists."""
        made = folded(node, self.names.values)
        if isinstance(made, str):
            return [made]
        items = [folded(one, self.names.values) for one in getattr(node, "elts", ())]
        words = [one for one in items if isinstance(one, str)]
        joined = [" ".join(words)] if len(words) > 1 else []
        return [*words, *joined] or list(self.names.constants(node))

    def _is_outside(self, node: ast.expr) -> bool:
        """Whether an expression asks for the user's own folder."""
        return any(isinstance(one, ast.Call) and _last(one.func) in HOMES for one in ast.walk(node))

    def _looked_up(
        self, node: ast.Call, function: str, values: Sequence[Constant | None], when: When
    ) -> None:
        """Names of a module of the system, looked up in a way that cannot be followed."""
        inner = self.names.resolve(node.args[0])
        if function == "builtins.setattr":
            if len(values) > 1 and isinstance(values[1], str):
                self._replaced(node, f"{inner}.{values[1]}" if inner else "", when)
        elif inner in MODULES and (
            function == "builtins.vars" or (len(values) > 1 and not isinstance(values[1], str))
        ):
            strange = function == "builtins.vars" or inner != "sys"
            self._note(node, INSIDE, f"a computed name of {inner}", when, hidden=strange)

    def _written(self, node: ast.Call, values: Sequence[Constant | None], when: When) -> None:
        """A file that is written far from the model as soon as it is loaded."""
        if _last(node.func) == "open":
            mode = values[1] if len(values) > 1 else None
            if not (isinstance(mode, str) and WRITES.search(mode)):
                return
        target = node.args[0] if _last(node.func) == "open" and node.args else node.func
        if self._is_outside(target) or any(
            text.startswith(("/", "~")) and not text.startswith("/dev/")
            for text in self.names.constants(target)
        ):
            self._note(node, FILES, "a file written outside the model's folder", when)


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _inside(expressions: Sequence[ast.expr]) -> Iterator[ast.AST]:
    for one in expressions:
        yield from ast.walk(one)


def _acts(text: str) -> bool:
    """Whether a text, run as Python, would reach for something."""
    return len(text) < LARGEST and any(one.kind != PICKLE for one in parse(text).reaches)


def _is_none(arguments: list[ast.expr]) -> bool:
    """Whether a library is asked for that is loaded already, or found by its plain name."""
    return all(
        (isinstance(one, ast.Constant) and one.value is None)
        or (isinstance(one, ast.Call) and _last(one.func) == "find_library")
        for one in arguments
    )


def _is_shell(node: ast.Call, texts: list[str]) -> bool:
    return any(
        one.arg == "shell" and isinstance(one.value, ast.Constant) and one.value.value is True
        for one in node.keywords
    ) or bool(texts and SHELL.fullmatch(texts[0]))


def _is_disguised(node: ast.expr, named: str) -> bool:
    """Whether a name is reached by a call or key that spells it, as nobody does who has nothing to hide."""
    if isinstance(node, ast.Call):
        return False
    held = node
    while isinstance(held, ast.Attribute):
        held = held.value
    if isinstance(held, ast.Subscript):
        return named.startswith(("os.", "posix.", "subprocess.", "builtins.", "pty."))
    if not isinstance(held, ast.Call):
        return False
    return _last(held.func) == "__import__" and named.startswith(
        ("os.", "posix.", "subprocess.", "pty.", "builtins.")
    )


def _climbs(node: ast.Attribute) -> bool:
    """Whether a chain of attributes climbs from an object to its bases."""
    return any(isinstance(one, ast.Attribute) and one.attr in LADDER for one in ast.walk(node.value))
