"""Crashes in rounds, and what they cost: kill -9 of writing processes, and power cuts replayed from a record.

Tests run a few rounds, ``make soak`` and the bench many; nothing here asserts, so that both can count.
"""

from __future__ import annotations

import ast
import hashlib
import os
import random
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.trust.audit import audit
from ancile.trust.notary import sign_head
from tests.trust.crash_child import body_of
from tests.trust.crash_help import Disk, Operation, operations, restore, script
from tests.trust.ledger_help import ERASER, LOG, VKEYS, drafts, opened, signed, ticking

ROUNDS_A_LEDGER = 5  # kills go on with what the ones before left; then a new ledger begins


class Acknowledged(NamedTuple):
    """What a process was told to be durable; a body by its digest."""

    entries: dict[int, bytes]
    erased: dict[int, int]
    checkpoints: list[str]


class Crashed(NamedTuple):
    """What a number of crashes did.

    crashes       how many
    acknowledged  entries that a process was told to be durable, over all of them
    losses        what was lost or damaged, in words; empty when nothing was
    """

    crashes: int
    acknowledged: int
    losses: list[str]


def digest(body: bytes | None) -> bytes:
    return hashlib.sha256(body or b"").digest()


def entries_of(lines: bytes) -> dict[int, bytes]:
    """Index and digest of what a child said in whole lines."""
    whole = lines[: lines.rfind(b"\n") + 1].decode().splitlines()
    rows = [line.split(" ") for line in whole]
    return {int(index): digest(body_of(name, long=long == "1")) for index, name, long in rows}


def losses(folder: Path, acknowledged: Acknowledged) -> list[str]:
    """What is wrong with a ledger after a crash: something lost or damaged, or no way to go on."""
    try:
        with opened(folder) as ledger:
            found = audit(
                ledger, vkeys=VKEYS, against=acknowledged.checkpoints[-1:], authors=[ERASER.public.text]
            )
            stored = {entry.index: digest(entry.body) for entry in ledger.entries(0, ledger.size())}
            erased = {one.entry: one.by for one in found.erased}
            gone = {i for i, body in acknowledged.entries.items() if stored.get(i) != body}
            undone = set(acknowledged.erased.items()) - set(erased.items())
            wrong = [f"{fault.place}: {fault.what}" for fault in found.faults]
            wrong += [f"entry {index} was acknowledged and is lost" for index in sorted(gone - set(erased))]
            wrong += [f"erasure of entry {index} was acknowledged and is lost" for index, _ in sorted(undone)]
            ledger.append(drafts(2))
            sign_head(ledger, LOG, clock=ticking())
            after = audit(ledger, vkeys=VKEYS, authors=[ERASER.public.text])
            wrong += [f"after going on: {fault.what}" for fault in after.faults]
    except AncileError as error:
        return [f"it cannot be used: {error}"]
    return wrong


def kill_rounds(base: Path, rounds: int, *, child: str = "append_forever", processes: int = 2) -> Crashed:
    """Processes append to one ledger, and each of them is killed at a random moment of its own."""
    rng = random.Random(0)
    count, wrong = 0, list[str]()
    for round_ in range(rounds):
        if round_ % ROUNDS_A_LEDGER == 0:
            entries, kept, folder = dict[int, bytes](), list[str](), base / f"ledger-{round_}"
        children = [script(child, str(folder), f"{round_}-{k}") for k in range(processes)]
        for one in children:
            found = entries_of(_killed(one, rng.random() / 10))
            if not found or entries.keys() & found.keys():
                wrong.append(f"round {round_}: a process was told nothing, or the index of another entry")
            entries |= found
            count += len(found)
        wrong += [f"round {round_}: {loss}" for loss in losses(folder, Acknowledged(entries, {}, kept))]
        with opened(folder) as ledger:
            kept.append(signed(ledger))
        if (round_ + 1) % ROUNDS_A_LEDGER == 0:
            shutil.rmtree(folder)
    return Crashed(processes * rounds, count, wrong)


