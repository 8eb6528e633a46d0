"""kill -9 and power cuts: what was acknowledged is there, and the ledger is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from ancile.trust.audit import audit
from tests.trust.crash_help import ROUNDS, needs_gcc, recorder, script
from tests.trust.crash_rounds import (
    Acknowledged,
    entries_of,
    kill_rounds,
    losses,
    power_cuts,
    recorded,
)
from tests.trust.ledger_help import VKEYS, drafts, opened

SAMPLES = None if ROUNDS >= 100 else 6 * ROUNDS  # steps after which the power is cut; None: after every one


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_kill_9_at_random_moments_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """A round goes on with what the killed processes of the one before left; every fifth starts anew."""
    found = kill_rounds(tmp_path, ROUNDS)
    assert found.losses == []
    assert found.acknowledged > found.crashes


@pytest.mark.slow
def test_an_acknowledgement_before_the_commit_would_be_caught(tmp_path: Path) -> None:
    """The control: a process that tells an index before its entry is durable loses some when it is killed."""
    assert kill_rounds(tmp_path, 3, child="append_hastily", processes=1).losses


@pytest.mark.slow
def test_two_processes_that_append_at_once_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    children = [script("append_some", str(folder), f"child-{k}", "150") for k in range(2)]
    found = [entries_of(child.communicate()[0]) for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert sorted([*found[0], *found[1]]) == list(range(300))
    assert losses(folder, Acknowledged(found[0] | found[1], {}, [])) == []


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorder(tmp_path_factory.mktemp("recorder"))


@needs_gcc
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_power_cut_at_any_write_loses_nothing_acknowledged(tmp_path: Path, library: Path) -> None:
    """Unsynced writes are dropped, kept, or torn; unsynced names too; then the ledger is opened again."""
    steps = recorded(tmp_path, library)
    assert sum(step.kind == "s" for step in steps) > 50
    found = power_cuts(tmp_path, steps, samples=SAMPLES)
    assert found.losses == []
    assert found.crashes > 20


@needs_gcc
@pytest.mark.slow
def test_a_power_cut_without_syncs_would_be_caught(tmp_path: Path, library: Path) -> None:
    """The control: SQLite told not to sync loses acknowledged entries, and the check sees it."""
    steps = recorded(tmp_path, library, synchronous="OFF")
    assert len(power_cuts(tmp_path, steps, samples=60).losses) > 5


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
