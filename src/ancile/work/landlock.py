"""Landlock, the kernel's own sandbox for a process without privilege: landlock(7), Linux 5.13 and later.

Rights and structures are those of ``include/uapi/linux/landlock.h``. Everything that is allowed is listed;
whatever has no rule is refused. A rule holds for a folder with all below it, so a folder that contains a
refused one gets no rule of its own: its other entries do.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
VERSION_FLAG = 1
PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE = 1 << 13, 1 << 14
ABI_1_RIGHTS = (1 << 13) - 1
NETWORK_RIGHTS = 0b11  # bind and connect TCP, ABI 4
SCOPES = 0b11  # abstract unix sockets and signals stay inside, ABI 6

READ = EXECUTE | READ_FILE | READ_DIR
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
WRITABLE_DEVICES = ("null", "zero", "full", "random", "urandom")  # no terminal: a passphrase is typed there
GPU_PREFIXES = ("nvidia", "dri", "kfd")  # device nodes that a compute runtime opens for writing


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    answer: int = libc.syscall(ctypes.c_long(number), *arguments)
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer


def landlock_abi() -> int:
    """The version of Landlock that this kernel offers; 0 where there is none."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        return _call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(VERSION_FLAG))
    except OSError:
        return 0


def handled_rights(abi: int) -> int:
    """Every file right that this version can refuse, those on devices' ioctl aside."""
    return ABI_1_RIGHTS | (REFER if abi >= 2 else 0) | (TRUNCATE if abi >= 3 else 0)


def restrict(
    *, readable: Sequence[Path], denied: Sequence[Path], writable: Sequence[Path], network: bool
) -> None:
    """Bind this process and all that it starts, for good: see the module's docstring.

    readable  files and folders that may be read, and this process's own entry in /proc; need not exist
    denied    not to be read, though they lie in a readable folder; need not exist
    writable  folders in which files may be made and changed
    network   whether TCP may be bound and connected

    Raises OSError where the kernel refuses. Open descriptors stay open. ``no_new_privs`` has to be set.
    """
    abi = landlock_abi()
    rights = handled_rights(abi)
    shape = _Ruleset(rights, 0 if network or abi < 4 else NETWORK_RIGHTS, SCOPES if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = _call(CREATE_RULESET, ctypes.byref(shape), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        for path in (*readable, Path("/proc", str(os.getpid()))):
            for part in allowed_paths(denied, root=path):
                _allow(ruleset, part, READ & rights)
        for path in (*writable, *_devices()):
            _allow(ruleset, path, rights)
        _call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def allowed_paths(denied: Sequence[Path], *, root: Path) -> Iterator[Path]:
    """The fewest paths that hold everything under ``root`` but what is denied."""
    away = {one.resolve() for one in denied}  # links get no rule below, so targets are what counts
    if any(root.is_relative_to(path) for path in away):
        return
    if not any(path.is_relative_to(root) for path in away):
        yield root
        return
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.is_symlink():  # a link would carry the rule to its target, maybe to what is denied
            yield from allowed_paths([p for p in away if p.is_relative_to(entry.path)], root=Path(entry.path))


def _devices() -> Iterator[Path]:
    for entry in os.scandir("/dev"):
        if entry.name in WRITABLE_DEVICES or entry.name.startswith(GPU_PREFIXES):
            yield Path(entry.path)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # gone, or not to be reached: then there is nothing to allow
        return
    try:
        found = os.fstat(descriptor).st_mode
        if stat.S_ISLNK(found):
            return
        rule = _PathBeneath(rights if stat.S_ISDIR(found) else rights & OF_A_FILE, descriptor)
        _call(
            ADD_RULE,
            ctypes.c_int(ruleset),
            ctypes.c_int(PATH_BENEATH),
            ctypes.byref(rule),
            ctypes.c_uint32(0),
        )
    finally:
        os.close(descriptor)
