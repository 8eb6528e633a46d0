"""What the sources of a package say of its classes and functions, read from a wheel, importing none."""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

SKIPPED = re.compile(
    r"(^|/)(tests?|testing|_testing|conftest|benchmarks?|examples?|_vendor|vendored|distutils|f2py)(/|\.py|$)"
)
# Of these packages only what their checkpoints hold is read
ONLY = {
    "torch": re.compile(
        r"torch/(nn/(modules|parameter|utils/parametrizations)|optim|distributions|storage\.py|_utils\.py)"
    ),
    "transformers": re.compile(
        r"transformers/(training_args\w*|trainer_(utils|pt_utils|callback)|debug_utils|utils/(generic|hub)"
        r"|integrations/deepspeed|generation/configuration_utils|modelcard)\.py"
    ),
    "accelerate": re.compile(r"accelerate/(state|parallelism_config|utils/(dataclasses|constants))\.py"),
    "omegaconf": re.compile(
        r"omegaconf/(base|basecontainer|dictconfig|listconfig|tupleconfig|nodes|_utils)\.py"
    ),
    "ultralytics": re.compile(r"ultralytics/(nn/(tasks|modules/\w+)|utils/(loss|tal))\.py"),
    "pytorch_lightning": re.compile(r"pytorch_lightning/(callbacks/[\w/]+|utilities/(parsing|enums))\.py"),
    "timm": re.compile(r"timm/(models|layers)/\w+\.py"),
    "torchvision": re.compile(r"torchvision/(models/[\w/]+|ops/\w+|transforms/\w+)\.py"),
    "trl": re.compile(r"trl/(trainer|experimental/\w+)/(\w+_config|base_config|utils)\.py"),
}
PARTIAL = (
    "transformers",
    "accelerate",
    "trl",
    "omegaconf",
    "pytorch-lightning",
    "timm",
    "torchvision",
    "ultralytics",
)  # and what was not read may be anything
ENUMS = ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag")
UFUNC = re.compile(r"^(\w+): Final\b[^\n]*_UFunc_|^(\w+): (?:np\.)?ufunc$|^(\w+): _UFunc_", re.MULTILINE)
FEARED = frozenset({"subprocess", "socket", "code", "runpy", "pty", "pdb", "webbrowser"})
CLASS_OF_SELF = ("self.__class__", "type(self)", "cls")


@dataclass
class Class:
    """A class as its source says it."""

    module: str
    name: str
    bases: list[str]
    methods: dict[str, ast.FunctionDef] = field(default_factory=dict)
    feared: str = ""
    reduced: bool = False


@dataclass
class Package:
    """What the sources of one package say."""

    classes: dict[tuple[str, str], Class] = field(default_factory=dict)
    functions: dict[tuple[str, str], ast.FunctionDef] = field(default_factory=dict)
    called: set[tuple[str, str]] = field(default_factory=set)  # functions that some __reduce__ names
    compiled: set[str] = field(default_factory=set)  # modules that are machine code
    ufuncs: set[tuple[str, str]] = field(default_factory=set)  # as the stubs declare them
    homes: dict[tuple[str, str], str] = field(
        default_factory=dict
    )  # of functions that say they are elsewhere
    imports: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)
    wary: set[str] = field(default_factory=set)  # modules that import what starts processes or connects
    named: dict[str, list[Class]] = field(default_factory=dict)  # classes by their own names

    def add(self, one: Class) -> None:
        """A class, unless it was read before."""
        if (one.module, one.name) not in self.classes:
            self.classes[one.module, one.name] = one
            self.named.setdefault(one.name, []).append(one)

    def bases(self, one: Class) -> Iterator[Class]:
        """What of this package a class may inherit from, by its base's own name."""
        for base in one.bases:
            yield from (other for other in self.named.get(base.split(".")[-1], [])[:3] if other is not one)

    def is_enum(self, one: Class) -> bool:
        """Whether a class is an enumeration, which is made by being called with a value."""
        own = any(base.split(".")[-1] in ENUMS for base in one.bases)
        return own or any(self.is_enum(other) for other in self.bases(one))


