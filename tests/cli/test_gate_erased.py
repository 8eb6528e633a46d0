"""A report that is gone could have refused: nothing passes behind it, unless newer evidence is what decides."""

from __future__ import annotations

import pytest

from ancile.cli.home import need_home
from ancile.cli.recorder import open_recorder
from ancile.trust.notary import accept_loss, erase
from tests.cli.terminal import ASSESS, RULE, Place

GATE = ("gate", "net.py:predict")
MET = RULE.format(at_least=0.1)


def entry(place: Place, kind: str) -> int:
    return int(place("ledger", "log", "--kind", kind).out.split()[0])


def erased(place: Place, kind: str) -> None:
    with open_recorder(need_home(place.folder)) as opened:
        now = opened.clock.now
        index = entry(place, kind)
        erase(opened.ledger, index, reason="a name in it", author=opened.author, log=opened.log, clock=now)


def lost(place: Place) -> None:
    with open_recorder(need_home(place.folder)) as opened:
        now = opened.clock.now
        accept_loss(opened.ledger, reason="disk", author=opened.author, log=opened.log, clock=now)


def test_an_erased_report_leaves_the_gate_without_conclusion(assessed: Place) -> None:
    assessed.policy(MET)
    erased(assessed, "report")
    assert assessed(*ASSESS, "-o", "again.json").code == 0
    told = assessed(*GATE)
    assert told.code == 2
    said = " ".join(told.out.split())
    assert "a report, was erased by entry 4 (a name in it), and could have refused" in said
    assessed.policy(RULE.format(at_least=0.99))
    assert assessed(*GATE).code == 1
    assessed.policy(MET, take="latest")
    assert assessed(*GATE).code == 0


def test_an_erased_run_is_told_and_does_not_stop_the_gate(assessed: Place) -> None:
    assessed.policy(MET)
    erased(assessed, "run")
    told = assessed(*GATE)
    assert told.code == 0
    assert "a run, was erased" in " ".join(told.out.split())


@pytest.mark.slow
@pytest.mark.parametrize(("take", "code"), [("worst", 2), ("latest", 0)])
def test_lost_entries_leave_the_gate_without_conclusion(assessed: Place, take: str, code: int) -> None:
    set_back(assessed)
    lost(assessed)
    assert assessed(*ASSESS, "-o", "again.json").code == 0
    assessed.policy(MET, take=take)
    told = assessed(*GATE)
    assert told.code == code
    assert ("entries were lost" in " ".join(told.out.split())) is (code == 2)


@pytest.mark.slow
def test_a_ledger_set_back_behind_what_was_signed_last_is_not_decided_from(assessed: Place) -> None:
    """Without any checkpoint kept elsewhere: the mark beside the keys is ahead of the ledger."""
    assessed.policy(MET)
    set_back(assessed)
    for way in ((), ("--no-record",)):
        assert assessed(*GATE, *way).code == 2
    told = assessed(*GATE, "--no-record")
    assert "rolled back" in told.out


def set_back(place: Place) -> None:
    """An older copy of the database, put back by somebody who cannot write the keys' folder."""
    path = place.folder / ".ancile" / "ledger.db"
    before = path.read_bytes()
    assert place(*ASSESS, "--seed", "5").code == 0
    for old in path.parent.glob("ledger.db*"):
        old.unlink()
    path.write_bytes(before)
