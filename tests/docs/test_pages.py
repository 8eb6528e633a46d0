"""Every python and console block of the documentation does what the page says."""

from __future__ import annotations

from pathlib import Path
from shutil import which

import pytest

from tests.docs.pages import Block, Page, matches, pages, steps
from tests.docs.runner import run_page
from tests.docs.worlds import prepare

RUN = [
    pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.slow else [])
    for page in pages()
    if page.runs
]


@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_do_what_it_shows(page: Page, tmp_path: Path) -> None:
    if "$ curl " in page.text and not which("curl"):
        pytest.skip("the page calls curl, which is not installed")
    folder, home = tmp_path / "project", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    prepare(page.setup, folder)
    faults = run_page(page, folder, home)
    assert not faults, "\n\n".join(faults)


def test_three_dots_stand_for_anything_in_a_line_or_for_any_lines() -> None:
    assert matches(("a ... c", "...", "z"), ["a b c", "d", "e", "z"])
    assert matches(("...",), [])
    assert not matches(("a ... c",), ["a b d"])
    assert not matches(("a",), ["a", "b"])
    assert not matches((), ["a"])


def test_a_console_block_is_commands_with_output_and_exit_code() -> None:
    block = Block("console", "$ one \\\n>   two\nout\n[exit 1]\n$ three\n", 1, None)
    first, second = steps(block)
    assert first == ("one \\\n  two", ("out",), 1)
    assert second == ("three", (), 0)
