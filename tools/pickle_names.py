"""Writes the lists of names that a pickle may ask for, from the packages' sources, importing none.

    python tools/pickle_names.py FOLDER WHEEL…      writes FOLDER/<package>.json for each wheel

Of torch only what its checkpoints hold is read: layers, optimisers, distributions, storages.

A class is listed when nothing that an unpickler runs on its way (``__new__``, ``__setstate__`` and what
attribute access runs, in the class or in a base class of the same package) calls what it was given, or
reaches for files, processes, code or other pickles. A function is listed when a ``__reduce__`` of the package
names it and the same holds for its body. What is left out is written down too, with the reason: it needs a
reader.

Functions that a model may hold and that are not called while it is opened (a score, a kernel) are listed as
referenced: public ones whose body, and the bodies of the functions of the package that it calls by name,
reach for nothing, and whose names say so too (``names/feared.json``). One that calls what it is given is
among them: what it is given is a name as well, and judged. Not of a package of which only a part is read.

A method that a class registers as a hook of its own objects is in every pickle of them. It is listed where
its name sounds as if it reached for something, and its body reaches for nothing and calls no other method of
its object.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pickle_sources import ONLY, PARTIAL, Class, Package, compiled, read, sources

RUN = (
    "__new__",
    "__setstate__",
    "__setattr__",
    "__getattr__",
    "__getattribute__",
    "__setitem__",
    "append",
    "extend",
    "add",
    "__del__",
)
REACHING = frozenset(
    {
        *("exec", "eval", "compile", "open", "__import__", "import_module", "reload", "input", "breakpoint"),
        *("system", "popen", "Popen", "run", "call", "check_call", "check_output", "spawn", "execv", "fork"),
        *("load", "loads", "load_module", "find_class", "resolve_name", "CDLL", "dlopen"),
        *("urlopen", "urlretrieve", "request", "get_file", "connect", "memmap", "fromfile", "tofile"),
        *("unlink", "remove", "rmtree", "rename", "write", "makedirs", "mkdir"),
    }
)
# Parts of packages whose functions read, build or test: no model holds them
TOOLS = re.compile(r"(^|\.)(setup|conftest|_?build_utils|datasets|io|externals)(\.|$)")
WORDS = json.loads((Path(__file__).parent.parent / "src/ancile/scan/names/feared.json").read_text("utf-8"))
# Calls by a feared name that reach for nothing: of a list, of expressions, to the terminal
ORDINARY = re.compile(r"(?!os\.)[\w.]+\.remove|re\.compile|sys\.std(?:out|err)\.write")


def fault(package: Package, one: Class, seen: frozenset[tuple[str, str]] = frozenset()) -> str:
    """Why a class is not listed, empty where it is."""
    if one.feared:
        return one.feared
    for name in RUN:
        if (method := one.methods.get(name)) and (why := reaches(method)):
            return f"{name} {why}"
    for other in package.bases(one):
        if (other.module, other.name) not in seen and other is not one:
            why = fault(package, other, seen | {(one.module, one.name)})
            if why:
                return f"its base {other.name}: {why}"
    return ""


def reaches(body: ast.FunctionDef, *, given: bool = True) -> str:
    """What in a function reaches further than the object: empty where nothing does.

    given  whether calling what it is given counts
    """
    arguments = {arg.arg for arg in (*body.args.posonlyargs, *body.args.args, *body.args.kwonlyargs)} - {
        "self",
        "cls",
    }
    arguments |= {arg.arg for arg in (body.args.vararg, body.args.kwarg) if arg}
    for node in ast.walk(body):
        if isinstance(node, ast.Call):
            said = ast.unparse(node.func)
            if said.split(".")[-1] in REACHING and (given or not ORDINARY.fullmatch(said)):
                return f"calls {said}"
            root = said.split("(")[0].split("[")[0].split(".")[0]
            if given and root in arguments and "." not in said:
                return f"calls {said}, which it is given"
    return ""


def referenced(package: Package) -> Iterator[tuple[str, str]]:
    """Functions that reach for nothing, in what they call by name either; by the module that they say."""
    tainted = {
        key
        for key, body in package.functions.items()
        if key[0] in package.wary or TOOLS.search(key[0]) or _is_stub(body) or reaches(body, given=False)
    }
    while True:
        more = {
            key
            for key, body in package.functions.items()
            if key not in tainted and any(one in tainted for one in _named(package, key[0], body))
        }
        if not more:
            break
        tainted |= more
    said, tools = _words(), set(WORDS["module_words"]["words"])
    for module, name in package.functions.keys() - tainted:
        if not (said.fullmatch(name) or name.startswith("_")) and tools.isdisjoint(module.split(".")):
            yield package.homes[module, name], name


def hooks(package: Package) -> Iterator[tuple[str, str]]:
    """Methods that objects of listed classes are hooked to from the first, and that reach for nothing."""
    for (module, name), one in package.classes.items():
        if fault(package, one):
            continue
        methods: dict[str, ast.FunctionDef] = {}
        registered: set[str] = set()
        for held in _bases(package, one):
            methods = held.methods | methods
            registered |= set(_registered(held.methods.get("__init__")))
        for key in sorted(registered & methods.keys()):
            if _words().fullmatch(key) and not (reaches(methods[key]) or _calls_self(methods[key])):
                yield module, f"{name}.{key}"


def _registered(body: ast.FunctionDef | None) -> Iterator[str]:
    """Methods that an object registers as hooks of its own."""
    for node in ast.walk(body) if body else ():
        if isinstance(node, ast.Call) and re.fullmatch(r"self\.\w*register\w*_hook", ast.unparse(node.func)):
            said = [ast.unparse(one) for one in node.args]
            yield from (one.removeprefix("self.") for one in said if re.fullmatch(r"self\.\w+", one))


def _bases(package: Package, one: Class) -> Iterator[Class]:
    """A class and what it inherits from within its package, in the order in which methods are looked for."""
    yield one
    for other in package.bases(one):
        yield from _bases(package, other)


def _calls_self(body: ast.FunctionDef) -> bool:
    """Whether a method calls others of its object, which a pickle may have replaced."""
    called = [ast.unparse(node.func) for node in ast.walk(body) if isinstance(node, ast.Call)]
    return any(re.match(r"self\.\w+$|super\(", said) for said in called)


def _words() -> re.Pattern[str]:
    """Names that say of a function that it opens, fetches, runs or writes."""
    verbs = WORDS["function_words"]
    return re.compile(rf".*(?:{'|'.join(verbs['parts'])}).*|(?:.*_)?(?:{'|'.join(verbs['words'])})(?:_.*)?")


def _is_stub(body: ast.FunctionDef) -> bool:
    """Whether only its signature is written, as in stubs."""
    last = body.body[-1]
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant) and last.value.value is ...


def _named(package: Package, module: str, body: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """Functions of the package that a body calls by their names."""
    imported = package.imports.get(module, {})
    for node in ast.walk(body):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield imported.get(node.func.id, (module, node.func.id))


def lists(package: Package, *, whole: bool) -> dict[str, dict[str, list[str]]]:
    """Module to names: classes, those that may be called, functions, and what is left out with the reason.

    whole  whether all of the package was read
    """
    found: dict[str, dict[str, list[str]]] = {
        kind: {} for kind in ("classes", "called", "functions", "ufuncs", "referenced", "hooks", "left_out")
    }
    for (module, name), one in sorted(package.classes.items()):
        why = fault(package, one)
        found["left_out" if why else "classes"].setdefault(module, []).append(
            f"{name}: {why}" if why else name
        )
        if not why and (one.reduced or package.is_enum(one)):
            found["called"].setdefault(module, []).append(name)
    for module, name in sorted(package.called):
        body = package.functions.get((module, name))
        why = "its source is not Python" if body is None else reaches(body)
        found["left_out" if why else "functions"].setdefault(module, []).append(
            f"{name}: {why}" if why else name
        )
    for module, name in sorted(package.ufuncs):
        found["ufuncs"].setdefault(module, []).append(name)
    for module, name in sorted(set(referenced(package))) if whole else ():
        found["referenced"].setdefault(module, []).append(name)
    for module, name in sorted(hooks(package)):
        found["hooks"].setdefault(module, []).append(name)
    return found


def main() -> None:
    """Write one list a wheel."""
    folder = Path(sys.argv[1])
    for path in map(Path, sys.argv[2:]):
        package = Package()
        name, version = path.name.split("-")[:2]
        with zipfile.ZipFile(path) as wheel:
            for module, text in sources(wheel, name):
                read(module, text, package)
            package.compiled |= set(compiled(wheel, name))
        found = lists(package, whole=name not in ONLY)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        head: dict[str, object] = {"compiled": sorted(package.compiled)}
        name = name.removesuffix("_cpu").replace("_", "-")
        head |= {"partial": True} if name in PARTIAL else {}
        head |= {"package": name, "version": version, "source": f"{path.name}, sha256:{digest}"}
        out = folder / f"{name}.json"
        out.write_text(json.dumps(head | found, indent=0, sort_keys=True) + "\n", "utf-8")
        print(name, version, {k: sum(map(len, v.values())) for k, v in found.items()})


if __name__ == "__main__":
    main()
