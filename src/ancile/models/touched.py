"""Which files a model's own code reads while it opens: what the digest of the code does not cover.

Told by Python's audit events (PEP 578), which native code does not raise and hostile code can silence: a help
for honest users, no proof.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST = 64  # files that are named
SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib")


@contextmanager
def files_touched(*, besides: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """A list that fills with the files opened inside, those of Python, its packages and the system aside.

    besides  paths that do not count, be it with all below them; empty ones aside
    """
    found: list[str] = []
    covered = tuple(one for one in besides if one)
    away = (*SYSTEM, *_own_folders())
    watching = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if not watching or event != "open" or len(found) >= MOST:
            return
        path = arguments[0]
        if isinstance(path, str | bytes) and (name := _source(os.fsdecode(path))) not in found:
            whole = os.path.abspath(name)  # noqa: PTH100 - inside an audit hook; resolve() opens by itself
            known = whole.startswith(away) or _lies_in(whole, covered)
            # importlib.metadata tries every folder of sys.path as a zip file; a folder holds no bytes
            if not known and not os.path.isdir(whole):  # noqa: PTH112 - as above
                found.append(name)

    hook.__cantrace__ = True  # type: ignore[attr-defined]  # read by Python, so that coverage sees the hook
    sys.addaudithook(hook)  # for good: a hook cannot be taken away
    try:
        yield found
    finally:
        watching = False


def _lies_in(whole: str, covered: tuple[str, ...]) -> bool:
    return any(whole == one or whole.startswith(os.path.join(one, "")) for one in covered)  # noqa: PTH118 - ends in a slash


def _own_folders() -> tuple[str, ...]:
    scratch = os.environ.get("TMPDIR", "/tmp")  # noqa: S108 - named, not written to
    own = {sys.prefix, sys.base_prefix, str(Path(__file__).parents[1]), scratch}
    packages = {path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")}
    return tuple(os.path.join(folder, "") for folder in own | packages)  # noqa: PTH118 - ends in a slash


def _source(name: str) -> str:
    """The module that a cached bytecode file belongs to."""
    path = Path(name)
    if path.parent.name == "__pycache__" and path.suffix == ".pyc":
        return str(path.parent.parent / f"{path.name.partition('.')[0]}.py")
    return name
