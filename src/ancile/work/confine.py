"""What a child process gives up before foreign code runs in it.

No privileges, old or new, no core dump, bounded files and memory; of the files those of the machine and of
Python itself, and what is asked for, to read; writes in a private folder alone; no network; no signals to
other processes. The walls are those of the Linux kernel (Landlock, seccomp); what a machine lacks is told,
so that a report can say it.

The same user is no wall. Where Landlock is absent, code of this user can read what this user can read,
signing keys included: keep keys under a passphrase, or assess foreign code as another user or elsewhere.
"""

from __future__ import annotations

import ctypes
import resource
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from ancile.work import landlock, seccomp

PR_SET_NO_NEW_PRIVS = 38
CAPABILITY_VERSION_3 = 0x20080522
FILE_BYTES = 1 << 30  # of one file that the child writes


class Confinement(msgspec.Struct, frozen=True, kw_only=True):
    """What to give up.

    readable      files and folders that may be read
    denied        what of them is not to be read
    folders       of modules that are imported later, though a denied entry keeps them from being listed
    writable      folders in which files may be made
    network       whether the network stays open
    memory_bytes  most private memory, None for no limit
    """

    readable: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    network: bool = False
    memory_bytes: int | None = None


class Confined(msgspec.Struct, frozen=True, kw_only=True):
    """What was given up, and what this machine could not do.

    abi      version of Landlock in force, 0 for none
    sockets  whether making a socket is refused
    lacking  what could not be had, in words
    """

    abi: int = 0
    sockets: bool = False
    lacking: tuple[str, ...] = ()


def confine(asked: Confinement) -> Confined:
    """Give it up, for good, in this process and all that it starts; what cannot be had stands in the answer.

    The kernel binds the calling thread and what it starts: call this before any other thread exists, which
    means before numpy is imported.
    """
    _limits(asked.memory_bytes)
    if not sys.platform.startswith("linux"):
        return Confined(lacking=(f"{sys.platform} has neither Landlock nor seccomp",))
    drop_privileges()
    _remember_folders((*sys.path, *asked.folders))
    lacking: list[str] = []
    abi = landlock.landlock_abi()
    if abi:
        abi = abi if _done("Landlock", lambda: _landlock(asked), lacking) else 0
    else:
        lacking.append("the kernel offers no Landlock: files that this user can read are readable")
    if 0 < abi < 6:
        lacking.append(f"Landlock ABI {abi} does not hold back signals")
    sockets = False
    if not asked.network and seccomp.available():
        sockets = _done("seccomp", seccomp.refuse_sockets, lacking)
    elif not asked.network:
        lacking.append("no seccomp filter is known for this machine: the network is open")
    return Confined(abi=abi, sockets=sockets, lacking=tuple(lacking))


class _Sets(ctypes.Structure):
    """Effective, permitted and inheritable capabilities, 32 of them: capset(2)."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def gain_no_privileges() -> None:
    """No privilege is ever gained again, which Landlock and seccomp ask for."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def drop_privileges() -> None:
    """The same, and none is kept.

    A child of root would keep them: with CAP_PERFMON it reads the environment of its parent past Landlock.
    """
    gain_no_privileges()
    libc = ctypes.CDLL(None, use_errno=True)
    head, none = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0), (_Sets * 2)()
    libc.capset(ctypes.byref(head), ctypes.byref(none))


def _landlock(asked: Confinement) -> None:
    landlock.restrict(
        readable=[Path(p) for p in asked.readable],
        denied=[Path(p) for p in asked.denied],
        writable=[Path(p) for p in asked.writable],
        network=asked.network,
    )


def _done(name: str, step: Callable[[], None], lacking: list[str]) -> bool:
    try:
        step()
    except OSError as reason:
        lacking.append(f"{name} was refused by the kernel: {reason.strerror}")
        return False
    return True


def _limits(memory_bytes: int | None) -> None:
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, FILE_BYTES)
    if memory_bytes is not None:
        _lower(resource.RLIMIT_DATA, memory_bytes)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (most, most))


def _remember_folders(folders: Iterable[str]) -> None:
    """Have Python's importers list their folders now: one that holds a denied folder cannot be listed later.

    Files in it stay readable, each by its own rule, so that a model's neighbouring modules import.
    """
    for finder in (f for f in map(_finder, folders) if f is not None):
        finder("ancile_nothing")


def _finder(folder: str) -> Callable[[str], object] | None:
    for hook in sys.path_hooks:
        try:
            found = hook(folder)
        except ImportError:
            continue
        sys.path_importer_cache[folder] = found
        return found.find_spec
    return None
