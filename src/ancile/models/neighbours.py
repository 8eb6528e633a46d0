"""What the user's code imports from beside it, found in its text: nothing runs, and the digest can cover it.

Read as lines, not parsed: a parser of Python can be driven into the ground by a hostile file, and too many
names found do no harm. An import that is not seen here (one made by a call) is seen when it happens, see
``models.touched``.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from ancile.models.package import Package, module_by_itself, package_in

IMPORTS = re.compile(
    r"(?:^|[;:])[ \t]*(?:from[ \t]+(?P<source>\.|\w+)|import[ \t]+(?P<names>\w[\w., \t]*))", re.MULTILINE
)
LARGEST_BYTES = 4 << 20  # of one file that is looked through
RELATIVE = ""  # stands for an import from the module's own package
INIT = "__init__.py"


def imported_names(source: bytes) -> set[str]:
    """Top-level names that the text imports, and ``RELATIVE`` where it imports from its own package."""
    found: set[str] = set()
    for match in IMPORTS.finditer(source[:LARGEST_BYTES].decode("utf-8", "replace")):
        if match["source"]:
            found.add(match["source"].strip("."))
        else:
            words = (one.split(maxsplit=1) for one in match["names"].split(","))
            found |= {word[0].partition(".")[0] for word in words if word}
    return found


def neighbours(source: bytes, folder: Path, *, package: Package | None = None) -> tuple[Package, ...]:
    """Modules and packages in the folder which the source or the package imports, and what those import.

    Nothing of the folders where Python keeps its own modules and installed ones.
    """
    if folder in _python_folders() or folder.name in ("site-packages", "dist-packages"):
        return ()
    found: dict[str, Package] = {}
    seen = {package.name} if package else set()
    waiting = imported_names(source) | (_names_in(package) if package else set())
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if one := _beside(folder, name):
            found[name] = one
            waiting |= _names_in(one)
    return tuple(found[name] for name in sorted(found))


def own_package(path: Path, source: bytes) -> str | None:
    """The dotted name of a file that imports from the package in which it lies; None for any other."""
    names = [] if path.name == INIT else [path.stem]
    folder = path.parent
    while folder.name and (folder / INIT).is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    if folder == path.parent or not all(name.isidentifier() for name in names):
        return None
    wanted = imported_names(source)
    if RELATIVE not in wanted and names[0] not in wanted:
        return None
    # A folder named like something installed would hide that
    other = _installed(names[0])
    return None if other not in (None, folder / names[0]) else ".".join(names)


def _beside(folder: Path, name: str) -> Package | None:
    if name in sys.builtin_module_names or not name.isidentifier():
        return None
    inner, file = folder / name, folder / f"{name}.py"
    if (inner / INIT).is_file():
        return package_in(inner.resolve(), name)
    if file.is_file():
        return module_by_itself(file, name)
    # Without __init__.py a folder yields to an installed package of its name
    if inner.is_dir() and any(inner.glob("*.py")) and _installed(name) in (None, inner):
        return package_in(inner.resolve(), name)
    return None


def _installed(name: str) -> Path | None:
    """The folder or file of a top-level module that Python finds without looking beside the user's code."""
    if name in sys.stdlib_module_names:
        return Path(sysconfig.get_path("stdlib"))
    found = PathFinder.find_spec(name, [one for one in sys.path if one])
    if found is None or not found.origin:
        return None
    origin = Path(found.origin).resolve()
    return origin.parent if found.submodule_search_locations else origin


def _names_in(package: Package) -> set[str]:
    return {name for path in _sources(package) for name in imported_names(_head(path))} - {RELATIVE}


def _sources(package: Package) -> Iterator[Path]:
    if package.root.is_file():
        return iter((package.root,))
    return (one for one in package.root.rglob("*.py") if one.is_file())  # a pipe would be waited for


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_BYTES)
    except OSError:
        return b""


def _python_folders() -> set[Path]:
    paths = sysconfig.get_paths()
    return {Path(paths[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}
