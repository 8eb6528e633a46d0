"""Every session (the pages in this folder) prints today what its page shows; the rules of masking hide nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ancile.work.landlock import landlock_abi
from tests.cli.transcripts import Masks, pages, played
from tests.docs.pages import Page

CONFINED = 6  # the version of Landlock that holds back files and signals: Linux 6.12


@pytest.mark.slow
@pytest.mark.skipif(landlock_abi() < CONFINED, reason="reports say that this kernel confines no foreign code")
@pytest.mark.parametrize("page", pages(), ids=lambda page: page.path.stem)
def test_a_session_prints_what_its_page_shows(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    for block, said in played(page, folder):
        assert said == block.text, f"{page.name}:{block.line}; python -m tests.cli.transcripts writes it anew"


def test_no_line_of_a_session_is_wider_than_a_terminal() -> None:
    """Errors, talk and entries of a baseline are single lines by design: they can be cut out and searched."""
    wide = [
        line
        for page in pages()
        for block in page.blocks
        if block.language == "console"
        for line in block.text.splitlines()
        if len(line) > 80 and not line.startswith(("ancile: ", "$ ", "> ", '{"', ' "', "  ", 'seen = "'))
    ]
    assert wide == []


def test_equal_digests_stay_equal_and_others_differ(tmp_path: Path) -> None:
    mask = Masks(tmp_path)
    one, other = "sha256:" + "0a" * 32, "sha256:" + "1b" * 32
    assert mask(f"{one} {other} {one[:19]}") == "sha256:<a> sha256:<b> sha256:<a>"
    assert mask(other) == "sha256:<b>"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("at 2026-03-02 09:30:00 UTC to", "at <time> to"),
        ("2026-03-02T09:30:00.123+00:00", "<time>"),
        ("active 2026-03-02 author", "active <date> author"),
        ("clean 97.3 %, n = 450", "clean 97.3 %, n = 450"),
        ("numpy 2.4.6", "numpy <version>"),
    ],
)
def test_times_are_masked_and_figures_are_not(text: str, masked: str, tmp_path: Path) -> None:
    assert Masks(tmp_path)(text) == masked
