"""The recipes for pipelines are those of the documentation, and the pre-commit hook does what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, read

HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")
RECIPES = sorted((ROOT / "examples" / "ci").iterdir())


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_a_recipe_is_a_block_of_the_page_on_ci(recipe: Path) -> None:
    blocks = [block.text for block in read(ROOT / "docs" / "ci.md").blocks]
    assert recipe.read_text("utf-8") in blocks


def test_the_hook_that_the_recipe_names_is_there() -> None:
    named = re.findall(
        r"- id: (\S+)", (ROOT / "examples" / "ci" / "pre-commit-config.yaml").read_text("utf-8")
    )
    assert named == re.findall(r"- id: (\S+)", HOOKS) == ["ancile-scan"]


@pytest.mark.parametrize(
    ("files", "code"),
    [(("fine.txt",), 0), (("fine.txt", "evil.png"), 1), (("fine.txt", "raw"), 2)],
)
def test_the_entry_of_the_hook_fails_a_commit_that_brings_in_what_it_should_not(
    tmp_path: Path, files: tuple[str, ...], code: int
) -> None:
    """pre-commit calls the entry with the names of the files; anything but 0 stops the commit."""
    (tmp_path / "fine.txt").write_text("text\n")
    (tmp_path / "evil.png").write_bytes(b"cos\nsystem\n(Vtrue\ntR.")
    (tmp_path / "raw").write_bytes(b"\x01\x02\xff\xfe" * 9)
    entry = re.search(r"^  entry: ancile (.*)$", HOOKS, re.MULTILINE)
    assert entry is not None
    ended = subprocess.run(
        [sys.executable, "-m", "ancile", *shlex.split(entry[1]), *files],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.png", "fine.txt", "raw"]
