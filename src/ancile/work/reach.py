"""Which files a confined process may read: what an interpreter with native libraries runs on, and no more.

The kernel takes a list of what is allowed (``work.landlock``). Machine files hold no secret of a user; of the
file systems where users live only Python's own folders are on the list, and what the caller adds: the folder
of a model's code. A home folder, or one that holds it, is never added whole, whoever asks for it.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/gnu/store"),
    *("/opt/cuda", "/opt/rocm", "/sys"),
    # The loader's cache and paths, time zone, names of users, which library stands for another
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/alternatives"),
    *("/etc/localtime", "/etc/timezone", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf"),
    # What the machine is; command lines of other processes are in /proc too, hence no rule for the whole
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version", "/proc/loadavg", "/proc/uptime"),
    *("/proc/filesystems", "/proc/sys", "/proc/driver"),
)


def interpreter_reach(search: Iterable[str]) -> tuple[Path, ...]:
    """What Python needs on this machine, with the folders that modules are searched in."""
    libraries = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    own = {
        sys.prefix,
        sys.exec_prefix,
        sys.base_prefix,
        sys.base_exec_prefix,
        *sysconfig.get_paths().values(),
    }
    whole = (Path(one) for one in (*SYSTEM, *sorted(own), *libraries, sys.executable) if one)
    # Rules follow no link, so what a link leads to is listed; what would open a home folder is not
    real = (one for one in map(_resolved, whole) if not _holds_home(one))
    return tuple(dict.fromkeys((*real, *(part for one in search for part in code_reach(Path(one))))))


def code_reach(folder: Path) -> tuple[Path, ...]:
    """What of a folder with code may be read: all but hidden entries; of one that holds a home its modules.

    A folder with hidden entries is not listed whole, since a rule holds for all below it: it cannot be read
    as a folder then, its entries can.
    """
    folder = _resolved(folder)
    entries = tuple(_entries(folder))
    if _holds_home(folder):
        return tuple(one for one in entries if _is_module(one))
    shown = tuple(one for one in entries if not one.name.startswith("."))
    return (folder,) if len(shown) == len(entries) else shown


def _entries(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as found:
            yield from sorted(Path(entry.path) for entry in found)
    except OSError:
        return


def _is_module(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return not hidden and (path.suffix == ".py" or (path / "__init__.py").exists())


def _holds_home(folder: Path) -> bool:
    try:
        home = _resolved(Path.home())
    except RuntimeError:  # a user without a home
        return folder == Path("/")
    return home.is_relative_to(folder)


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))
