"""A gate holds its ledger against checkpoints that were kept elsewhere, and says what it could not see."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ancile.trust.bundle import encode_bundle, parse_bundle
from tests.cli.terminal import ASSESS, RULE, Place, clear

GATE = ("gate", "net.py:predict")
MET = RULE.format(at_least=0.1)


def details(document: dict[str, Any], check: str) -> str:
    return "; ".join(f["detail"] for f in document["findings"] if f["check"] == check)


def rolled_back(place: Place, *steps: tuple[str, ...]) -> None:
    """What the steps wrote is taken back by somebody who kept a copy of the folder."""
    kept = place.folder.parent / "before"
    shutil.copytree(place.folder / ".ancile", kept, symlinks=True)
    for step in steps:
        assert place(*step).code == 0
    shutil.rmtree(place.folder / ".ancile")
    shutil.move(kept, place.folder / ".ancile")


def test_a_rollback_against_a_kept_checkpoint_is_no_conclusion_with_the_reason(assessed: Place) -> None:
    assessed.policy(MET)
    worse = (*ASSESS, "--seed", "5", "-o", "worse.json")
    rolled_back(assessed, worse)
    assert assessed(*GATE, "--no-record").code == 0  # nothing shows without what was kept
    before = assessed("ledger", "log").out
    for way in ((), ("--no-record",)):
        ended = assessed(*GATE, "--against", "worse.json", "--format", "json", *way)
        assert ended.code == 2
        document = json.loads(ended.out)
        assert document["outcome"] == "no_conclusion"
        assert "the ledger was rolled back" in details(document, "gate-without-conclusion")
        assert document["evidence"] is None
    assert assessed("ledger", "log").out == before


def test_the_decision_says_what_of_rollback_was_checked(assessed: Place) -> None:
    assessed.policy(MET)
    assert "no checkpoint kept elsewhere" in details(assessed.json(*GATE), "gate-not-checked")
    assert assessed("ledger", "checkpoint").code == 0
    held = assessed.json(*GATE, "--against", "report.json")
    assert "rollback of entries 4 to" in details(held, "gate-not-checked")
    assert "from a checkpoint of 4 entries" in json.dumps(held["exhibits"])
    (assessed.folder / "kept").write_text(assessed("ledger", "checkpoint").out, "utf-8")
    whole = assessed.json(*GATE, "--against", "report.json", "--against", "kept")
    assert not details(whole, "gate-not-checked")
    shown = json.loads(assessed("ledger", "show", str(whole["evidence"]["index"])).out)
    said = shown["statement"]["predicate"]
    assert any("kept elsewhere" in line for line in said["checked"])
    assert said["not_checked"] == []


@pytest.mark.slow
def test_a_policy_can_demand_a_kept_checkpoint(assessed: Place) -> None:
    assessed.policy(MET)
    path = assessed.folder / "ancile.toml"
    path.write_text(path.read_text("utf-8").replace("[policy]\n", '[policy]\ncheckpoint = "kept"\n'), "utf-8")
    assert "kept checkpoint cannot be read" in clear(assessed(*GATE))
    assert "kept checkpoint cannot be read" in clear(assessed(*ASSESS, "--gate"))
    shutil.copy(assessed.folder / "report.json", assessed.folder / "kept")
    assert assessed(*GATE).code == 0
    later = (*ASSESS, "--seed", "5", "-o", "kept.json")
    rolled_back(assessed, later)
    shutil.move(assessed.folder / "kept.json", assessed.folder / "kept")
    assert assessed(*GATE).code == 2


@pytest.mark.slow
def test_evidence_that_comes_back_shows_a_rollback_too(assessed: Place) -> None:
    """A bundle of this very ledger carries the checkpoint under which it was exported."""
    assessed.policy(MET)
    rolled_back(assessed, (*ASSESS, "--seed", "5"), ("evidence", "export", "bundle.json"))
    ended = assessed(*GATE, "--evidence", "bundle.json")
    assert ended.code == 2
    assert "rolled back" in ended.out


def test_a_checkpoint_of_another_log_is_an_error(assessed: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other")
    other.folder.mkdir()
    assert other("init", "--unencrypted-key", "--origin", "other.example/log").code == 0
    (assessed.folder / "other").write_text(other("ledger", "checkpoint").out, "utf-8")
    clear(assessed(*GATE, "--against", "other"))
    clear(assessed(*GATE, "--against", "absent"))


def test_what_was_left_out_of_evidence_from_elsewhere_is_said_to_be_unseen(
    assessed: Place, tmp_path: Path
) -> None:
    elsewhere = imported_home(assessed, tmp_path / "elsewhere")
    document = elsewhere.json(*GATE)
    assert document["outcome"] == "pass"
    assert "left out of the evidence from test.example/log" in details(document, "gate-not-checked")


def test_a_copy_of_evidence_with_a_doubt_does_not_take_the_place_of_one_without(
    assessed: Place, tmp_path: Path
) -> None:
    """The same entry, carried with and without its author's public key, counts once and counts."""
    elsewhere = imported_home(assessed, tmp_path / "elsewhere")
    bundle = parse_bundle((elsewhere.folder / "bundle.json").read_bytes())
    doubtful = encode_bundle(msgspec.structs.replace(bundle, signers=()))
    (elsewhere.folder / "doubtful.json").write_bytes(doubtful)
    both = ("--evidence", "doubtful.json", "--evidence", "bundle.json")
    for files in (both, both[2:] + both[:2]):
        document = elsewhere.json(*GATE, *files)
        assert document["outcome"] == "pass"
        assert next(m["value"] for m in document["measures"] if m["name"] == "runs") == 1
    shutil.rmtree(elsewhere.folder / ".ancile" / "imports")
    alone = elsewhere(*GATE, "--evidence", "doubtful.json")
    assert alone.code == 2
    assert "its signature is not" in " ".join(alone.out.split())


