"""Who was suspected before a restart is suspected after it, for as long as evidence lasts and no longer."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from ancile.serve import history as module
from ancile.serve.caller import Callers
from ancile.serve.config import Role
from ancile.serve.history import WRITE_TICKS, History
from ancile.serve.keys import Identity
from ancile.serve.ladder import FORGOTTEN_HALVES, Evidence, Ladder
from ancile.serve.state import DATABASE, StateFile
from tests.cli.terminal import Place
from tests.serve.small import running
from tests.serve.test_command import key, recorded, soon

LADDER, ROLE = Ladder(), Role(may=("infer",))


class Host:
    """A worker's callers over the file of a folder; time is set, and goes on where the process does not."""

    def __init__(self, folder: Path, *, unix: float = 1e9, clock: float = 5.0) -> None:
        self.unix, self.clock = unix, clock
        self.history = History(folder, LADDER, wall=lambda: self.unix, clock=lambda: self.clock)
        self.callers = Callers(history=self.history)

    def of(self, name: str) -> Evidence:
        return self.callers.of(Identity(name, "r"), ROLE).evidence

    def level(self, name: str) -> float:
        return self.of(name).level(self.clock, LADDER)

    def held(self, name: str, count: int) -> None:
        for _ in range(count):
            self.of(name).add("sequence", self.clock, LADDER)


def test_evidence_outlives_the_process_and_halves_meanwhile(tmp_path: Path) -> None:
    before = Host(tmp_path / "serve")
    before.held("eve", 8)
    before.level("bob")
    before.callers.settle()
    after = Host(tmp_path / "serve", unix=1e9 + LADDER.half_seconds, clock=70.0)
    assert after.level("eve") == pytest.approx(-math.expm1(-4 / LADDER.many))
    assert after.level("bob") == 0.0
    after.held("eve", 1)
    after.callers.settle()
    last = Host(tmp_path / "serve", unix=1e9 + LADDER.half_seconds, clock=0.0)
    assert last.level("eve") == pytest.approx(-math.expm1(-5 / LADDER.many))
    last.callers.settle()


def test_a_kill_takes_the_evidence_of_a_few_seconds_at_most(tmp_path: Path) -> None:
    killed = Host(tmp_path / "serve")
    killed.held("eve", 3)
    for _ in range(WRITE_TICKS):
        killed.callers.tick()
    killed.held("eve", 4)
    after = Host(tmp_path / "serve")
    assert after.of("eve").sums == {"sequence": 3.0}
    assert not after.of("eve").changed
    for one in (after, killed):
        one.callers.settle()


def test_a_clock_set_back_forgets_nothing_and_brings_nothing_again(tmp_path: Path) -> None:
    before = Host(tmp_path / "serve")
    before.held("eve", 2)
    before.callers.settle()
    after = Host(tmp_path / "serve", unix=1e9 - 1e6)
    assert after.of("eve").sums == {"sequence": 2.0}
    after.callers.settle()


def test_what_decayed_or_is_beyond_the_room_is_forgotten_the_oldest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 10)
    old = Host(tmp_path / "serve")
    old.held("long-ago", 100)
    old.callers.settle()
    now = Host(tmp_path / "serve", unix=1e9 + FORGOTTEN_HALVES * LADDER.half_seconds + 1)
    for number in range(15):
        now.held(f"user-{number}", 1)
        now.unix, now.clock = now.unix + 1, now.clock + 1
    now.callers.settle()
    with closing(sqlite3.connect(tmp_path / "serve" / DATABASE)) as db:
        names = {name for (name,) in db.execute("SELECT who FROM evidence")}
    assert names == {f"user-{number}" for number in range(5, 15)}


def test_budgets_and_evidence_of_the_version_before_are_brought_to_this_one(tmp_path: Path) -> None:
    with closing(StateFile(tmp_path / "serve")) as state:
        state.take("alice", 20_000, limit=500)
    with closing(sqlite3.connect(tmp_path / "serve" / DATABASE)) as db:
        db.executescript(
            "DROP TABLE evidence; DROP TABLE shared; DROP TABLE changed; PRAGMA user_version = 1;"
        )
    one = Host(tmp_path / "serve")
    one.held("eve", 1)
    one.callers.settle()
    with closing(StateFile(tmp_path / "serve")) as state:
        assert state.take("alice", 20_000, limit=5) == 0  # five of five hundred were taken
    assert Host(tmp_path / "serve").of("eve").sums == {"sequence": 1.0}


def test_a_file_that_cannot_be_written_holds_nobody_up_and_is_written_later(tmp_path: Path) -> None:
    one = Host(tmp_path / "serve")
    one.held("eve", 1)
    with closing(sqlite3.connect(tmp_path / "serve" / DATABASE, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        one.history.write([("eve", one.of("eve"))])
        db.execute("ROLLBACK")
    assert one.of("eve").changed
    one.callers.settle()
    assert Host(tmp_path / "serve").of("eve").sums == {"sequence": 1.0}


def test_what_another_process_holds_against_somebody_is_heard_and_counted_once(tmp_path: Path) -> None:
    """The larger of both counts, however often it is heard; whoever is not known here stays unknown."""
    one, other = Host(tmp_path / "serve"), Host(tmp_path / "serve", clock=900.0)
    one.held("eve", 3)
    other.held("eve", 5)
    one.held("bob", 2)
    for _ in range(3 * WRITE_TICKS):
        for host in (one, other):
            host.callers.tick()
    assert [host.of("eve").sums for host in (one, other)] == [{"sequence": 5.0}] * 2
    assert len(other.callers) == 1
    one.held("eve", 1)
    for host in (one, other):
        for _ in range(WRITE_TICKS):
            host.callers.tick()
    assert other.of("eve").sums == {"sequence": 6.0}
    for host in (one, other):
        host.callers.settle()


@pytest.mark.slow
def test_an_attacker_gains_nothing_by_a_restart_nor_by_a_kill(home: Place) -> None:
    """He is answered less precisely from his first request on."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 2)).astype(np.float32)
    np.savez(home.folder / "reference.npz", x=x, y=np.arange(1200) % 2)
    with (home.folder / "ancile.toml").open("a", encoding="utf-8") as config:
        config.write("\n[serve.ladder]\ndegrade = 0.5\n")
    alice = key(home, "alice", "service")
    with running(home, "line.onnx", "--reference", "reference.npz") as gateway:
        client = gateway.client(alice)
        for step in [0.5**k for k in range(30)] + rng.normal(scale=1e-3, size=30).tolist():
            assert client.infer(step, -step).status == 200
        assert gateway.end() == 0
    with running(home, "line.onnx") as gateway:
        assert gateway.client(alice).infer(-1.0, 1.0).status == 200
        os.kill(gateway.worker(), signal.SIGKILL)
        assert soon(lambda: "another takes its place" in gateway.said.read_text("utf-8"))
        assert gateway.client(alice).infer(1.5, 1.0).status == 200
        assert gateway.end() == 0
    served = [r for r in recorded(home) if r.who == "alice"]
    assert [(r.said, r.guard) for r in served[-2:]] == [("degrade", "evidence")] * 2