def sources(wheel: zipfile.ZipFile, package: str) -> Iterator[tuple[str, str]]:
    """Module and text of each source that is no test."""
    wanted = ONLY.get(package, re.compile(""))
    # Stubs last: what a source says counts
    for name in sorted(wheel.namelist(), key=lambda name: (name.endswith(".pyi"), name)):
        path = PurePosixPath(name)
        if path.suffix in (".py", ".pyx", ".pyi") and not SKIPPED.search(name) and wanted.match(name):
            parts = path.with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield module, wheel.read(name).decode("utf-8", "replace")


def compiled(wheel: zipfile.ZipFile, package: str) -> Iterator[str]:
    """Modules of machine code: what they pickle they write in C or Cython, by class and arguments."""
    wanted = ONLY.get(package, re.compile(""))
    for name in wheel.namelist():
        if name.endswith(".so") and ".cpython-" in name and not SKIPPED.search(name) and wanted.match(name):
            yield name.partition(".cpython-")[0].replace("/", ".")


def read(module: str, text: str, package: Package) -> None:
    """Add what one source says."""
    package.ufuncs |= {(module, "".join(found)) for found in UFUNC.findall(text)}
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        _read_cython(module, text, package)
        return
    imported = _imports(tree, module)
    feared = sorted(FEARED & {name.split(".")[0] for name in _modules(tree)})
    package.imports[module] = imported
    if feared:
        package.wary.add(module)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            package.functions.setdefault((module, node.name), node)
            package.homes.setdefault((module, node.name), _home(node, module))
        elif isinstance(node, ast.ClassDef):
            _read_class(node, module, package, imported, feared=feared)


def _read_class(
    node: ast.ClassDef,
    module: str,
    package: Package,
    imported: dict[str, tuple[str, str]],
    *,
    feared: list[str],
) -> None:
    one = Class(_home(node, module), node.name, [ast.unparse(base) for base in node.bases])
    one.feared = f"its module imports {', '.join(feared)}" if feared else ""
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            one.methods[item.name] = item
    for name in ("__reduce__", "__reduce_ex__"):
        for callee in _reduced(one.methods.get(name)):
            if callee in CLASS_OF_SELF or callee == node.name:
                one.reduced = True
            elif callee.isidentifier():
                package.called.add(imported.get(callee, (module, callee)))
    package.add(one)


def _read_cython(module: str, text: str, package: Package) -> None:
    """Classes of a Cython source: those that it pickles by itself have a function of their own."""
    for found in re.finditer(r"^(cdef )?class (\w+)\s*(?:\(([\w., ]*)\))?\s*:", text, re.MULTILINE):
        bases = [base.strip() for base in (found[3] or "").split(",") if base.strip()]
        block = text[found.end() : _end_of_block(text, found.end())]
        one = Class(module, found[2], bases, reduced="__reduce__" in block)
        if any(re.search(rf"\b{name}\(", block) for name in ("exec", "eval", "open", "system")):
            one.feared = "its source names what runs code"
        package.add(one)


def _end_of_block(text: str, start: int) -> int:
    found = re.compile(r"^\S", re.MULTILINE).search(text, start + 1)
    return found.start() if found else len(text)


def _modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _imports(tree: ast.Module, module: str) -> dict[str, tuple[str, str]]:
    """Local name to where it was imported from."""
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found |= {alias.asname or alias.name: (origin, alias.name) for alias in node.names}
    return found


def _home(node: ast.ClassDef | ast.FunctionDef, module: str) -> str:
    """The module that something says it is of: numpy and pandas move theirs with ``set_module``."""
    for one in node.decorator_list:
        if isinstance(one, ast.Call) and ast.unparse(one.func).endswith("array_function_dispatch"):
            return ".".join(part for part in module.split(".")[:2] if not part.startswith(("_", "lib")))
        if isinstance(one, ast.Call) and ast.unparse(one.func).endswith("set_module") and one.args:
            first = one.args[0]
            if isinstance(first, ast.Constant):
                return str(first.value)
    return module


def _reduced(method: ast.FunctionDef | None) -> Iterator[str]:
    """What a ``__reduce__`` gives as the thing to call."""
    for node in ast.walk(method) if method else ():
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and node.value.elts:
            yield ast.unparse(node.value.elts[0])
