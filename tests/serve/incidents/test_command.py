"""``ancile incident`` reads the ledger and shows what proves an incident."""

from __future__ import annotations

import json
from contextlib import chdir

from ancile.cli.home import need_home
from ancile.cli.recorder import open_recorder
from ancile.serve.journal import WHOLE
from ancile.serve.record import VerdictRecord, line_of
from ancile.serve.supervise import Sealer
from ancile.trust.evidence import verify_bundle
from tests.cli.terminal import Place

SECOND = 1_000_000


def recorded(home: Place, records: list[VerdictRecord], *, most: int = 10) -> None:
    """Put records into the ledger of a home, as the gateway does."""
    journal = home.folder / "journal"
    journal.mkdir(mode=0o700, exist_ok=True)
    (journal / f"1{WHOLE}").write_bytes(b"".join(map(line_of, records)))
    with chdir(home.folder), open_recorder(need_home(home.folder)) as recorder:
        Sealer(
            recorder.ledger, recorder.author, recorder.log, journal, most, recorder.clock.now, set()
        ).seal()


def walk(count: int, *, who: str = "mallory", at: int = 1_700_000_000) -> list[VerdictRecord]:
    return [
        VerdictRecord(
            time=(at + n) * SECOND, who=who, role="analyst", model="flowers", said="flag",
            guard="sequence", why="queries follow each other", status=200, rows=1,
        )
        for n in range(count)
    ]  # fmt: skip


def test_verdicts_of_one_identity_are_one_incident_with_its_entries(home: Place) -> None:
    assert "no incidents" in home("incident", "list").err
    calm = [VerdictRecord(time=1_700_000_000 * SECOND, who="alice", said="allow", status=200)] * 30
    recorded(home, [*calm, *walk(25)])
    listed = home("incident", "list")
    assert listed.code == 0
    id_, *words = listed.out.split()
    assert words[2:6] == ["high", "probing", "x25", "mallory"]
    shown = home("incident", "show", id_).out
    assert "sequence flag 200 x25" in shown
    (document,) = json.loads(home("incident", "list", "--format", "json").out)
    assert json.loads(home("incident", "show", id_, "--format", "json").out) == document
    for entry in document["entries"]:
        assert home("ledger", "prove", str(entry)).code == 0
    indices = [word for entry in document["entries"] for word in ("--index", str(entry))]
    assert home("evidence", "export", "verdicts.json", *indices).code == 0
    found = verify_bundle((home.folder / "verdicts.json").read_bytes(), logs=(), authors=())
    assert [one.statement.kind for one in found] == ["segment"] * len(document["entries"])
    refused = home("incident", "show", "inc-000000000000")
    assert (refused.code, "no such incident" in refused.err) == (2, True)


def test_rules_are_changed_in_the_configuration(home: Place) -> None:
    recorded(home, walk(4))
    assert home("incident", "list").out == ""
    config = home.folder / "ancile.toml"
    rule = (
        '\n[serve.incidents.early]\ntitle = "two are enough"\nseverity = "low"\nguards = ["sequence"]\n'
        'by = ["who"]\ncount = 2\nwindow_seconds = 60.0\n'
    )
    config.write_text(config.read_text("utf-8") + rule, "utf-8")
    assert "early" in home("incident", "list").out


def test_a_segment_that_does_not_hold_is_told_and_left_out(home: Place) -> None:
    recorded(home, walk(25))
    (size,) = {json.loads(line)["index"] for line in [home("ledger", "log", "-n", "1", "-f", "json").out]}
    assert home("ledger", "erase", str(size), "--reason", "asked to", "--yes").code == 0
    listed = home("incident", "list")
    assert "x20" in listed.out
