"""Which dotted name an expression of a Python source stands for: through imports, aliases and look-ups."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Sequence

from ancile.formats.python_folding import Constant, folded
from ancile.formats.python_names import BUILTIN, reach

MODULES = frozenset(
    {"os", "posix", "nt", "subprocess", "builtins", "sys", "importlib", "ctypes", "socket", "pty"}
)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ENVIRONMENT = ("os.environ", "os.environb", "os.getenv")
IMPORTS = ("builtins.__import__", "importlib.import_module", "importlib.__import__")


class Names:
    """What the names of a source stand for.

    names   local name to dotted name
    values  local name to constant
    hidden  local names that hold something decoded or fetched
    secret  local names that hold variables of the environment
    """

    def __init__(self, every: Sequence[ast.AST], text: str) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Constant] = {}
        self.hidden: set[str] = set()
        self.secret: set[str] = set()
        self.imports: set[str] = set()
        self.stars: list[str] = []
        self.gives: dict[str, ast.expr] = {}  # functions that do nothing but return
        self._may_hide = UNHIDES.search(text) is not None
        self._may_tell = "environ" in text or "getenv" in text
        learnt = [one for one in every if isinstance(one, LEARNT)]
        for _ in range(2):
            for node in learnt:
                self._learn(node)

    def _learn(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._imported(node)
        elif isinstance(node, ast.Assign | ast.NamedExpr | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                self._bind(target, node.value)
        elif isinstance(node, ast.For | ast.comprehension):
            if self.is_environ(node.iter, items=False):
                self.secret |= {one.id for one in ast.walk(node.target) if isinstance(one, ast.Name)}
            for one in getattr(node.iter, "elts", ()):
                self._bind(node.target, one)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._bind(node.optional_vars, node.context_expr)
        elif isinstance(node, FUNCTIONS) and isinstance(node.body[0], ast.Return) and node.body[0].value:
            self.gives[node.name] = node.body[0].value

    def _imported(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for one in node.names:
                top = one.name.partition(".")[0]
                self.imports.add(top)
                self.names[one.asname or top] = one.name if one.asname else top
            return
        module = "." * node.level + (node.module or "")
        if not node.level:
            self.imports.add(module.partition(".")[0])
        for one in node.names:
            if one.name == "*":
                self.stars.append(module)
            self.names[one.asname or one.name] = f"{module}.{one.name}"

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
            for one, other in zip(target.elts, value.elts, strict=False):
                self._bind(one, other)
        if not isinstance(target, ast.Name):
            return
        made = folded(value, self.values)
        if made is not None:
            self.values[target.id] = made
        if self.is_hidden(value):
            self.hidden.add(target.id)
        if self.is_environ(value, items=False):
            self.secret.add(target.id)
        named = self.resolve(value)
        if named and (reach(named) or named.removeprefix("builtins.") in BUILTIN or "." not in named):
            self.names.setdefault(target.id, named)

    def is_hidden(self, value: ast.AST) -> bool:
        """Whether an expression decodes, unpacks or fetches something, as hidden programs are."""
        if not self._may_hide:
            return False
        for node in ast.walk(value):
            if isinstance(node, ast.Name) and node.id in self.hidden:
                return True
            if isinstance(node, ast.Call) and self._unhides(node):
                return True
        return False

    def is_environ(self, node: ast.AST, *, items: bool) -> bool:
        """Whether all variables of the environment are in an expression; with ``items`` also one of them."""
        if not self._may_tell:
            return False
        if isinstance(node, ast.Name) and node.id in self.secret:
            return True
        if isinstance(node, ast.Attribute | ast.Name) and self.resolve(node) in ENVIRONMENT:
            return True
        if isinstance(node, ast.Compare):
            return False
        is_item = isinstance(node, ast.Subscript) or (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", "") in ("get", "getenv", "pop", "setdefault")
        )
        return (items or not is_item) and any(
            self.is_environ(one, items=items) for one in ast.iter_child_nodes(node)
        )

    def _unhides(self, node: ast.Call) -> bool:
        last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if last in UNHIDING or (last == "decompress" and node.args):
            return True
        if last in ("join", "bytes", "bytearray") and node.args:
            return any(
                (isinstance(one, ast.BinOp) and isinstance(one.op, ast.BitXor))
                or (isinstance(one, ast.Name) and one.id == "chr")
                for one in ast.walk(node.args[0])
            )
        name = self.resolve(node.func)
        return name in ("codecs.decode", "marshal.loads") or name.startswith(
            ("urllib.request.url", "requests.get", "requests.post", "httpx.get")
        )

    def resolve(self, node: ast.expr) -> str:  # noqa: PLR0911 - one for each kind of node
        """The dotted name that an expression stands for; empty where it is none."""
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Attribute):
            inner = self.resolve(node.value)
            if node.attr == "__self__" and isinstance(node.value, ast.Name):
                return "builtins" if hasattr(builtins, node.value.id) else ""
            return joined(inner, node.attr) if inner else ""
        if isinstance(node, ast.NamedExpr):
            return self.resolve(node.value)
        if isinstance(node, ast.IfExp):
            return self.resolve(node.body) or self.resolve(node.orelse)
        if isinstance(node, ast.BoolOp):
            return next(filter(None, (self.resolve(one) for one in node.values)), "")
        if isinstance(node, ast.Subscript):
            return self._subscripted(node)
        if isinstance(node, ast.Call):
            return self._made(node)
        return ""

    def _name(self, name: str) -> str:
        if name in self.names:
            return self.names[name]
        if name in ("__builtins__", "builtins", "__builtin__"):
            return "builtins"
        for module in self.stars:
            if reach(f"{module}.{name}"):
                return f"{module}.{name}"
        return f"builtins.{name}" if name in BUILTIN else ""

    def _subscripted(self, node: ast.Subscript) -> str:
        key = folded(node.slice, self.values)
        if isinstance(node.value, ast.List | ast.Tuple) and isinstance(key, int):
            return self.resolve(node.value.elts[key]) if abs(key) < len(node.value.elts) else ""
        if isinstance(node.value, ast.Dict):
            held = (
                value
                for name, value in zip(node.value.keys, node.value.values, strict=True)
                if name is not None and folded(name, self.values) == key
            )
            found = next(held, None)
            return self.resolve(found) if found is not None else ""
        inner = self.resolve(node.value)
        if isinstance(node.value, ast.Attribute) and node.value.attr in (
            "__globals__",
            "f_globals",
            "f_builtins",
        ):
            inner = "builtins.globals()" if isinstance(key, str) else inner
        if not isinstance(key, str) or not inner:
            return ""
        if inner in ("sys.modules", "builtins.globals()", "builtins.locals()"):
            known = f"builtins.{key}" if key in BUILTIN else key
            return "builtins" if key in ("__builtins__", "builtins") else self.names.get(key, known)
        return joined(inner.removesuffix("()"), key)

    def _made(self, node: ast.Call) -> str:  # noqa: PLR0911 - by name
        """What a call gives, where it looks something up."""
        if isinstance(node.func, ast.Name) and node.func.id in self.gives:
            given = self.gives[node.func.id]
            return self.resolve(given) if not isinstance(given, ast.Call) else ""
        function = self.resolve(node.func)
        first = folded(node.args[0], self.values) if node.args else None
        if function in IMPORTS:
            return first if isinstance(first, str) else ""
        if function in ("builtins.globals", "builtins.locals"):
            return f"{function}()"
        if function == "builtins.vars" and node.args:
            return self.resolve(node.args[0])
        if function == "builtins.getattr" and len(node.args) > 1:
            name = folded(node.args[1], self.values)
            inner = self.resolve(node.args[0])
            return joined(inner, name) if inner and isinstance(name, str) else ""
        if function == "sys.modules.get":
            return first if isinstance(first, str) else ""
        if isinstance(node.func, ast.Name) and node.func.id == "get_ipython":
            return "get_ipython()"
        return ""

    def constants(self, node: ast.AST) -> Iterator[str]:
        """Texts anywhere in an expression."""
        for one in ast.walk(node):
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.value
            elif isinstance(one, ast.Name) and isinstance(held := self.values.get(one.id), str):
                yield held


LEARNT = (
    *FUNCTIONS,
    *(ast.Import, ast.ImportFrom, ast.Assign, ast.NamedExpr, ast.AnnAssign),
    *(ast.For, ast.comprehension, ast.withitem),
)
UNHIDES = re.compile(r"decode|hex|decompress|chr|\^|marshal|urlopen|urlretrieve|requests|httpx")
UNHIDING = frozenset(
    {"b64decode", "b32decode", "b16decode", "b85decode", "a85decode", "unhexlify", "fromhex", "decodebytes"}
)


def joined(inner: str, name: str) -> str:
    """A name in a module or object."""
    return inner if name == "__dict__" else f"{inner}.{name}"


def through(name: str) -> str:
    """The name of the system that a dotted name reaches through another module; empty where it is none."""
    steps = name.split(".")
    for at, step in enumerate(steps[1:-1], 1):
        if step.lstrip("_") in MODULES:
            held = ".".join([step.lstrip("_"), *steps[at + 1 :]])
            if reach(held):
                return held
    return ""
