"""A second scan says of every file that was known what became of it."""

from __future__ import annotations

import os
from pathlib import Path

from ancile.core.report import Report
from ancile.scan.again import changes, known_files, still_there
from ancile.scan.files import scan_file
from ancile.scan.stage import Terms, files_of, scan
from ancile.work.clock import system_clock

HOSTILE = b"cos\nsystem\n(Vtrue\ntR."


def scanned(path: Path, root: Path) -> Report:
    base = str(path.relative_to(root)) if path.is_dir() else "."
    return scan("x", files_of([path]), clock=system_clock(), terms=Terms(base=base))


def test_the_latest_report_of_a_file_counts(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    file = tmp_path / "m" / "odd \xe9.pkl"
    file.write_bytes(b"text")
    first = scanned(tmp_path / "m", tmp_path)
    file.write_bytes(HOSTILE)
    second = scanned(tmp_path / "m", tmp_path)
    known = known_files([first, second], root=tmp_path)
    assert [(one.path, one.verdict) for one in known.values()] == [(file, "block")]
    assert [one.path for one in still_there(known)] == [file]


def test_a_change_is_of_content_of_rules_or_the_file_is_gone(tmp_path: Path) -> None:
    for name in ("same", "new", "gone", "ruled", "unread"):
        (tmp_path / name).write_bytes(b"text")
    known = known_files([scanned(tmp_path, tmp_path)], root=tmp_path)
    known["ruled"] = known["ruled"]._replace(verdict="review")
    known["unread"] = known["unread"]._replace(digest="", verdict="incomplete")
    (tmp_path / "new").write_bytes(HOSTILE)
    (tmp_path / "gone").unlink()
    found = changes(known, [scan_file(one) for one in still_there(known)])
    assert {one.shown: (one.before, one.now, one.change) for one in found} == {
        "gone": ("data-only", None, "gone"),
        "new": ("data-only", "block", "new content"),
        "ruled": ("review", "data-only", "other rules"),
        "same": ("data-only", "data-only", "same"),
        "unread": ("incomplete", "data-only", "not read"),
    }


def test_a_file_that_was_told_gone_is_not_told_again(tmp_path: Path) -> None:
    file = tmp_path / "m"
    file.write_bytes(b"text")
    first = scanned(tmp_path, tmp_path)
    file.unlink()
    known = known_files([first], root=tmp_path)
    again = scan("again", still_there(known), clock=system_clock(), terms=Terms(base=".", before=known))
    assert [m.value for m in again.measures if m.slice == {"change": "gone"}] == [1]
    assert known_files([first, again], root=tmp_path) == {}


def test_reports_without_a_base_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"text")
    report = scan("x", files_of([tmp_path]), clock=system_clock())
    assert known_files([report], root=tmp_path) == {}


def test_what_took_the_place_of_a_file_is_not_gone(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("folder", "link", "nowhere", "pipe"):
        (folder / name).write_bytes(b"text")
    known = known_files([scanned(folder, tmp_path)], root=tmp_path)
    (tmp_path / "bad").write_bytes(HOSTILE)
    for name in ("folder", "link", "nowhere", "pipe"):
        (folder / name).unlink()
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("../bad")
    (folder / "nowhere").symlink_to("../nothing")
    os.mkfifo(folder / "pipe")
    found = changes(known, [scan_file(one) for one in still_there(known)])
    assert {one.shown: (one.now, one.change) for one in found} == {
        "models/folder": ("incomplete", "not read"),
        "models/link": ("block", "new content"),
        "models/nowhere": ("incomplete", "not read"),
        "models/pipe": ("incomplete", "not read"),
    }
