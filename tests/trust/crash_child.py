"""What the children of the crash tests run; they tell what was acknowledged as soon as it was."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.trust.ledger import Draft, Ledger
from ancile.trust.notary import sign_head
from ancile.trust.sqlite_store import INLINE_BYTES, SqliteStore
from tests.trust.ledger_help import AUTHOR, LOG, drafts, erased, opened, ticking

LONG = INLINE_BYTES + 10


def body_of(name: str, *, long: bool = False) -> bytes:
    """A body that can be made again from its name."""
    block = hashlib.sha256(name.encode()).digest()
    return block * (LONG // 32) if long else block * 3


def append_forever(folder: str, name: str) -> None:
    """Four threads append until the process is killed; a line "index name" for each acknowledged entry."""
    with opened(Path(folder)) as ledger:
        threads = [threading.Thread(target=_appender, args=(ledger, f"{name}-{k}")) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _appender(ledger: Ledger, name: str) -> None:
    n = 0
    while True:
        long = n % 50 == 7
        bodies = [f"{name}-{n}-{k}" for k in range(1 + n % 3)]
        indices = ledger.append([Draft("run", AUTHOR, body_of(one, long=long)) for one in bodies])
        lines = [f"{index} {one} {int(long)}\n" for index, one in zip(indices, bodies, strict=True)]
        os.write(1, "".join(lines).encode())
        n += 1


def append_some(folder: str, name: str, count: str) -> None:
    """Appends ``count`` entries one by one and ends."""
    with opened(Path(folder)) as ledger:
        for n in range(int(count)):
            (index,) = ledger.append([Draft("run", AUTHOR, body_of(f"{name}-{n}"))])
            os.write(1, f"{index} {name}-{n} 0\n".encode())


def append_hastily(folder: str, name: str) -> None:
    """The control: tells each index as it expects it, long before the entry is durable."""
    with opened(Path(folder)) as ledger:
        n = 0
        while True:
            size, names = ledger.size(), [f"{name}-{n}-{k}" for k in range(1000)]
            for k, one in enumerate(names):
                os.write(1, f"{size + k} {one} 0\n".encode())
            ledger.append([Draft("run", AUTHOR, body_of(one)) for one in names])
            n += 1


def append_by_rewriting(file: str, name: str, count: str) -> None:
    """The control: each entry is a new copy of the whole file with one line more, renamed into its place."""
    path = Path(file)
    for n in range(int(count)):
        lines = path.read_text().splitlines() if path.exists() else []
        unfinished = path.with_suffix(f".{name}")
        unfinished.write_text("\n".join([*lines, f"{name}-{n}", ""]))
        unfinished.replace(path)
        os.write(1, f"{len(lines)} {name}-{n} 0\n".encode())


def live(folder: str, acknowledged: str, synchronous: str) -> None:
    """A ledger's life in small: appends of all sizes, checkpoints, erasures, log resets, reopening.

    synchronous  FULL as the ledger sets it; OFF is the control
    """
    path = Path(folder)
    acks = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for life in range(2):
        with opened(path) as ledger:
            ledger.append(drafts(1))  # makes the writing connection
            assert isinstance(ledger.store, SqliteStore)
            assert ledger.store._write is not None
            ledger.store._write.execute("PRAGMA wal_autocheckpoint = 12")
            ledger.store._write.execute(f"PRAGMA synchronous = {synchronous}")
            for n in range(5):
                _live_once(ledger, f"{life}-{n}", acks)
            ledger.store.forget()


def _live_once(ledger: Ledger, name: str, acks: int) -> None:
    for count in (1, 3, 40):
        names = [f"{name}-{count}-{k}" for k in range(count)]
        indices = ledger.append([Draft("run", AUTHOR, body_of(one)) for one in names])
        lines = [f"entry {index} {one} 0\n" for index, one in zip(indices, names, strict=True)]
        os.write(acks, "".join(lines).encode())
    if name.endswith(("2", "4")):
        (index,) = ledger.append([Draft("segment", AUTHOR, body_of(name, long=True))])
        os.write(acks, f"entry {index} {name} 1\n".encode())
        if name.endswith("4"):
            by = erased(ledger, index)
            os.write(acks, f"erased {index} {by}\n".encode())
    if name.endswith("3"):
        index = ledger.size() - 5
        by = erased(ledger, index)
        os.write(acks, f"erased {index} {by}\n".encode())
    note = sign_head(ledger, LOG, clock=ticking())
    os.write(acks, f"checkpoint {note!r}\n".encode())


def fill_disk(folder: str) -> None:
    """Appends until the disk is full, prints the error, and how many entries were acknowledged."""
    count = 0
    try:
        with opened(Path(folder)) as ledger:
            while True:
                count += len(ledger.append([Draft("run", AUTHOR, bytes(50_000)), *drafts(3)]))
    except AncileError as error:
        print(f"{count}|{error.what}|{error.remedy}", flush=True)
