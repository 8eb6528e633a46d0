"""``ancile sign`` and ``ancile verify`` as a user meets them."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ancile.release import verifier
from ancile.trust.bundle import Bundle, parse_bundle
from tests.cli.terminal import Place, clear
from tests.cli.witnessing import witness_of, witnessing
from tests.release.world import listing_of

BUNDLE = "model.ancile.json"


def model_in(place: Place) -> Path:
    """A folder that a scan knows as data."""
    model = place.folder / "model"
    model.mkdir()
    (model / "labels.json").write_text('["cat", "dog"]', "utf-8")
    (model / "config.json").write_text('{"layers": 2}', "utf-8")
    return model


@pytest.fixture
def signed(home: Place) -> Place:
    model_in(home)
    ended = home("sign", "model", "--expires", "90d")
    assert ended.code == 0, ended
    return home


def other_home(place: Place, name: str) -> Place:
    """A second signer's home below the first's folder."""
    second = Place(place.folder / name)
    second.folder.mkdir()
    assert second("init", "--unencrypted-key", "--origin", f"{name}.example/log").code == 0
    return second


def without_home(place: Place, tmp_path: Path) -> Place:
    """Model, bundle and public keys where no home is."""
    away = Place(tmp_path / "away")
    away.folder.mkdir()
    shutil.copytree(place.folder / "model", away.folder / "model")
    shutil.copy(place.folder / BUNDLE, away.folder)
    assert place("keys", "export", "-o", str(away.folder / "team.keys")).code == 0
    return away


def test_a_model_that_was_signed_verifies_here_and_elsewhere(signed: Place, tmp_path: Path) -> None:
    assert signed("verify", "model").code == 0
    away = without_home(signed, tmp_path)
    ended = away("verify", "model", "--signer", "team.keys")
    assert (ended.code, ended.err) == (0, "")
    assert (
        sorted(one.name for one in away.folder.iterdir())
        == [
            "model",
            BUNDLE,
            "team.keys",
            "user-cache",
        ]
        or not (away.folder / "user-cache").exists()
    )


def test_signing_leaves_every_byte_of_the_model(home: Place) -> None:
    model = model_in(home)
    before = {path: path.read_bytes() for path in model.iterdir()}
    assert home("sign", "model/").code == 0
    assert {path: path.read_bytes() for path in model.iterdir()} == before
    assert (home.folder / BUNDLE).is_file()


def test_from_within_a_model_its_bundle_lies_beside_it(home: Place) -> None:
    inside = Place(model_in(home))
    assert inside("sign", ".").code == 0
    assert (home.folder / BUNDLE).is_file()
    assert inside("verify", ".", "--no-record").code == 0


def test_a_changed_model_fails_with_the_files_in_every_format(signed: Place) -> None:
    (signed.folder / "model" / "config.json").write_text("{}", "utf-8")
    (signed.folder / "model" / "more.py").write_text("", "utf-8")
    ended = signed("verify", "model", "--format", "json")
    report = json.loads(ended.out)
    assert ended.code == 1
    assert (report["stage"], report["outcome"]) == ("verify", "fail")
    failed = {
        (one["check"], one["location"]["path"]) for one in report["findings"] if one["status"] == "FAIL"
    }
    assert failed == {("release-file-changed", "config.json"), ("release-file-unsigned", "more.py")}
    for format_ in ("sarif", "html", "markdown", "junit", "table"):
        assert signed("verify", "model", "--no-record", "--format", format_).code == 1


def test_a_report_of_a_verification_is_evidence_that_a_gate_takes(home: Place) -> None:
    """The rule asks for both kinds of keys; what was verified with other signers does not count."""
    model = home.folder / "model.pkl"
    model.write_bytes(pickle.dumps({"weights": [1.0, 2.0]}))
    rule = (
        '[[policy.require]]\nname = "signed"\nstage = "verify"\n'
        'parameters = { signature = "hybrid", threshold = 1 }\nmax_age = "7d"'
    )
    home.policy(rule)
    missing = home("gate", "model.pkl", "--no-record")
    assert missing.code == 2
    assert "ancile verify model.pkl" in " ".join(missing.out.split())
    assert home("sign", "model.pkl").code == 0
    assert home("keys", "export", "-o", "own.keys").code == 0
    assert home("verify", "model.pkl", "--signer", "own.keys").code == 0
    assert home("gate", "model.pkl", "--no-record").code == 2
    assert home("verify", "model.pkl").code == 0
    assert home("gate", "model.pkl").code == 0
    model.write_bytes(pickle.dumps({"weights": [1.0, 3.0]}))
    assert home("verify", "model.pkl").code == 1
    assert home("gate", "model.pkl", "--no-record").code == 1


def test_what_a_scan_refused_is_not_signed(home: Place) -> None:
    model = model_in(home)
    (model / "bad.pkl").write_bytes(b"cos\nsystem\n(Vtrue\ntR.")
    assert home("scan", "model").code == 1
    error = clear(home("sign", "model"))
    assert error == "the latest scan of these bytes says block, and nothing is signed: model"
    assert not (home.folder / BUNDLE).exists()
    assert home("sign", "model", "--allow-failed-scan").code == 0


def test_a_file_that_a_scan_blocked_is_not_signed_whatever_lies_beside_it(home: Place) -> None:
    model = model_in(home)
    (model / "m.pkl").write_bytes(pickle.dumps(os.system))
    assert home("scan", "model/m.pkl").code == 1
    assert home("scan", "model/config.json").code == 0
    said = "the latest scan of these bytes says block, and nothing is signed: "
    assert clear(home("sign", "model")) == f"{said}m.pkl"
    assert clear(home("sign", "model/m.pkl")) == f"{said}m.pkl"
    assert home("scan", "model").code == 1
    (model / "more.txt").write_text("more", "utf-8")
    assert clear(home("sign", "model")) == f"{said}m.pkl"
    (model / "m.pkl").unlink()
    assert home("sign", "model").code == 0


def test_a_text_that_is_the_manifest_of_a_folder_is_not_signed(home: Place) -> None:
    text = listing_of(model_in(home))
    assert clear(home("sign", text.name)).startswith(
        "this file is the manifest of a folder, and has the same"
    )
    assert home("ledger", "log", "--kind", "release").out == ""


def test_a_release_names_the_scans_of_its_bytes(home: Place) -> None:
    model_in(home)
    assert home("scan", "model").code in (0, 2)
    ended = home("sign", "model")
    assert "1 scan named" in ended.err
    report = json.loads(home("verify", "model", "--no-record", "--format", "json").out)
    assert {one["name"]: one["value"] for one in report["measures"]}["scans"] == 1


def test_two_signers_in_homes_of_their_own(signed: Place) -> None:
    second = other_home(signed, "second")
    assert signed("keys", "export", "-o", "first.keys").code == 0
    assert second("keys", "export", "-o", "../second.keys").code == 0
    who = ("--signer", "first.keys", "--signer", "second.keys", "--no-record", "--threshold", "2")
    assert signed("verify", "model", *who).code == 1
    assert second("sign", "../model", "--cosign", f"../{BUNDLE}").code == 0
    assert signed("verify", "model", *who).code == 0
    statements = {one.envelope.partition('"payloadType"')[0] for one in _bundle(signed).entries}
    assert len(statements) == 1
    again = clear(second("sign", "../model", "--cosign", f"../{BUNDLE}"))
    assert again.startswith("you have signed this release already")


def _bundle(place: Place) -> Bundle:
    return parse_bundle((place.folder / BUNDLE).read_bytes())


def test_a_second_signer_hashes_the_model_again(signed: Place) -> None:
    second = other_home(signed, "second")
    before = (signed.folder / BUNDLE).read_bytes()
    (signed.folder / "model" / "config.json").write_text("{}", "utf-8")
    error = clear(second("sign", "../model", "--cosign", f"../{BUNDLE}"))
    assert error == "these are not the bytes that the others have signed: 1 files differ: config.json"
    assert (signed.folder / BUNDLE).read_bytes() == before


def test_a_revoked_signer_no_longer_counts_here_nor_where_it_was_told(signed: Place, tmp_path: Path) -> None:
    away = without_home(signed, tmp_path)
    listed = json.loads(signed("keys", "list", "--format", "json").out)
    author = next(one["id"] for one in listed if one["purpose"] == "author")
    (away.folder / "list.txt").write_text(f"# gone\n{author} laptop stolen\n", "utf-8")
    assert signed("evidence", "export", "before.json", "--index", "0").code == 0
    assert away("verify", "model", "--signer", "team.keys", "--revoked", "list.txt").code == 1
    assert signed("keys", "revoke", author, "--reason", "laptop stolen").code == 0
    ended = signed("verify", "model", "--no-record")
    assert ended.code == 1
    assert "laptop stolen" in ended.out
    assert signed("evidence", "export", str(away.folder / "key.json"), "--index", "3").code == 0
    told = away("verify", "model", "--signer", "team.keys", "--revoked", "key.json")
    assert told.code == 1
    assert "release-revoked" in told.out


def test_exported_evidence_carries_a_release_and_verifies_as_its_bundle_does(signed: Place) -> None:
    assert signed("evidence", "export", "all.json").code == 0
    entries = parse_bundle((signed.folder / "all.json").read_bytes()).entries
    assert sorted(one.leaf.split("\n")[1] for one in entries) == ["key", "key", "release"]
    assert signed("verify", "model", "--signature", "all.json", "--no-record").code == 0


def test_a_rotated_author_still_verifies(signed: Place) -> None:
    assert signed("keys", "rotate", "author", "--unencrypted-key").code == 0
    assert signed("verify", "model").code == 0
    assert signed("sign", "model").code == 0
    assert signed("verify", "model").code == 0
    carried = [one.leaf.split("\n")[1] for one in _bundle(signed).entries]
    assert carried == ["release", "key"]


def test_the_verifier_alone_agrees_on_what_the_command_wrote(signed: Place) -> None:
    public = json.loads(signed("keys", "list", "--format", "json").out)
    author = next(one["id"] for one in public if one["purpose"] == "author")
    logs = list(_bundle(signed).logs)
    data = (signed.folder / BUNDLE).read_bytes()
    found = verifier.verify(
        signed.folder / "model", data, verifier.Pinned([author], logs), now=datetime.now(UTC)
    )
    assert found == [author]


@pytest.mark.slow
def test_witnesses_have_seen_a_release(signed: Place, tmp_path: Path) -> None:
    """One process is the witness; without its word a signature does not count where a quorum asks for it."""
    with witnessing(witness_of(signed, tmp_path / "witness")) as pins:
        logs = [f"log {key}\n" for key in _bundle(signed).logs]
        text = "".join([*logs, *pins]) + "group all all classical quantum\nquorum all\n"
        (signed.folder / "quorum").write_text(text, "utf-8")
        assert signed("verify", "model", "--no-record", "--quorum", "quorum").code == 1
        ended = signed("sign", "model", "--quorum", "quorum")
    assert ended.code == 0, ended
    assert signed("verify", "model", "--no-record", "--quorum", "quorum").code == 0
    before = (signed.folder / BUNDLE).read_bytes()
    silent = signed("sign", "model", "--quorum", "quorum")
    assert silent.code == 2
    assert "too few witnesses" in silent.err
    assert (signed.folder / BUNDLE).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sign", "gone"), "cannot be read: "),
        (("sign", "model", "--expires", "soon"), "not a duration: soon"),
        (("sign", "model", "--expires", "999999999d"), "expiry is beyond the calendar: 999999999d"),
        (("sign", "model", "-o", "model/x.json"), "the bundle would be written into what it signs"),
        (("sign", "model", "-o", "nowhere/x.json"), "the bundle cannot be written there"),
        (("sign", "model", "-o", ".ancile/x.json"), "the bundle would be written over what ancile keeps"),
        (("sign", "model", "-o", "net.py"), "the bundle would be written over another file: net.py"),
        (("sign", "model", "-o", "log.keys"), "the bundle would be written over another file: log.keys"),
        (("sign", "model", "-o", "pipe"), "the bundle would be written into what is no file: pipe"),
        (("sign", "model", "--cosign", "gone.json"), "evidence cannot be read"),
        (("sign", "model", "--cosign", "data.npz"), "not a bundle of evidence, or a damaged one"),
        (("sign", "model", "--cosign", BUNDLE), "you have signed this release already"),
        (("sign", "model", "--cosign", BUNDLE, "--expires", "1d"), "the expiry was set by who signed first"),
        (("verify", "model", "--signature", "gone.json"), "there is no bundle to verify it with"),
        (("verify", "model", "--signature", "data.npz"), "not a bundle of evidence"),
        (("verify", "gone"), "there is no bundle to verify it with: gone.ancile.json"),
        (("verify", "gone", "--signature", BUNDLE), "cannot be read"),
        (("verify", "model", "--signer", "gone.keys"), "public keys cannot be read"),
        (("verify", "model", "--signer", "author:v1:x"), "not a public key of ancile"),
        (("verify", "model", "--signer", "sha256:c588bb8f"), "no author's id, and no author's line"),
        (("verify", "model", "--signer", "log:v1:x"), "no author's id, and no author's line: log:v1:x"),
        (("verify", "model", "--log", "x"), "a verifier key is malformed"),
        (("verify", "model", "--threshold", "2"), "threshold that nobody can reach: 2 of 1 signers"),
        (("verify", "model", "--signer", "log.keys"), "no author is among the keys: log.keys"),
        (("verify", "model", "--quorum", "gone"), "quorum file cannot be read: gone"),
        (("sign", "model", "--quorum", "net.py"), "the policy of logs and witnesses is wrong"),
        (("sign", "model", "--expires", "0.0000001s"), "a duration of nothing: 0.0000001s"),
        (("verify", "model", "--revoked", "gone"), "evidence cannot be read"),
        (("verify", "model", "--revoked", BUNDLE), "not a list of what was revoked"),
        (("verify", "model", "--revoked", "net.py"), "not a list of what was revoked: net.py, line 1"),
        (("verify", "model", "--revoked", "data.npz"), "not a list of what was revoked: data.npz: not UTF-8"),
        (
            ("verify", "model", "-o", "model/config.json", "--signature", "model/config.json"),
            "the report would",
        ),
    ],
)
def test_wrong_use_is_one_clear_line(signed: Place, arguments: tuple[str, ...], said: str) -> None:
    before = (signed.folder / BUNDLE).read_bytes()
    exported = signed("keys", "export").out.splitlines(keepends=True)
    (signed.folder / "log.keys").write_text("".join(k for k in exported if k.startswith("log:")), "utf-8")
    os.mkfifo(signed.folder / "pipe")
    assert clear(signed(*arguments)).startswith(said)
    assert (signed.folder / BUNDLE).read_bytes() == before


def test_a_configuration_that_came_with_the_model_does_not_say_whose_signature_counts(
    signed: Place, tmp_path: Path
) -> None:
    away = without_home(signed, tmp_path)
    shutil.copy(signed.folder / "ancile.toml", away.folder)
    ended = away("verify", "model")
    assert ended.code == 1, ended
    assert "On whom to rely was read from a file that lies with the model" in ended.out
    assert "say who has to have signed" in " ".join(ended.out.lower().split())
    assert away("verify", "model", "--strict", "--signer", "team.keys").code == 0
    apart = Place(tmp_path / "apart")
    apart.folder.mkdir()
    shutil.move(away.folder / "ancile.toml", apart.folder)
    assert apart("verify", "../away/model", "--strict").code == 0


def test_an_expiry_within_a_day_is_told_with_its_time(home: Place) -> None:
    model_in(home)
    assert re.search(
        r"expires 2\d\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC, ", home("sign", "model", "--expires", "1h").err
    )
    (home.folder / BUNDLE).write_bytes(b"")
    assert re.search(r"expires 2\d\d\d-\d\d-\d\d, ", home("sign", "model", "--expires", "90d").err)


def test_without_home_and_signer_there_is_nothing_to_verify_with(signed: Place, tmp_path: Path) -> None:
    away = without_home(signed, tmp_path)
    assert clear(away("verify", "model")).startswith("nobody is named whose signature counts")
    assert clear(away("sign", "model")).startswith("no ")


def test_a_folder_with_the_ledger_in_it_is_not_signed(home: Place) -> None:
    """Each signature changes the ledger: nothing that holds it would ever verify."""
    for model in (".", ".ancile", "../home"):
        error = clear(home("sign", model, "-o", "../out.json"))
        assert error.startswith("keys and ledger lie in what would be signed")
    inside = Place(home.folder / ".ancile")
    assert clear(inside("sign", "keys")).startswith("the bundle would be written over what ancile keeps")


@pytest.mark.parametrize("odd", ["fifo", "link", "loop", "unreadable", "empty"])
def test_what_cannot_be_hashed_is_refused_and_nothing_is_written(home: Place, odd: str) -> None:
    model = model_in(home)
    if odd == "fifo":
        os.mkfifo(model / "pipe")
    elif odd in ("link", "loop"):
        (model / "link").symlink_to("link" if odd == "loop" else "config.json")
    elif odd == "unreadable":
        (model / "config.json").chmod(0)
        if os.access(model / "config.json", os.R_OK):
            pytest.skip("this user reads everything")
    else:
        shutil.rmtree(model)
        model.mkdir()
    clear(home("sign", "model"))
    assert not (home.folder / BUNDLE).exists()
    assert home("ledger", "log", "--kind", "release").out == ""


def test_names_with_escapes_and_without_utf_8_are_shown_safely(home: Place) -> None:
    model = model_in(home)
    (model / "a\x1b[31m\u202e b").write_text("x", "utf-8")
    Path(os.fsdecode(os.fsencode(model) + b"/\xff")).write_text("x", "utf-8")
    assert home("sign", "model").code == 0
    (model / "a\x1b[31m\u202e b").write_text("y", "utf-8")
    ended = home("verify", "model", "--no-record")
    assert ended.code == 1
    assert "\x1b" not in ended.out
    assert "\u202e" not in ended.out


@pytest.mark.slow
def test_an_interrupted_sign_leaves_the_old_bundle_and_the_model(signed: Place) -> None:
    """Killed at any moment: what stands under the name is a whole bundle, and nothing half lies beside it."""
    before = (signed.folder / BUNDLE).read_bytes()
    for delay in (0.05, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8):
        started = signed.start("sign", "model", "--quiet", measured=False)
        time.sleep(delay)
        started.send_signal(signal.SIGKILL)
        started.communicate()
        after = (signed.folder / BUNDLE).read_bytes()
        parse_bundle(after)
        assert after == before or signed("verify", "model", "--no-record").code == 0
    assert signed("ledger", "verify").code == 0
