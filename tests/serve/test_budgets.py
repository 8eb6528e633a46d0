"""A day is spent in blocks, by several processes at once, and never more of it than there is."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.serve.budgets import BLOCKS, Budgets, Counts, Spent, Unavailable, block
from ancile.serve.caller import Caller, Callers
from ancile.serve.config import Role
from ancile.serve.guards.quota import AGAIN_SECONDS, DAY_SECONDS, quota
from ancile.serve.keys import Identity
from ancile.serve.state import DATABASE, StateFile

DAY = 20_000
NOON = (DAY + 0.5) * DAY_SECONDS


def caller(daily: int) -> Caller:
    return Caller(Identity("alice", "r"), Role(may=("infer",), daily=daily))


def passed(one: Caller, budgets: Budgets, *, most: int, at: float = NOON) -> int:
    """Requests that the quota lets through, until one is not."""
    for number in range(most):
        if quota(one, at, budgets).reaction != "allow":
            return number
    return most


@given(limit=st.integers(1, 10**12), taken=st.integers(0, 10**12))
def test_a_block_is_a_hundredth_or_what_is_left(limit: int, taken: int) -> None:
    found = block(limit, taken=taken)
    assert 0 <= found <= max(0, limit - taken)
    assert found == max(0, limit - taken) or (found - 1) * BLOCKS < limit <= found * BLOCKS


@pytest.mark.slow
@given(daily=st.integers(1, 700), workers=st.integers(1, 5), data=st.data())
def test_several_workers_spend_exactly_the_day_between_them(
    daily: int, workers: int, data: st.DataObject
) -> None:
    counts, ones = Counts(), [caller(daily) for _ in range(workers)]
    spent, tries = 0, 0
    while any(quota(one, NOON, counts).reaction == "allow" and (spent := spent + 1) for one in ones):
        tries += 1
        spent += quota(ones[data.draw(st.integers(0, workers - 1))], NOON, counts).reaction == "allow"
        assert tries <= daily
    assert spent == daily


def test_a_clock_set_back_by_hours_begins_no_new_day_and_one_that_was_mended_does() -> None:
    assert Spent(DAY, 7).at(DAY) == Spent(DAY, 7)
    assert Spent(DAY, 7).at(DAY - 1) == Spent(DAY, 7)
    assert Spent(DAY, 7).at(DAY + 1) == Spent(DAY + 1, 0)
    assert Spent(DAY + 400, 7).at(DAY) == Spent(DAY, 0)


def test_whoever_has_nothing_left_does_not_make_the_place_be_asked_each_time() -> None:
    class Asked(Counts):
        times = 0

        def take(self, who: str, day: int, *, limit: int) -> int:
            self.times += 1
            return super().take(who, day, limit=limit)

    one, counts = caller(1), Asked()
    assert quota(one, NOON, counts).reaction == "allow"
    assert [quota(one, NOON + at / 100, counts).reaction for at in range(400)] == ["throttle"] * 400
    assert counts.times == 2
    counts.give("alice", DAY, unspent=1)
    assert quota(one, NOON + AGAIN_SECONDS, counts).reaction == "allow"


def test_a_restart_goes_on_with_the_day_and_what_was_not_spent_is_given_back(tmp_path: Path) -> None:
    for spent in (150, 250, 600):
        callers = Callers(StateFile(tmp_path / "s"))
        one = callers.of(Identity("alice", "r"), Role(may=("infer",), daily=1000))
        assert passed(one, callers.budgets, most=spent) == spent
        callers.settle()
        callers.budgets.close()
    with closing(StateFile(tmp_path / "s")) as file:
        assert passed(caller(1000), file, most=10) == 0
        assert passed(caller(1000), file, most=10, at=NOON + DAY_SECONDS) == 10


SPENDER = """
import sys
from pathlib import Path
from ancile.serve.state import StateFile
file, spent = StateFile(Path(sys.argv[1])), 0
while granted := file.take("alice", 20000, limit=5000):
    spent += granted
    print(spent, flush=True)
"""


def test_processes_share_the_file_and_one_that_is_killed_holds_nothing_up(tmp_path: Path) -> None:
    """Of four that spend at once one is killed; together they have had the day, and no more."""
    StateFile(tmp_path / "s").close()
    command = [sys.executable, "-c", SPENDER, str(tmp_path / "s")]
    ones = [subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) for _ in range(4)]
    assert ones[0].stdout is not None
    first = ones[0].stdout.readline()
    os.kill(ones[0].pid, signal.SIGKILL)
    outs = [one.communicate(timeout=60)[0] for one in ones]
    outs[0] = first + outs[0].rpartition(b"\n")[0]  # its last line may be cut off
    assert [one.returncode for one in ones[1:]] == [0, 0, 0]
    told = sum(int(out.split()[-1]) for out in outs if out)
    assert 5000 - 50 <= told <= 5000  # what the killed one took last, it may not have told


def test_a_file_of_a_newer_version_or_a_damaged_one_is_told(tmp_path: Path) -> None:
    StateFile(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(AncileError, match="newer ancile"):
        StateFile(tmp_path)
    (tmp_path / DATABASE).write_bytes(b"no database" * 100)
    with pytest.raises(AncileError, match="cannot be read or written"):
        StateFile(tmp_path)


def test_where_the_file_takes_nothing_nobody_is_let_through(tmp_path: Path) -> None:
    """Another process that holds the file's lock for too long, and a file that grows no more."""
    with closing(StateFile(tmp_path)) as file, closing(sqlite3.connect(tmp_path / DATABASE)) as db:
        db.isolation_level = None
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            quota(caller(10), NOON, file)
        file.give("alice", DAY, unspent=1)
        db.execute("ROLLBACK")
        assert quota(caller(10), NOON, file).reaction == "allow"