def imported_home(assessed: Place, folder: Path) -> Place:
    """Another home with keys of its own, which trusts the first one's log and author and has its evidence."""
    folder.mkdir()
    made = Place(folder)
    for name in ("net.py", "data.npz"):
        shutil.copy(assessed.folder / name, folder)
    assert made("init", "--unencrypted-key", "--origin", "second.example/log").code == 0
    public = assessed("keys", "list", "--public").out
    made.policy(MET, logs=public[public.index("[[policy.logs]]") :], authors=[public.split('"')[1]])
    assert assessed("evidence", "export", str(folder / "bundle.json")).code == 0
    assert made("evidence", "import", "bundle.json").code == 0
    return made


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["w.safetensors", "same.safetensors"])
def test_the_same_bytes_under_other_names_are_told_and_do_not_count(home: Place, weights: str) -> None:
    torch = pytest.importorskip("torch")
    save = pytest.importorskip("safetensors.torch").save_file
    (home.folder / "linear.py").write_text(
        "from torch import nn\n\ndef net():\n    return nn.Linear(2, 3)\n", "utf-8"
    )
    save({"weight": torch.eye(3, 2), "bias": torch.zeros(3)}, home.folder / "w.safetensors")
    shutil.copy(home.folder / "w.safetensors", home.folder / "same.safetensors")
    save({"weight": torch.ones(3, 2), "bias": torch.zeros(3)}, home.folder / "others.safetensors")
    assert home("assess", "linear.py:net", "--weights", "w.safetensors", *ASSESS[2:]).code == 0
    home.policy(RULE.format(at_least=0.0))
    document = home.json("gate", "linear.py:net", "--weights", weights)
    renamed = weights != "w.safetensors"
    assert document["outcome"] == ("no_conclusion" if renamed else "pass")
    said = details(document, "gate-not-checked")
    assert ("same bytes under other names, which do not count: 1" in said) is renamed
    shared = home.json("gate", "linear.py:net", "--weights", "others.safetensors")
    assert "share a part with this one, which do not count: 1" in details(shared, "gate-not-checked")
