"""Which home: the option goes before the variable, either before what lies here or above; files stay relative."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.terminal import ASSESS, Place, clear


@pytest.fixture
def away(tmp_path: Path) -> Place:
    """A folder with model and data, and no home in it or above."""
    made = Place(tmp_path / "away")
    made.folder.mkdir()
    made.data()
    return made


@pytest.fixture
def second(tmp_path: Path) -> Place:
    made = Place(tmp_path / "second")
    made.folder.mkdir()
    assert made("init", "--unencrypted-key", "--origin", "second.example/log").code == 0
    return made


def origin(place: Place, *before: str, **environment: str) -> str:
    ended = place(*before, "keys", "list", **environment)
    assert ended.code == 0, ended
    return next(line.split()[-1] for line in ended.out.splitlines() if line.startswith("log"))


def test_a_home_is_used_from_anywhere_by_option_and_by_variable(home: Place, away: Place) -> None:
    assert origin(away, "--home", str(home.folder)) == "test.example/log"
    assert origin(away, ANCILE_HOME=str(home.folder)) == "test.example/log"
    assert origin(away, ANCILE_HOME="../home") == "test.example/log"


def test_the_option_goes_before_the_variable_and_both_before_the_folder(home: Place, second: Place) -> None:
    assert origin(home) == "test.example/log"
    assert origin(home, ANCILE_HOME=str(second.folder)) == "second.example/log"
    assert origin(home, "--home", str(home.folder), ANCILE_HOME=str(second.folder)) == "test.example/log"


def test_an_empty_variable_is_none(home: Place) -> None:
    assert origin(home, ANCILE_HOME="") == "test.example/log"


@pytest.mark.slow
def test_model_data_and_report_stay_relative_to_the_folder_here(home: Place, away: Place) -> None:
    there = ("--home", str(home.folder))
    assert away(*there, *ASSESS, "-o", "report.json").code == 0
    assert (away.folder / "report.json").is_file()
    assert not (away.folder / ".ancile").exists()
    assert away(*there, "ledger", "verify", "--against", "report.json").code == 0
    assert "net.py:predict" in home("ledger", "log").out


def test_a_named_folder_without_a_home_is_an_error_and_nothing_above_takes_its_place(home: Place) -> None:
    inner = home.folder / "inner"
    inner.mkdir()
    for arguments in (("keys", "list"), ASSESS, ("gate", "net.py:predict"), ("ledger", "log")):
        assert "the named home has no .ancile" in clear(home("--home", str(inner), *arguments))
    assert "the named home has no .ancile" in clear(
        home("--home", str(home.folder / ".ancile"), "keys", "list")
    )


def test_init_makes_the_named_home(away: Place, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    assert "is no folder" in clear(away("--home", str(folder), "init", "--unencrypted-key"))
    folder.mkdir()
    assert away("init", "--unencrypted-key", ANCILE_HOME=str(folder)).code == 0
    assert sorted(p.name for p in folder.iterdir()) == [".ancile", "ancile.toml"]
    assert not (away.folder / ".ancile").exists()


def test_help_and_explain_need_no_home_to_be_named(away: Place) -> None:
    assert away("--home", "nowhere", "explain").code == 0
    assert "ANCILE_HOME" in away("--help").out
