"""A home with a small model in it, and the gateway started there as a shell would."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.terminal import Place
from tests.serve.small import linear


@pytest.fixture(scope="session")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Place(tmp_path_factory.mktemp("serve-home"))
    assert made("init", "--unencrypted-key", "--origin", "test.example/log").code == 0
    (made.folder / "line.onnx").write_bytes(linear())
    return made.folder


@pytest.fixture
def home(_home: Path, tmp_path: Path) -> Place:
    """A folder with line.onnx, unencrypted keys and a ledger."""
    return Place(Path(shutil.copytree(_home, tmp_path / "home", symlinks=True)))


@pytest.fixture
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id at its least cost, for tests of what a password lets in to, not of passwords."""
    from argon2 import PasswordHasher

    from ancile.serve.identity import passwords

    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
