"""What a confined process may read: Python's own folders and a model's code, never a home folder whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ancile.work.reach import code_reach, interpreter_reach


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = Path(tmp_path).resolve()
    for name in (".ssh/id", "model.py", "net/__init__.py", "notes/diary.txt", "tax.csv", "project/m.py"):
        (root / "user" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "user" / name).write_text("")
    monkeypatch.setenv("HOME", str(root / "user"))
    return root / "user"


def test_a_folder_with_code_is_read_whole(home: Path) -> None:
    assert code_reach(home / "project") == (home / "project",)


def test_hidden_entries_of_a_folder_with_code_are_left_out(home: Path) -> None:
    (home / "project" / ".env").write_text("TOKEN=1")
    (home / "project" / "data").mkdir()
    assert code_reach(home / "project") == (home / "project" / "data", home / "project" / "m.py")


def test_of_a_home_folder_modules_alone_are_read(home: Path) -> None:
    assert code_reach(home) == (home / "model.py", home / "net")
    assert code_reach(home.parent) == ()


def test_a_folder_that_is_not_there_has_nothing_to_read_yet(home: Path) -> None:
    assert code_reach(home / "absent") == (home / "absent",)


def test_python_is_read_and_no_folder_that_holds_a_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{home}/project:{home}::/")
    found = interpreter_reach([str(home)])
    assert Path(sys.prefix).resolve() in found
    assert {home / "project", home / "model.py"} <= set(found)
    assert not [path for path in found if home.is_relative_to(path)]


def test_the_root_is_never_read_whole_where_a_user_has_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    assert Path("/") not in interpreter_reach(["/"])
