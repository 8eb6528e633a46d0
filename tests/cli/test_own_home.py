"""A download that brings a home of its own: keys, ledger and ancile.toml that believe whoever made it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.cli.terminal import Ended, Place, clear

KEY = "--unencrypted-key"
PASSPHRASE = "a long passphrase of the owner"


def made(folder: Path, *, key: str = KEY, **environment: str) -> Place:
    """A home in which a model lies, signed by whoever made both."""
    place = Place(folder)
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "weights.bin").write_bytes(b"weights")
    asked = ("init", *([key] if key else []), "--origin", "anybody.example/log")
    assert place(*asked, **environment).code == 0
    assert place("sign", "model", **environment).code == 0
    return place


def unpacked(place: Place, folder: Path) -> Place:
    """The same after its way through an archive, which keeps names, bytes, modes and dates."""
    packed = shutil.make_archive(str(folder), "tar", place.folder)
    shutil.unpack_archive(packed, folder, filter="fully_trusted")
    return Place(folder)


def failed(ended: Ended) -> set[str]:
    """Checks that fail."""
    return {one["check"] for one in json.loads(ended.out)["findings"] if one["status"] == "FAIL"}


@pytest.mark.parametrize("record", [(), ("--no-record",), ("--record",)])
def test_a_home_that_came_with_the_model_vouches_for_nobody(tmp_path: Path, record: tuple[str, ...]) -> None:
    """Whoever packed it named themselves in its ancile.toml, and their keys have no passphrase."""
    download = unpacked(made(tmp_path / "theirs"), tmp_path / "download")
    ended = download("verify", "model", "--format", "json", *record)
    assert (ended.code, failed(ended)) == (1, {"release-signer-told"})
    assert "is a copy" in ended.out


def test_nothing_is_written_into_a_home_that_came_with_the_model(tmp_path: Path) -> None:
    download = unpacked(made(tmp_path / "theirs"), tmp_path / "download")
    ledger = download.folder / ".ancile" / "ledger.db"
    before = ledger.read_bytes()
    ended = download("scan", "model", "--quiet")
    assert (ended.code, "not evidence" in ended.err, "is a copy" in ended.err) == (0, True, True)
    assert download("verify", "model").code == 1
    assert ledger.read_bytes() == before


def test_a_gate_says_that_its_rules_may_have_come_with_the_model(home: Place, tmp_path: Path) -> None:
    download = unpacked(home, tmp_path / "download")
    assert "is a copy" in download("gate", "net.py:predict").err
    assert "is a copy" not in download("--home", ".", "gate", "net.py:predict").err
    assert "is a copy" not in home("gate", "net.py:predict").err


def test_a_configuration_below_the_home_takes_nobodys_place(home: Place) -> None:
    """A download below one's own home brings an ancile.toml: which of the two counts is asked, not guessed."""
    inside = Place(home.folder / "download")
    inside.folder.mkdir()
    (inside.folder / "ancile.toml").write_text("# theirs\n", "utf-8")
    (inside.folder / "labels.txt").write_text("cat", "utf-8")
    assert clear(inside("scan", ".")).startswith("another ancile.toml lies nearer than the one of the home")
    assert inside("--home", "..", "scan", ".", "--quiet").code == 0
    assert inside("scan", ".", "--no-record", "--quiet").code == 0


def test_a_home_verifies_where_it_was_made_and_after_a_move(tmp_path: Path) -> None:
    own = made(tmp_path / "own")
    assert own("verify", "model").code == 0
    moved = Place(own.folder.rename(tmp_path / "moved"))
    assert moved("verify", "model").code == 0
    assert moved("scan", "model", "--quiet").err == ""


def test_a_copy_is_ones_own_where_it_is_named(tmp_path: Path) -> None:
    copy = unpacked(made(tmp_path / "own"), tmp_path / "copy")
    assert copy("--home", ".", "verify", "model").code == 0
    assert copy("verify", "model", ANCILE_HOME=str(copy.folder)).code == 0


@pytest.mark.slow
def test_who_opens_the_keys_of_a_copy_has_shown_that_it_is_theirs(tmp_path: Path) -> None:
    """A wrong passphrase shows nothing; the right one counts from then on, also where none is asked for."""
    own = made(tmp_path / "own", key="", ANCILE_PASSPHRASE=PASSPHRASE)
    copy = unpacked(own, tmp_path / "copy")
    assert failed(copy("verify", "model", "--no-record", "--format", "json")) == {"release-signer-told"}
    assert copy("verify", "model", ANCILE_PASSPHRASE="a guess of somebody").code == 2
    assert copy("verify", "model", "--no-record").code == 1
    assert copy("verify", "model", ANCILE_PASSPHRASE=PASSPHRASE).code == 0
    assert copy("verify", "model", "--no-record").code == 0


def test_a_configuration_that_was_there_before_the_home_vouches_for_nobody(tmp_path: Path) -> None:
    """`ancile init` in a download leaves its ancile.toml alone: it pins the signer's log, not the user's."""
    theirs = made(tmp_path / "theirs")
    shutil.rmtree(theirs.folder / ".ancile")
    assert theirs("init", KEY).code == 0
    ended = theirs("verify", "model", "--no-record", "--format", "json")
    assert (ended.code, failed(ended)) == (1, {"release-signer-told"})


def test_a_link_to_ones_own_home_does_not_make_the_configuration_ones_own(tmp_path: Path) -> None:
    """The download knows the user's public keys and where their home lies; its ancile.toml names itself too."""
    theirs, own = made(tmp_path / "theirs"), made(tmp_path / "own")
    shutil.rmtree(theirs.folder / ".ancile")
    (theirs.folder / ".ancile").symlink_to(own.folder / ".ancile")
    log = (own.folder / "ancile.toml").read_text("utf-8")
    authors = (theirs.folder / "ancile.toml").read_text("utf-8").partition("authors = [")[2].partition("]")[0]
    (theirs.folder / "ancile.toml").write_text(
        log.replace("authors = [", f"authors = [{authors}", 1), "utf-8"
    )
    ended = theirs("verify", "model", "--format", "json")
    assert ended.code == 1
    assert "release-signer-told" in failed(ended)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_home_of_another_user_vouches_for_nobody(tmp_path: Path) -> None:
    own = made(tmp_path / "own")
    os.chown(own.folder / ".ancile", 65534, 65534)
    assert failed(own("verify", "model", "--no-record", "--format", "json")) == {"release-signer-told"}


@pytest.mark.parametrize("there", ["pipe", "folder", "long"])
def test_what_stands_in_the_place_of_the_mark_is_no_mark(tmp_path: Path, there: str) -> None:
    own = made(tmp_path / "own")
    mark = own.folder / ".ancile" / "place"
    mark.unlink()
    if there == "pipe":
        os.mkfifo(mark)
    elif there == "folder":
        mark.mkdir()
    else:
        mark.write_bytes(b"1" * 1000)
    assert own("verify", "model", "--no-record").code == 1
