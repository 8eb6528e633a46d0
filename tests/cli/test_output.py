"""How a report leaves: colours on a terminal that wants them, figures first, nothing twice."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from ancile.cli.output import Output, deliver, write_whole
from ancile.core.errors import AncileError
from tests.render.records import RECORDS, assessed


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("name", "value", "coloured"),
    [("COLUMNS", "80", True), ("NO_COLOR", "1", False), ("TERM", "dumb", False)],
)
def test_colours_are_for_terminals_that_want_them(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, *, coloured: bool
) -> None:
    for other in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    with redirect_stdout(Screen()) as screen:
        deliver(assessed(), Output("table", None, strict=False))
    assert ("\x1b[" in screen.getvalue()) == coloured
    assert not screen.getvalue().endswith("\n\n")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (
            "assessed",
            [
                "ancile: clean 98.1 %, robust at most 81.2 % (78.6 to 83.6) at linf eps 0.1",
                "ancile: pass with 7 warnings; report in r.html",
            ],
        ),
        ("incomplete", ["ancile: no conclusion; report in r.html"]),
        ("gate", ["ancile: fail; report in r.html"]),
    ],
)
def test_a_report_in_a_file_has_its_figures_said_first(
    record: str, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with redirect_stderr(io.StringIO()) as talk:
        deliver(RECORDS[record](), Output("html", Path("r.html"), strict=False))
    assert talk.getvalue().splitlines() == said


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
def test_a_folder_that_takes_no_files_is_one_error() -> None:
    with pytest.raises(AncileError, match="cannot be written there"):
        write_whole(Path("/proc/x"), b"report")
