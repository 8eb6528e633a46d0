"""Homes to call the command line in; made once, copied for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.terminal import ASSESS, Place, copied


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with model and data, and no home."""
    folder = tmp_path / "work"
    folder.mkdir()
    made = Place(folder)
    made.data()
    return made


@pytest.fixture(scope="session")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Place(tmp_path_factory.mktemp("home"))
    made.data()
    assert made("init", "--unencrypted-key", "--origin", "test.example/log").code == 0
    return made.folder


@pytest.fixture(scope="session")
def _assessed(_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("assessed") / "work"
    copied(_home, folder)
    assert Place(folder)(*ASSESS, "-o", "report.json").code == 0
    return folder


@pytest.fixture
def home(_home: Path, tmp_path: Path) -> Place:
    """A folder with model, data, an unencrypted key and a ledger."""
    return Place(copied(_home, tmp_path / "home"))


@pytest.fixture
def assessed(_assessed: Path, tmp_path: Path) -> Place:
    """Such a folder in which the model was assessed, with the report in report.json."""
    return Place(copied(_assessed, tmp_path / "assessed"))