def _killed(child: subprocess.Popen[bytes], seconds: float) -> bytes:
    """What a child had printed when it was killed, that long after its first words."""
    assert child.stdout is not None
    found = os.read(child.stdout.fileno(), 65_536)
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([child.stdout], [], [], left)[0]:
            found += os.read(child.stdout.fileno(), 65_536)
    child.send_signal(signal.SIGKILL)
    return found + child.communicate()[0]


# Power cuts.


def recorded(folder: Path, library: Path, *, synchronous: str = "FULL") -> list[Operation]:
    """The steps of a ledger's life, with those of its acknowledgements among them."""
    root, log = folder / "root", folder / "log"
    (root / "ledger").mkdir(parents=True, mode=0o700)
    environment = {"LD_PRELOAD": str(library), "RECORD_ROOT": str(root), "RECORD_LOG": str(log)}
    arguments = (str(root / "ledger"), str(root / "acks"), synchronous)
    child = script("live", *arguments, environment=environment)
    child.communicate()
    if child.returncode:
        raise RuntimeError(f"the recorded process ended with {child.returncode}")
    return list(operations(log.read_bytes(), root))


def acknowledged_by(lines: bytes) -> Acknowledged:
    """What the acknowledgements of ``live`` say."""
    entries, erased, checkpoints = {}, {}, []
    for line in lines.decode().splitlines():
        word, rest = line.split(" ", 1)
        if word == "entry":
            index, name, long = rest.split(" ")
            entries[int(index)] = digest(body_of(name, long=long == "1"))
        elif word == "erased":
            entry, by = rest.split(" ")
            erased[int(entry)] = int(by)
        else:
            checkpoints.append(ast.literal_eval(rest))
    return Acknowledged(entries, erased, checkpoints)


class Cut(NamedTuple):
    """A power cut: after which step, with what chance each unsynced one was kept, and what is left."""

    step: int
    keep: float
    files: dict[str, bytes | None]
    told: bytes


def cuts(steps: list[Operation], *, samples: int | None = None) -> Iterator[Cut]:
    """Power cuts after every step, or after a sample of them; unsynced writes dropped or torn.

    After every tenth they are kept as well, which is what a kill leaves. A disk and acknowledgements that
    were seen before are not given again.
    """
    rng = random.Random(1)
    chosen = set(range(len(steps)) if samples is None else rng.sample(range(len(steps)), samples))
    disk, told, seen = Disk(), b"", set[bytes]()
    for number, step in enumerate(steps):
        if step.path == "acks":
            told += step.data
            continue
        disk.apply(step)
        keeps = (0.0, 0.5, 1.0) if number % 10 == 0 else (0.0, 0.5)
        for keep in keeps if number in chosen else ():
            files = disk.cut(rng, keep=keep)
            state = hashlib.sha256(told + repr([(k, digest(v)) for k, v in sorted(files.items())]).encode())
            if state.digest() not in seen:
                seen.add(state.digest())
                yield Cut(number, keep, files, told)


def power_cuts(base: Path, steps: list[Operation], *, samples: int | None = None) -> Crashed:
    """Each cut disk is opened again and judged by what was acknowledged until then."""
    count, wrong = 0, list[str]()
    for cut in cuts(steps, samples=samples):
        folder = base / "cut"
        (folder / "ledger").mkdir(parents=True, mode=0o700)
        restore(cut.files, folder)
        found = losses(folder / "ledger", acknowledged_by(cut.told))
        wrong += [f"cut after step {cut.step} of {len(steps)}, keep {cut.keep}: {loss}" for loss in found]
        shutil.rmtree(folder)
        count += 1
    said = b"".join(step.data for step in steps if step.path == "acks")
    return Crashed(count, len(acknowledged_by(said).entries), wrong)
