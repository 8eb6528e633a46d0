"""Keys from another machine: written, compared by one fingerprint, added to ancile.toml; never changed in silence."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click
import pytest

from tests.cli.terminal import RULE, Place, clear

GATE = ("gate", "net.py:predict", "--no-record")


@pytest.fixture
def other(assessed: Place, tmp_path: Path) -> Place:
    """Another machine's folder, with the maker's evidence in evidence.json and its public keys in ci.keys."""
    made = Place(tmp_path / "other")
    made.folder.mkdir()
    made.data()
    made("init", "--unencrypted-key", "--origin", "other.example/log")
    made.policy(RULE.format(at_least=0.1))
    for what in (("evidence", "export"), ("keys", "export", "-o")):
        name = "ci.keys" if "-o" in what else "evidence.json"
        assert assessed(*what, str(made.folder / name)).code == 0
    return made


def fingerprint(maker: Place) -> str:
    return next(w for w in maker("keys", "export").out.split() if w.startswith("sha256:"))


def policy(place: Place) -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((place.folder / "ancile.toml").read_text("utf-8"))["policy"]
    return found


def test_a_trusted_file_makes_evidence_count_and_keeps_every_comment(assessed: Place, other: Place) -> None:
    before = (other.folder / "ancile.toml").read_text("utf-8")
    assert other(*GATE, "--evidence", "evidence.json").code == 2
    told = other("keys", "trust", "ci.keys", "--name", "ci", "--fingerprint", fingerprint(assessed))
    assert told.code == 0, told
    assert not told.out
    assert "author sha256:" in told.err
    assert "log test.example/log with 2 verifier keys" in told.err
    after = (other.folder / "ancile.toml").read_text("utf-8")
    assert [line for line in before.splitlines() if line.lstrip().startswith("#")] == [
        line for line in after.splitlines() if line.lstrip().startswith("#")
    ]
    assert after.count("# ci, trusted 20") == 2
    assert other(*GATE, "--evidence", "evidence.json").code == 0


def test_a_file_that_is_trusted_already_changes_nothing(assessed: Place, other: Place) -> None:
    agreed = ("keys", "trust", "ci.keys", "--fingerprint", fingerprint(assessed))
    assert other(*agreed).code == 0
    before = (other.folder / "ancile.toml").read_bytes()
    assert "names all of these keys already" in other(*agreed).err
    assert (other.folder / "ancile.toml").read_bytes() == before


def test_the_fingerprint_is_the_same_on_both_sides(assessed: Place, other: Place) -> None:
    told = assessed("keys", "export", "-o", "mine.keys").err
    assert fingerprint(assessed) in told
    assert fingerprint(assessed) in other("keys", "trust", "ci.keys").err


def test_without_a_terminal_the_fingerprint_has_to_be_given(other: Place) -> None:
    told = other("keys", "trust", "ci.keys")
    assert told.code == 2
    assert "nobody is there to say" in told.err


@pytest.mark.parametrize("answer", [True, False])
def test_on_a_terminal_a_person_is_asked(
    other: Place, monkeypatch: pytest.MonkeyPatch, *, answer: bool
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    asked: list[str] = []

    def confirm(words: str, **_: object) -> bool:
        asked.append(words)
        return answer

    monkeypatch.setattr(click, "confirm", confirm)
    told = other("keys", "trust", "ci.keys")
    assert asked == ["ancile: did the other side tell you this fingerprint?"]
    assert told.code == (0 if answer else 2)
    assert ("test.example/log" in str(policy(other))) == answer


def test_another_fingerprint_is_refused(other: Place) -> None:
    before = (other.folder / "ancile.toml").read_bytes()
    said = clear(other("keys", "trust", "ci.keys", "--fingerprint", "sha256:" + "0" * 64))
    assert "the fingerprint is another one" in said
    assert (other.folder / "ancile.toml").read_bytes() == before


def test_a_log_that_comes_with_other_keys_is_refused(assessed: Place, other: Place, tmp_path: Path) -> None:
    assert other("keys", "trust", "ci.keys", "--fingerprint", fingerprint(assessed)).code == 0
    false = Place(tmp_path / "false")
    false.folder.mkdir()
    false("init", "--unencrypted-key", "--origin", "test.example/log")
    false("keys", "export", "-o", str(other.folder / "false.keys"))
    before = (other.folder / "ancile.toml").read_bytes()
    said = clear(other("keys", "trust", "false.keys", "--fingerprint", fingerprint(false)))
    assert "pinned with other keys" in said
    assert (other.folder / "ancile.toml").read_bytes() == before


def test_a_log_with_the_origin_of_ones_own_is_refused(other: Place, tmp_path: Path) -> None:
    false = Place(tmp_path / "false")
    false.folder.mkdir()
    false("init", "--unencrypted-key", "--origin", "other.example/log")
    false("keys", "export", "-o", str(other.folder / "false.keys"))
    said = clear(other("keys", "trust", "false.keys", "--fingerprint", fingerprint(false)))
    assert "pinned with other keys" in said


def test_ones_own_keys_are_known(home: Place) -> None:
    assert home("keys", "export", "-o", "own.keys").code == 0
    assert "already" in home("keys", "trust", "own.keys", "--fingerprint", fingerprint(home)).err


def test_keys_after_a_rotation_are_added_to_those_that_are_known(assessed: Place, other: Place) -> None:
    assert other("keys", "trust", "ci.keys", "--fingerprint", fingerprint(assessed)).code == 0
    for purpose in ("log", "author"):
        assert assessed("keys", "rotate", purpose, "--unencrypted-key").code == 0
    assessed("keys", "export", "-o", str(other.folder / "new.keys"))
    told = other("keys", "trust", "new.keys", "--fingerprint", fingerprint(assessed))
    assert told.code == 0
    assert "2 more, of a log that is known" in told.err
    (log,) = tomllib.loads((other.folder / "ancile.toml").read_text("utf-8"))["policy"]["logs"]
    assert len(log["keys"]) == 4
    assessed("evidence", "export", str(other.folder / "evidence.json"))
    assert other(*GATE, "--evidence", "evidence.json").code == 0


@pytest.mark.parametrize("changed", ["id", "key", "twice", "witness", "empty", "binary", "absent", "large"])
def test_a_file_that_is_no_file_of_public_keys_is_refused(other: Place, changed: str) -> None:
    path = other.folder / "ci.keys"
    text = path.read_text("ascii")
    bad = {
        "id": text.replace("author:v1:author+", "author:v1:author+0"),
        "key": text[:-40] + ("A" if text[-40] != "A" else "B") + text[-39:],
        "twice": text.replace("author:v1", "author:v1 author:v1"),
        "witness": text.replace("log:v1", "witness:v1"),
        "empty": "# nothing\n",
        "large": "# x\n" * 300_000,
    }
    path.unlink() if changed == "absent" else path.write_bytes(
        b"\xff\xfe" if changed == "binary" else bad[changed].encode()
    )
    before = (other.folder / "ancile.toml").read_bytes()
    assert clear(other("keys", "trust", "ci.keys", "--fingerprint", "sha256:" + "0" * 64))
    assert (other.folder / "ancile.toml").read_bytes() == before


@pytest.mark.parametrize(
    "form",
    [
        'policy = { authors = [], take = "worst" }\n',
        "",
        "[policy]\nauthors = []\n[[policy.logs]]\norigin = 'x'\nkeys = ['y']\n",
        "[[policy.logs]]\norigin = 'x'\nkeys = ['y']\n",
        "[policy]\nlogs = [{ origin = 'x', keys = ['y'] }]\n",
        "policy.take = 'latest'\n",
    ],
)
def test_a_file_of_any_form_is_edited_rightly_or_left_alone(assessed: Place, other: Place, form: str) -> None:
    path = other.folder / "ancile.toml"
    text = path.read_text("utf-8")
    path.write_text(form + text[text.index("[ledger]") :], "utf-8")
    before = tomllib.loads(path.read_text("utf-8"))
    told = other("keys", "trust", "ci.keys", "--fingerprint", fingerprint(assessed))
    after = tomllib.loads(path.read_text("utf-8"))
    if told.code == 0:
        assert after["ledger"] == before["ledger"]
        origins = [log["origin"] for log in after["policy"]["logs"]]
        assert origins == [log["origin"] for log in before.get("policy", {}).get("logs", [])] + [
            "test.example/log"
        ]
        assert len(after["policy"]["authors"]) == 1
    else:
        clear_line = told.err.splitlines()[-2]
        assert "not edited here" in clear_line
        assert after == before


def test_a_home_without_keys_exports_none(home: Place) -> None:
    for path in (home.folder / ".ancile" / "keys").glob("*.key"):
        path.unlink()
    assert "no key to export" in clear(home("keys", "export"))
