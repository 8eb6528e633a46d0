"""What this machine signed last is remembered beside the keys, and a ledger that was set back is not signed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.trust.audit import audit
from ancile.trust.checkpoint import open_checkpoint
from ancile.trust.dsse import verify
from ancile.trust.events import Loss
from ancile.trust.last_signed import FILE, last_signed, require_continued, set_back
from ancile.trust.ledger import Ledger, open_ledger
from ancile.trust.notary import accept_loss, record, sign_head
from ancile.trust.private_file import TEMPORARY
from ancile.trust.sqlite_store import open_sqlite
from ancile.trust.statement import parse_statement, statement_of
from tests.trust.keys_help import report
from tests.trust.ledger_help import ERASER, LOG, VKEYS, drafts, opened, ticking


def grown(ledger: Ledger, count: int) -> str:
    ledger.append(drafts(count))
    return sign_head(ledger, LOG, clock=ticking())


def put_back(folder: Path, backup: Path) -> None:
    """An older copy of the database in the place of the newer one, as a restored backup or a thief leaves it."""
    for path in folder.glob("ledger.db*"):
        path.unlink()
    shutil.copy(backup / "ledger.db", folder / "ledger.db")


def set_back_ledger(folder: Path) -> None:
    """A ledger of 3 entries whose 5 were signed."""
    with opened(folder) as ledger:
        grown(ledger, 3)
    shutil.copytree(folder, folder.with_name("copy"))
    with opened(folder) as ledger:
        grown(ledger, 2)
    put_back(folder, folder.with_name("copy"))


def test_the_newest_checkpoint_is_remembered_for_its_owner_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert last_signed(ledger) is None
        assert set_back(ledger) == ""
        note = grown(ledger, 3)
        assert last_signed(ledger) == note == ledger.latest_checkpoint()
    assert (tmp_path / "keys" / FILE).stat().st_mode & 0o777 == 0o600
    with Ledger(open_sqlite(tmp_path), clock=ticking()) as ledger:
        assert last_signed(ledger) is None
        sign_head(ledger, LOG, clock=ticking())


def test_a_ledger_that_was_set_back_is_not_signed_and_nothing_is_added(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    set_back_ledger(folder)
    with opened(folder) as ledger:
        assert set_back(ledger) == "5 entries were signed, the ledger has 3"
        with pytest.raises(AncileError, match="set back") as refusal:
            record(ledger, statement_of(report()), author=ERASER, log=LOG, clock=ticking())
        assert "accept-loss" in refusal.value.remedy
        assert ledger.size() == 3
        ledger.append(drafts(2, first=90))  # other entries up to the old size
        assert set_back(ledger) == "another root was signed at 5 entries"
        with pytest.raises(AncileError, match="set back"):
            sign_head(ledger, LOG, clock=ticking())


def test_an_owner_who_accepts_the_loss_goes_on_and_the_ledger_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    set_back_ledger(folder)
    with opened(folder) as ledger:
        lost = last_signed(ledger)
        evidence = accept_loss(ledger, reason="the disk", author=ERASER, log=LOG, clock=ticking())
        assert (evidence.index, set_back(ledger)) == (3, "")
        said = parse_statement(verify(ledger.entry(3).body or b"", [ERASER.public]).payload).predicate
        assert isinstance(said, Loss)
        assert (said.kept, said.checkpoint, said.reason) == (3, lost, "the disk")
        found = audit(ledger, vkeys=VKEYS)
        assert found.is_intact
        assert found.last_signed == 4
        assert not audit(ledger, vkeys=VKEYS, against=[lost or ""]).is_intact  # whoever kept it still sees it
        with pytest.raises(AncileError, match="nothing is lost"):
            accept_loss(ledger, reason="again", author=ERASER, log=LOG, clock=ticking())


def test_a_ledger_that_forgot_nothing_has_no_loss_to_accept(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger, pytest.raises(AncileError, match="nothing is lost"):
        accept_loss(ledger, reason="x", author=ERASER, log=LOG, clock=ticking())


def test_a_damaged_memory_is_one_error_with_its_remedy_and_a_fault_of_the_audit(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        grown(ledger, 3)
        (tmp_path / "keys" / FILE).write_bytes(b"\xff\x00")
        with pytest.raises(AncileError, match="damaged") as refusal:
            require_continued(ledger)
        assert "remove that file" in refusal.value.remedy
        assert [f.place for f in audit(ledger, vkeys=VKEYS).faults] == ["checkpoint signed last"]


def test_keys_that_cannot_be_written_are_read_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys may be mounted read-only; what is remembered there still counts."""
    folder = tmp_path / "ledger"
    set_back_ledger(folder)
    monkeypatch.setattr("os.access", lambda *_: False)  # as the kernel answers for a read-only file system
    with opened(folder) as ledger:
        before = last_signed(ledger)
        with pytest.raises(AncileError, match="set back"):
            sign_head(ledger, LOG, clock=ticking())
        sign_head(ledger, LOG, clock=ticking(), accept_loss=True)
        assert last_signed(ledger) == before


def test_many_signers_at_once_never_move_the_memory_back(tmp_path: Path) -> None:
    def one(number: int) -> int:
        with open_ledger(tmp_path, clock=ticking()) as ledger:
            ledger.append(drafts(1, first=number))
            return open_checkpoint(sign_head(ledger, LOG, clock=ticking()), VKEYS).size

    with opened(tmp_path) as ledger, ThreadPoolExecutor(8) as threads:
        sizes = list(threads.map(one, range(24)))
        assert max(sizes) == 24
        assert open_checkpoint(last_signed(ledger) or "", VKEYS).size == 24
        assert audit(ledger, vkeys=VKEYS).is_intact


# Signs once more in a forked child per step, each on its own copy, and kills the child at that step.
KILLER = """
import os, signal, sys
from pathlib import Path
from ancile.trust.notary import sign_head
from tests.trust.ledger_help import LOG, drafts, opened, ticking

STEPS = ("open", "os.link", "os.rename", "os.remove", "os.mkdir", "fcntl.flock", "sqlite3.connect")
left = int(1e9)

def hook(event, arguments):
    global left
    if event in STEPS:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
for step, folder in enumerate(sys.argv[1:], 1):
    child = os.fork()
    if child == 0:
        left = step
        with opened(Path(folder)) as ledger:
            ledger.append(drafts(2))
            sign_head(ledger, LOG, clock=ticking())
        os._exit(0)
    print("killed" if os.WIFSIGNALED(os.waitpid(child, 0)[1]) else "done")
"""
STEPS = 30  # more than signing takes


@pytest.mark.slow
def test_kill_at_each_step_of_signing_never_locks_the_owner_out(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as ledger:
        grown(ledger, 3)
    copies = [tmp_path / f"copy-{step}" for step in range(STEPS)]
    for copy in copies:
        shutil.copytree(tmp_path / "ledger", copy)
    answer = subprocess.run(
        [sys.executable, "-c", KILLER, *map(str, copies)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    ends = answer.stdout.split()
    assert Counter(ends)["killed"] >= 8, answer.stderr
    assert ends[-1] == "done"
    for copy in copies:
        with opened(copy) as ledger:
            assert set_back(ledger) == ""
            assert audit(ledger, vkeys=VKEYS).is_intact
            grown(ledger, 1)
            assert not list((copy / "keys").glob(f"{TEMPORARY}*"))
