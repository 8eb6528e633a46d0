"""Ways around a gate, each tried: what was revoked, left out or lies outside the digest is not forgotten."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ancile.cli.home import need_home
from ancile.cli.recorder import open_recorder
from ancile.core.wire import read_record
from tests.cli.terminal import ASSESS, RULE, Place

GATE = ("gate", "net.py:predict")
MET = RULE.format(at_least=0.1)


def unseen(document: dict[str, Any]) -> str:
    return "; ".join(f["detail"] for f in document["findings"] if f["check"] == "gate-not-checked")


def author_of(place: Place) -> str:
    return place("keys", "list", "--public").out.split('"')[1]


def second_home(first: Place, folder: Path, *kinds: str) -> Place:
    """Another home that trusts the first one's log and author, and has these of its entries."""
    folder.mkdir()
    made = Place(folder)
    for name in ("net.py", "data.npz"):
        shutil.copy(first.folder / name, folder)
    assert made("init", "--unencrypted-key", "--origin", "second.example/log").code == 0
    public = first("keys", "list", "--public").out
    own = author_of(made)
    made.policy(MET, logs=public[public.index("[[policy.logs]]") :], authors=[author_of(first), own])
    if kinds:
        lines = first("ledger", "log").out.splitlines()
        wanted = [line.split()[0] for line in lines if any(f" {kind} " in line for kind in kinds)]
        chosen = [word for index in wanted for word in ("--index", index)]
        assert first("evidence", "export", str(folder / "bundle.json"), *chosen).code == 0
        assert made("evidence", "import", "bundle.json").code == 0
    return made


def test_an_old_copy_of_a_revoked_keys_file_does_not_make_it_count_again(assessed: Place) -> None:
    """Who can write the keys' folder, or restores a backup from before, undoes nothing: the ledger says it."""
    assessed.policy(MET)
    keys, before = assessed.folder / ".ancile" / "keys", assessed.folder / "before"
    shutil.copytree(keys, before)
    assert assessed(*GATE).code == 0
    assert assessed("keys", "revoke", author_of(assessed), "--reason", "laptop lost").code == 0
    for path in before.iterdir():
        if path.name.startswith("author"):
            shutil.copy(path, keys)
    assert "revoked" not in assessed("keys", "list").out
    told = assessed(*GATE, "--no-record")
    assert told.code == 2
    assert "laptop lost" in told.out


def test_a_report_that_a_revocation_voids_is_told(assessed: Place) -> None:
    old = author_of(assessed)
    assert assessed("keys", "rotate", "author", "--unencrypted-key").code == 0
    assert assessed("keys", "revoke", old, "--reason", "laptop lost").code == 0
    assert assessed(*ASSESS).code == 0
    assessed.policy(MET)
    document = assessed.json(*GATE)
    assert document["outcome"] == "pass"
    assert "whose signer was revoked, which do not count: 1" in unseen(document)


@pytest.mark.slow
def test_a_pinned_log_of_which_nothing_is_at_hand_is_told(assessed: Place, tmp_path: Path) -> None:
    """Whoever deletes an imported bundle cannot make the gate silent about its log."""
    second = second_home(assessed, tmp_path / "second")
    assert second(*ASSESS).code == 0
    document = second.json(*GATE)
    assert document["outcome"] == "pass"
    assert "what test.example/log holds" in unseen(document)


def test_reports_from_elsewhere_do_not_make_up_for_runs_that_left_none_here(
    assessed: Place, tmp_path: Path
) -> None:
    second = second_home(assessed, tmp_path / "second", "report")
    subject = read_record((assessed.folder / "report.json").read_bytes(), name="report").report.subject
    with open_recorder(need_home(second.folder)) as recorder:
        recorder.started("assess", subject, {})
    document = second.json(*GATE)
    assert document["outcome"] == "pass"
    assert "1 of 1 started runs left no report" in unseen(document)


def test_with_strict_a_warning_keeps_the_bytes_from_being_handed_over(assessed: Place) -> None:
    """Exit code 1 with a copy in the place from which it is deployed would be a pass all the same."""
    assessed.policy(MET)
    ended = assessed(*GATE, "--strict", "--copy-to", "shipped.py")
    assert ended.code == 1
    assert "nothing was handed over" in ended.err
    assert not (assessed.folder / "shipped.py").exists()


@pytest.mark.slow
def test_files_outside_the_digest_are_told_with_a_pass(assessed: Place) -> None:
    """The model's code reads a file that its digest does not cover: another file is another model, unseen."""
    assessed.policy(MET)
    (assessed.folder / "reads.py").write_text(
        "from pathlib import Path\nFACTOR = float(Path(__file__).with_name('pace').read_text())\n"
        + (assessed.folder / "net.py").read_text("utf-8").replace("return ", "return FACTOR * "),
        "utf-8",
    )
    assert assessed("assess", "reads.py:predict", *ASSESS[2:]).code == 0
    (assessed.folder / "pace").write_text("-1", "utf-8")
    ended = assessed("gate", "reads.py:predict", "--format", "json")
    assert ended.code == 0
    assert "what may have changed under the same digest: " in unseen(json.loads(ended.out))
    assert "pace" in unseen(json.loads(ended.out))
