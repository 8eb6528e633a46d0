"""kill -9 and power cuts: what was acknowledged is there, and the ledger is whole."""

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

import pytest

from ancile.trust.audit import audit
from tests.trust.crash_child import body_of
from tests.trust.crash_help import ROUNDS, Disk, Operation, needs_gcc, operations, recorder, restore, script
from tests.trust.ledger_help import VKEYS, drafts, opened, signed

SAMPLES = 12 * ROUNDS  # power cuts that are tried; with ANCILE_SOAK=200 every step of the record


class Acknowledged(NamedTuple):
    """What a process was told to be durable; a body by its digest."""

    entries: dict[int, bytes]
    erased: dict[int, int]
    checkpoints: list[str]


def read_lines(child: subprocess.Popen[bytes], seconds: float) -> bytes:
    """What a child prints from its first words on, for about that long."""
    assert child.stdout is not None
    found = os.read(child.stdout.fileno(), 65_536)
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([child.stdout], [], [], left)[0]:
            found += os.read(child.stdout.fileno(), 65_536)
    return found


def entries_of(lines: bytes) -> dict[int, bytes]:
    whole = lines[: lines.rfind(b"\n") + 1].decode().splitlines()
    rows = [line.split(" ") for line in whole]
    return {int(index): digest(body_of(name, long=long == "1")) for index, name, long in rows}


def digest(body: bytes | None) -> bytes:
    return hashlib.sha256(body or b"").digest()


def check(folder: Path, acknowledged: Acknowledged) -> None:
    """Nothing acknowledged is lost, nothing else is wrong, and the ledger takes more."""
    with opened(folder) as ledger:
        found = audit(ledger, vkeys=VKEYS, against=acknowledged.checkpoints[-1:])
        assert found.is_intact, found.faults
        stored = {entry.index: digest(entry.body) for entry in ledger.entries(0, ledger.size())}
        erased = {entry for entry, _ in found.erased}
        assert {i for i, body in acknowledged.entries.items() if stored.get(i) != body} <= erased
        assert set(acknowledged.erased.items()) <= set(found.erased)
        assert len(ledger.append(drafts(2))) == 2
        assert audit(ledger, vkeys=VKEYS).is_intact


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_kill_9_at_random_moments_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """A round goes on with what the killed processes of the one before left; every tenth starts anew."""
    rng = random.Random(0)
    for round_ in range(ROUNDS):
        if round_ % 10 == 0:
            entries, kept, folder = dict[int, bytes](), list[str](), tmp_path / f"ledger-{round_}"
        children = [script("append_forever", str(folder), f"{round_}-{k}") for k in range(2)]
        lines = [read_lines(child, rng.random() / 10) for child in children]
        for child in children:
            child.send_signal(signal.SIGKILL)
        for child, some in zip(children, lines, strict=True):
            rest, _ = child.communicate()
            found = entries_of(some + rest)
            assert found
            assert not entries.keys() & found.keys()
            entries |= found
        check(folder, Acknowledged(entries, {}, kept))
        with opened(folder) as ledger:
            kept.append(signed(ledger))


@pytest.mark.slow
def test_two_processes_that_append_at_once_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    children = [script("append_some", str(folder), f"child-{k}", "150") for k in range(2)]
    found = [entries_of(child.communicate()[0]) for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert sorted([*found[0], *found[1]]) == list(range(300))
    check(folder, Acknowledged(found[0] | found[1], {}, []))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorder(tmp_path_factory.mktemp("recorder"))


def recorded(folder: Path, library: Path) -> list[Operation]:
    """The steps of a ledger's life, with those of its acknowledgements among them."""
    root, log = folder / "root", folder / "log"
    (root / "ledger").mkdir(parents=True, mode=0o700)
    environment = {"LD_PRELOAD": str(library), "RECORD_ROOT": str(root), "RECORD_LOG": str(log)}
    child = script("live", str(root / "ledger"), str(root / "acks"), environment=environment)
    child.communicate()
    assert child.returncode == 0
    return list(operations(log.read_bytes(), root))


def acknowledged_by(lines: bytes) -> Acknowledged:
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


def cuts(
    steps: list[Operation], rng: random.Random
) -> Iterator[tuple[int, float, dict[str, bytes | None], bytes]]:
    """Sampled moments of a power cut: number of the step, chance to keep, files left, what was acknowledged."""
    disk, told = Disk(), b""
    chosen = set(rng.sample(range(len(steps)), min(SAMPLES, len(steps))))
    for number, step in enumerate(steps):
        if step.path == "acks":
            told += step.data
            continue
        disk.apply(step)
        if number in chosen:
            for keep in (0.0, 0.5, 1.0) if len(chosen) == len(steps) else (rng.choice((0.0, 0.5, 1.0)),):
                yield number, keep, disk.cut(rng, keep=keep), told


@needs_gcc
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_power_cut_at_any_write_loses_nothing_acknowledged(tmp_path: Path, library: Path) -> None:
    """Unsynced writes are dropped, kept, or torn; unsynced names too; then the ledger is opened again."""
    steps = recorded(tmp_path, library)
    assert sum(step.kind == "s" for step in steps) > 50
    for number, keep, state, told in cuts(steps, random.Random(1)):
        folder = tmp_path / "cut"
        (folder / "ledger").mkdir(parents=True, mode=0o700)
        restore(state, folder)
        try:
            check(folder / "ledger", acknowledged_by(told))
        except BaseException as error:
            error.add_note(f"power cut after step {number} of {len(steps)}, keep {keep}: {steps[number][:4]}")
            raise
        shutil.rmtree(folder)


@needs_gcc
@pytest.mark.slow
def test_a_power_cut_test_without_syncs_would_fail(tmp_path: Path, library: Path) -> None:
    """The control: where syncs of the write-ahead log do nothing, entries are lost, and the check sees it."""
    steps = [s for s in recorded(tmp_path, library) if s.kind != "s" or not s.path.endswith("-wal")]
    disk, told, lost = Disk(), b"", 0
    for step in steps:
        disk.apply(step)
        told += step.data if step.path == "acks" else b""
        if step.data.startswith(b"entry"):
            folder = tmp_path / "cut"
            (folder / "ledger").mkdir(parents=True, mode=0o700)
            restore(disk.cut(random.Random(0), keep=0.0), folder)
            try:
                check(folder / "ledger", acknowledged_by(told))
            except AssertionError:
                lost += 1
            shutil.rmtree(folder)
    assert lost > 5


@needs_gcc
@pytest.mark.slow
@pytest.mark.parametrize("space", [3_000, 200_000, 1_000_000, 3_333_333])
def test_a_full_disk_is_one_error_and_the_ledger_stays_whole(
    tmp_path: Path, library: Path, space: int
) -> None:
    folder = tmp_path / "ledger"
    with opened(folder) as ledger:
        ledger.append(drafts(3))
    environment = {
        "LD_PRELOAD": str(library),
        "RECORD_ROOT": str(tmp_path),
        "RECORD_LOG": "/dev/null",
        "RECORD_SPACE": str(space),
    }
    child = script("fill_disk", str(folder), environment=environment)
    said = child.communicate()[0].decode()
    assert child.returncode == 0
    count, what, remedy = said.strip().split("|")
    assert what in {"the disk is full", "the disk fails or is full"}
    assert "free some space" in remedy
    with opened(folder, create=False) as ledger:
        assert ledger.size() == 3 + int(count)
        assert audit(ledger, vkeys=VKEYS).is_intact
        ledger.append(drafts(1))
