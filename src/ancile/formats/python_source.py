"""What a Python source reaches for, and whether it does so as soon as it is imported: parsed, never run.

CPython's own parser; names are followed through imports, assignments, ``getattr``, ``__import__`` and
constants that are put together.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass, field
from typing import NamedTuple

from ancile.formats.python_folding import folded
from ancile.formats.python_names import BUILTIN, CODE, INSIDE, INSIDES, PICKLE, PRIVATE, reach

LARGEST = 2 << 20  # characters that are parsed: a tree takes a hundred times as much
# What a loader, an installer or a server calls by itself
EAGER = re.compile(
    r"__(?:init|new|call|del|enter|exit|getattr|init_subclass|set_name|setstate|reduce|reduce_ex)__|load_context"
    r"|initialize|init|setup|run|handle|preprocess|postprocess|inference|predict|forward|from_pretrained"
    r"|_info|_split_generators|_generate_examples"
)
HINT = re.compile(r"\b(import|exec|eval|compile|getattr|globals|open|lambda|class|def)\b|__\w+__")
COOKIE = re.compile(r"\A(?:[^\n]*\n)?[ \t\f]*#[^\n]*?coding[:=][ \t]*([-\w.]+)")
PLAIN_ENCODINGS = re.compile(r"(?i)utf[-_]?8(-sig)?|ascii|us-ascii|latin[-_]?1|iso-8859-1|cp1252")
RISKY = ("os", "posix", "subprocess", "builtins", "sys", "importlib", "ctypes", "socket")
UNSAFE = (("allow_pickle", True), ("weights_only", False), ("trust_remote_code", True))


class Reach(NamedTuple):
    """A place that reaches for something; ``now`` where importing or loading is enough."""

    line: int
    kind: str
    what: str
    now: bool


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


def parse(text: str) -> Source:
    """What a source does; whatever the parser refuses is a fault."""
    found = Source()
    if not HINT.search(text):
        return found
    cookie = COOKIE.match(text)
    if cookie and not PLAIN_ENCODINGS.fullmatch(cookie[1]):
        found.reaches.append(Reach(1, CODE, f"source in the encoding {cookie[1]}", now=True))
    if len(text) > LARGEST:
        found.fault = f"more than {LARGEST} characters"
        return found
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.lstrip("\ufeff"))
        _Walk(tree, found).run()
    except (SyntaxError, ValueError, OverflowError) as reason:
        found.fault = str(reason)
    except (RecursionError, MemoryError):
        found.fault = "it nests too deep"
    return found


class _Walk:
    def __init__(self, tree: ast.Module, found: Source) -> None:
        self.tree = tree
        self.found = found
        self.names: dict[str, str] = {}  # what a name stands for
        self.values: dict[str, str | bytes | int] = {}
        self.stars: list[str] = []
        self.called: set[str] = set()

    def run(self) -> None:
        for _ in range(2):
            for node in ast.walk(self.tree):
                self._learn(node)
        self._called_now(self.tree)
        for statement in self.tree.body:
            self._visit(statement, now=True)

    def _learn(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for one in node.names:
                self.found.is_code = True
                self.found.imports.add(one.name.partition(".")[0])
                self.names[one.asname or one.name.partition(".")[0]] = (
                    one.name if one.asname else one.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            self.found.is_code = True
            module = "." * node.level + (node.module or "")
            if not node.level:
                self.found.imports.add(module.partition(".")[0])
            for one in node.names:
                if one.name == "*":
                    self.stars.append(module)
                self.names[one.asname or one.name] = f"{module}.{one.name}"
        elif isinstance(node, ast.Assign | ast.NamedExpr | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                self._bind(target, node.value)

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, other in zip(target.elts, value.elts, strict=False):
                self._bind(one, other)
        if not isinstance(target, ast.Name):
            return
        made = folded(value, self.values)
        if made is not None:
            self.values[target.id] = made
        named = self.resolve(value)
        if named and (reach(named) or named in BUILTIN or "." not in named):
            self.names.setdefault(target.id, named)

    def resolve(self, node: ast.expr) -> str:  # noqa: PLR0911 - one for each kind of node
        """The dotted name that an expression stands for; empty where it is none."""
        if isinstance(node, ast.Name):
            if node.id in self.names:
                return self.names[node.id]
            if node.id in ("__builtins__", "builtins", "__builtin__"):
                return "builtins"
            for module in self.stars:
                if reach(f"{module}.{node.id}"):
                    return f"{module}.{node.id}"
            return f"builtins.{node.id}" if node.id in BUILTIN else ""
        if isinstance(node, ast.Attribute):
            inner = self.resolve(node.value)
            return _joined(inner, node.attr) if inner else ""
        if isinstance(node, ast.Subscript):
            return self._subscripted(node)
        if isinstance(node, ast.Call):
            return self._made(node)
        return ""

    def _subscripted(self, node: ast.Subscript) -> str:
        key = folded(node.slice, self.values)
        inner = self.resolve(node.value)
        if not isinstance(key, str) or not inner:
            return ""
        if inner in ("sys.modules", "builtins.globals()", "builtins.locals()"):
            return "builtins" if key in ("__builtins__", "builtins") else self.names.get(key, key)
        return _joined(inner.removesuffix("()"), key)

    def _made(self, node: ast.Call) -> str:
        """What a call gives, where it looks something up."""
        function = self.resolve(node.func)
        first = folded(node.args[0], self.values) if node.args else None
        if function in ("builtins.__import__", "importlib.import_module", "importlib.__import__"):
            return first if isinstance(first, str) else ""
        if function in ("builtins.globals", "builtins.locals"):
            return f"{function}()"
        if function == "builtins.vars" and node.args:
            return self.resolve(node.args[0])
        if function == "builtins.getattr" and len(node.args) > 1:
            name = folded(node.args[1], self.values)
            inner = self.resolve(node.args[0])
            return _joined(inner, name) if inner and isinstance(name, str) else ""
        if function == "sys.modules.get":
            return first if isinstance(first, str) else ""
        return ""

    def _called_now(self, tree: ast.Module) -> None:
        """Functions of this source that its import calls, and those that they call."""
        bodies = {one.name: one for one in ast.walk(tree) if isinstance(one, _FUNCTIONS)}
        waiting: list[ast.AST] = [one for one in tree.body if not isinstance(one, _FUNCTIONS | ast.ClassDef)]
        waiting = [one for one in waiting if not _is_main(one)]
        while waiting:
            for node in ast.walk(waiting.pop()):
                name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
                if name in bodies and name not in self.called:
                    self.called.add(name)
                    waiting.append(bodies[name])

    def _visit(self, node: ast.AST, *, now: bool) -> None:
        if isinstance(node, _FUNCTIONS):
            for one in [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults]:
                if one is not None:
                    self._visit(one, now=now)
            inner = node.name in self.called or EAGER.fullmatch(node.name) is not None
            for statement in node.body:
                self._visit(statement, now=inner)
            return
        if isinstance(node, ast.Expr) and not any(isinstance(one, ast.Call) for one in ast.walk(node)):
            return  # words of a list, or a docstring: nothing is done
        if _is_main(node):
            self.found.is_script = True
            now = False
        if isinstance(node, ast.expr):
            self._look(node, now=now)
        for child in ast.iter_child_nodes(node):
            self._visit(child, now=now)

    def _look(self, node: ast.expr, *, now: bool) -> None:
        found = self.found
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and PRIVATE.search(node.value):
                found.private.append((node.lineno, node.value))
            return
        if isinstance(node, ast.Call):
            found.is_code = True
            self._call(node, now=now)
        named = self.resolve(node)
        kind = reach(named) if named else ""
        if kind and isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
            found.reaches.append(Reach(node.lineno, kind, named, now))
        elif isinstance(node, ast.Attribute) and node.attr in INSIDES:
            found.reaches.append(Reach(node.lineno, INSIDE, node.attr, now))

    def _call(self, node: ast.Call, *, now: bool) -> None:
        function = self.resolve(node.func)
        values = [folded(one, self.values) for one in [*node.args, *(one.value for one in node.keywords)]]
        if reach(function):
            self.found.texts += [(node.lineno, one) for one in values if isinstance(one, str)]
        if reach(function) == PICKLE and any(isinstance(one, bytes) for one in values):
            self.found.reaches.append(Reach(node.lineno, CODE, "a pickle in the source itself", now))
        first = values[0] if values else None
        if function == "builtins.__import__" and not isinstance(first, str) and node.args:
            self.found.reaches.append(Reach(node.lineno, CODE, "a computed import", now))
        if function == "builtins.getattr" and len(node.args) > 1 and not isinstance(values[1], str):
            self._names_of(node, now=now)
        if function == "builtins.vars" and node.args:
            self._names_of(node, now=now)
        if function in ("operator.attrgetter", "operator.methodcaller"):
            for one in values:
                if isinstance(one, str) and any(reach(f"{module}.{one}") for module in RISKY):
                    self.found.reaches.append(Reach(node.lineno, INSIDE, f"{function} of {one}", now))
        for keyword in node.keywords:
            if (keyword.arg, folded(keyword.value, self.values)) in UNSAFE:
                self.found.reaches.append(Reach(node.lineno, PICKLE, f"{keyword.arg}", now=False))
        if isinstance(node.func, ast.Name) and node.func.id == "setup":
            self.found.is_script = True

    def _names_of(self, node: ast.Call, *, now: bool) -> None:
        """Names of a risky module, looked up in a way that cannot be followed."""
        inner = self.resolve(node.args[0])
        if inner in RISKY:
            self.found.reaches.append(Reach(node.lineno, INSIDE, f"a computed name of {inner}", now))


_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def _joined(inner: str, name: str) -> str:
    return inner if name == "__dict__" else f"{inner}.{name}"


def _is_main(node: ast.AST) -> bool:
    """Whether this is the part of a script that an import skips."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
        and isinstance(node.test.ops[0], ast.Eq)
        and isinstance(node.test.comparators[0], ast.Constant)
        and node.test.comparators[0].value == "__main__"
    )
