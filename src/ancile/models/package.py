"""All files of the packages that a model's code belongs to or imports from beside it.

The parent hashes them, the child checks them when they run. A version number says what was installed, not
what lies there now. The digest covers each file but Python's own caches, which are not used: what the child
imports is compiled from source that has the digest told to it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.subject import manifest_digest, percent_encoded
from ancile.core.text import plain

CACHES = "__pycache__"
MOST_FILES = 50_000  # of one package; torch has 15,000


class Package(NamedTuple):
    """A package's files, or a module that lies in no package.

    name   of the top-level package or module
    root   its folder; the file of a module by itself
    files  percent-encoded path below the folder (of a module its file's name) to ``sha256:<hex>``
    """

    name: str
    root: Path
    files: dict[str, str]

    def digest(self) -> str:
        """Of the canonical manifest of its files."""
        return manifest_digest(self.files)


def package_of(source: Path, module: str) -> Package | None:
    """The package to which the module in that file belongs; None for a module that is in none."""
    depth = module.count(".") + (source.name == "__init__.py")
    if not depth:
        return None
    return package_in(_placed(source).parents[depth - 1], module.partition(".")[0])


def package_in(root: Path, name: str) -> Package:
    """The package of that name with all that lies in the folder."""
    files: dict[str, str] = {}
    for path in _files(root):
        if len(files) == MOST_FILES:
            raise AncileError(
                "the package has too many files to be named by digest",
                value=f"{plain(str(root))}: more than {MOST_FILES}",
                remedy="put the model's code into a package of its own",
            )
        files[percent_encoded(path.relative_to(root).as_posix())] = _digest_of_file(path)
    return Package(name, root, files)


def module_by_itself(file: Path, name: str) -> Package:
    """A module that is one file."""
    root = _placed(file)
    return Package(name, root, {percent_encoded(root.name): _digest_of_file(root)})


def _files(root: Path) -> Iterator[Path]:
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if name != CACHES)
        yield from (path for path in (Path(folder, name) for name in sorted(names)) if path.is_file())


def _placed(path: Path) -> Path:
    """Where a file lies, its folder without links; it may be a link itself, as some installers make them."""
    return path.parent.resolve() / path.name


def _digest_of_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as reason:
        raise AncileError(
            "a file of the model's code cannot be read",
            value=f"{plain(str(path))}: {reason.strerror}",
            remedy="mend its permissions, or install the package once more",
        ) from reason


class Checked(MetaPathFinder):
    """Finds modules of one package, and runs them only from bytes that have the digest they were named by.

    The package itself is not searched for: the folder that holds it need not be listed, nor on ``sys.path``.
    """

    def __init__(self, name: str, root: Path, files: Mapping[str, str]) -> None:
        self._name, self._root, self._files = name, root, files
        self._folder = root.parent if root.suffix else root

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where the module lies, as Python finds it; AncileError where another file lies there by now."""
        if fullname.partition(".")[0] != self._name:
            return None
        found = PathFinder.find_spec(fullname, path, target) if path else self._itself()
        if found is None or found.origin is None or not found.has_location:
            return found
        data = self._checked(Path(found.origin))
        if isinstance(found.loader, SourceFileLoader):
            found.loader, found.cached = _Exactly(fullname, found.origin, data), None
        return found

    def _itself(self) -> ModuleSpec | None:
        """Where the package or the module itself lies."""
        if self._folder != self._root:
            return spec_from_file_location(self._name, self._root)
        inner = [str(self._root)]
        if "__init__.py" in self._files:
            init = self._root / "__init__.py"
            return spec_from_file_location(self._name, init, submodule_search_locations=inner)
        found = PathFinder.find_spec(self._name, [str(self._root.parent)])  # where it is native code
        if found is None or found.origin is None:
            found = ModuleSpec(self._name, None, is_package=True)  # a namespace: PEP 420
            found.submodule_search_locations = inner
        return found

    def _checked(self, path: Path) -> bytes:
        data, place = path.read_bytes(), _placed(path)
        inside = place.is_relative_to(self._folder)
        wanted = self._files.get(percent_encoded(place.relative_to(self._folder))) if inside else None
        if wanted != f"sha256:{hashlib.sha256(data).hexdigest()}":
            raise AncileError(
                "a file of the model's code is not the one that its digest names",
                value=plain(str(path)),
                remedy="wait until its writer is done and repeat; links out of a package are not followed",
            )
        return data


class _Exactly(SourceFileLoader):
    """Runs the bytes that were checked: no second look at the file, none at a cache."""

    def __init__(self, name: str, path: str, data: bytes) -> None:
        super().__init__(name, path)
        self._data = data

    def get_code(self, _fullname: str) -> CodeType:
        """The module's code."""
        found: CodeType = compile(self._data, self.path, "exec", dont_inherit=True)
        return found


def run_only(name: str, root: str, files: Mapping[str, str]) -> None:
    """Have this process import that package or module in no other way from now on."""
    sys.meta_path.insert(0, Checked(name, Path(root), files))
