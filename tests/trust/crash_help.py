"""Processes that append until they are stopped, and disks that lose what was not synced."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

ROUNDS = int(os.environ.get("ANCILE_SOAK", "4"))
HERE = Path(__file__).parent
SECTOR = 512  # bytes that a disk writes whole: what SQLite calls its smallest atomic write
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is absent: it builds the recorder")


def recorder(folder: Path) -> Path:
    """The library that records what a process does to files."""
    library = folder / "recorder.so"
    command = ["gcc", "-O1", "-shared", "-fPIC", "-o", str(library), str(HERE / "recorder.c"), "-lpthread"]
    subprocess.run(command, check=True)
    return library


def script(name: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A child that runs one of the functions in crash_child.py."""
    code = "import sys; from tests.trust import crash_child as c; getattr(c, sys.argv[1])(*sys.argv[2:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, name, *arguments],
        cwd=HERE.parents[1],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        bufsize=0,
    )


class Operation(NamedTuple):
    """One step of a recorded process.

    kind  w write, t truncate, s sync, c create, r rename, l link, u unlink, d make folder
    """

    kind: str
    path: str
    other: str
    offset: int
    data: bytes


def operations(record: bytes, root: Path) -> Iterator[Operation]:
    """The steps in a record, with paths relative to ``root``."""
    at = 0
    while at < len(record):
        kind, a, b, offset, n = struct.unpack_from("<cIIQQ", record, at)
        at += 25
        path, other = (
            os.path.relpath(name, root) if name else ""
            for name in (record[at : at + a].decode(), record[at + a : at + a + b].decode())
        )
        at += a + b
        yield Operation(kind.decode(), path, other, offset, record[at : at + n])
        at += n


class File:
    """A file's bytes: those that are safe, and the writes that are not yet."""

    def __init__(self) -> None:
        self.safe = b""
        self.pending: list[Operation] = []

    def after(self, chosen: list[Operation]) -> bytes:
        data = bytearray(self.safe)
        for step in chosen:
            if step.kind == "t":
                data = data[: step.offset].ljust(step.offset, b"\0")
            else:
                data = data.ljust(step.offset, b"\0")
                data[step.offset : step.offset + len(step.data)] = step.data
        return bytes(data)

    def sync(self) -> None:
        self.safe, self.pending = self.after(self.pending), []


class Naming(NamedTuple):
    """A change of names; ``file`` is what a creation made."""

    kind: str
    path: str
    other: str
    file: File | None


Names = dict[str, File | None]  # None: a folder


def rename(names: Names, step: Naming) -> None:
    if step.kind in "cd":
        names[step.path] = step.file
    elif step.kind == "u":
        names.pop(step.path, None)
    elif step.path in names:
        names[step.other] = names[step.path]
        if step.kind == "r":
            del names[step.path]


class Disk:
    """What a strict disk promises: a file's bytes once it is synced, a name once its folder is."""

    def __init__(self) -> None:
        self.names: Names = {}
        self.safe: Names = {}
        self.pending: dict[str, list[Naming]] = {}  # by folder, since its last sync

    def apply(self, step: Operation) -> None:
        file = self.names.get(step.path)
        if step.kind in "wt":
            if file is not None:
                file.pending.append(step)
        elif step.kind == "s" and file is not None:
            file.sync()
        elif step.kind == "s":
            for naming in self.pending.pop(step.path, []):
                rename(self.safe, naming)
        else:
            naming = Naming(step.kind, step.path, step.other, File() if step.kind == "c" else None)
            rename(self.names, naming)
            self.pending.setdefault(str(PurePosixPath(step.path).parent), []).append(naming)

    def cut(self, rng: random.Random, *, keep: float) -> dict[str, bytes | None]:
        """Files after a power cut: each unsynced step is kept with this chance, whole or torn."""
        names = dict(self.safe)
        for steps in self.pending.values():
            count = len(steps) if keep == 1 else rng.randint(0, len(steps)) if keep else 0
            for step in steps[:count]:
                rename(names, step)
        return {path: None if file is None else _torn(file, rng, keep=keep) for path, file in names.items()}


def _torn(file: File, rng: random.Random, *, keep: float) -> bytes:
    chosen = []
    for step in file.pending:
        if keep == 1:
            chosen.append(step)
        elif rng.random() < keep:
            whole = rng.random() < 0.5 or step.kind == "t"
            end = len(step.data) if whole else rng.randrange(len(step.data) // SECTOR + 1) * SECTOR
            chosen.append(step._replace(data=step.data[:end]))
    return file.after(chosen)


def restore(state: dict[str, bytes | None], folder: Path) -> None:
    """Writes the files of a cut disk into an empty folder."""
    for path, data in sorted(state.items(), key=lambda item: item[0].count("/")):
        target = folder / path
        if data is None:
            target.mkdir(mode=0o700)
        elif target.parent.exists():  # else the folder's own name was lost
            target.write_bytes(data)
            target.chmod(0o600)
