"""Under the strict policy doubt is refused; under the standard one it is told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from ancile.core.report import Report, exit_code
from ancile.scan.files import find_files
from ancile.scan.policy import Policy
from ancile.scan.stage import Terms, scan
from ancile.work.clock import system_clock

HOSTILE = b"cos\nsystem\n(Vtrue\ntR."
CUT = b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x00abc."
ODD = b"\x80\x04\x95\xff\0\0\0\0\0\0\0N."
RAW = b"\x01\x02\xff\xfe" * 9


def scanned(file: Path, policy: Policy) -> Report:
    return scan("here", find_files([file]), clock=system_clock(), terms=Terms(policy=policy))


def said(report: Report) -> tuple[int, str]:
    (file,) = report.files or ()
    return exit_code(report), file.verdict


@pytest.mark.parametrize(
    ("data", "standard", "strict"),
    [
        (HOSTILE, (1, "block"), (1, "block")),
        (CUT, (2, "incomplete"), (1, "block")),
        (ODD, (1, "review"), (1, "block")),
        (RAW, (2, "incomplete"), (1, "block")),
        (b"text\n", (0, "data-only"), (0, "data-only")),
        (b"cnumpy\ndtype\n(Vf8\ntR.", (0, "named-classes"), (0, "named-classes")),
    ],
)
def test_strict_blocks_what_is_in_doubt_and_nothing_else(
    tmp_path: Path, data: bytes, standard: tuple[int, str], strict: tuple[int, str]
) -> None:
    file = tmp_path / "file"
    file.write_bytes(data)
    assert said(scanned(file, "standard")) == standard
    report = scanned(file, "strict")
    assert said(report) == strict
    doubted = [f for f in report.findings if f.check == "policy-strict-doubt"]
    assert bool(doubted) == (standard[1] in ("review", "incomplete"))
    assert report.parameters["policy"] == "strict"


def test_nothing_examined_is_no_pass_under_either(tmp_path: Path) -> None:
    assert exit_code(scanned(tmp_path, "strict")) == exit_code(scanned(tmp_path, "standard")) == 2
