"""A scan of files and folders ends in a report that says of each what it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.core.exhibit import Table
from ancile.core.report import Record, Report, ScannedFile, exit_code
from ancile.core.subject import digest_of
from ancile.core.wire import read_record
from ancile.render.json import render
from ancile.scan.examine import Examination, examine_part
from ancile.scan.files import Found, find_files, scan_file
from ancile.scan.part import Part
from ancile.scan.stage import scan
from ancile.work.clock import system_clock

HOSTILE = b"cos\nsystem\n(Vtrue\ntR."


def scanned(*paths: Path) -> Record:
    return Record(report=scan("here", find_files(paths), clock=system_clock()))


def files_of(report: Report) -> tuple[ScannedFile, ...]:
    assert isinstance(report.files, tuple)
    return report.files


def test_every_file_of_a_folder_is_told_with_its_digest(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "evil.png").write_bytes(HOSTILE)
    (tmp_path / "card.md").write_text("# card\n")
    report = scanned(tmp_path).report
    assert report.stage == "scan"
    assert [(one.path, one.verdict) for one in files_of(report)] == [
        ("card.md", "data-only"),
        ("sub/evil.png", "block"),
    ]
    assert report.subject.parts["sub/evil.png"] == digest_of(HOSTILE)
    assert exit_code(report) == 1


def test_the_findings_of_a_file_stand_with_it_in_json_and_the_document_reads_back(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(HOSTILE)
    (tmp_path / "b.txt").write_bytes(b"text")
    record = scanned(tmp_path)
    text = render(record)
    assert text.count('"pickle-unlisted-call"') == 2
    assert read_record(text.encode(), name="report") == record


def test_nothing_examined_is_no_pass(tmp_path: Path) -> None:
    assert exit_code(scanned(tmp_path).report) == 2


def test_what_cannot_be_read_is_incomplete(tmp_path: Path) -> None:
    gone = scan_file(Found(tmp_path / "gone", "gone"))
    assert (gone.digest, gone.found.verdict) == ("", "incomplete")
    folder = scan_file(Found(tmp_path, "folder"))
    assert folder.found.verdict == "incomplete"


def test_a_file_that_changes_meanwhile_is_incomplete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model"
    file.write_bytes(b"text")

    def slow(part: Part) -> Examination:
        file.write_bytes(b"longer text")
        return examine_part(part)

    monkeypatch.setattr("ancile.scan.files.examine_part", slow)
    assert scan_file(Found(file, "model")).found.verdict == "incomplete"


def test_pipes_in_a_folder_are_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    assert find_files([tmp_path]) == []


def test_what_a_link_leads_to_outside_of_the_folder_is_judged_under_its_name(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "blobs", tmp_path / "snapshot"
    elsewhere.mkdir()
    (folder / "in").mkdir(parents=True)
    (elsewhere / "aa").write_bytes(HOSTILE)
    (folder / "in" / "card.md").write_text("# text\n")
    (folder / "model.bin").symlink_to("../blobs/aa")
    (folder / "again.md").symlink_to("in/card.md")
    (folder / "same").symlink_to("in")
    (folder / "others").symlink_to("../blobs")
    (folder / "gone").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    said = {one.path: one.verdict for one in files_of(scanned(folder).report)}
    assert said == {
        "in/card.md": "data-only",
        "model.bin": "block",
        "others": "incomplete",
        "gone": "incomplete",
        "loop": "incomplete",
    }


def test_paths_that_are_no_file_are_one_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AncileError, match="no such file or folder"):
        find_files([tmp_path / "gone"])
    with pytest.raises(AncileError, match="neither a file nor a folder"):
        find_files([tmp_path / "pipe"])


def test_a_name_that_is_not_utf_8_is_percent_encoded(tmp_path: Path) -> None:
    name = os.fsdecode(b"mod\xff\n.pkl")
    (tmp_path / name).write_bytes(HOSTILE)
    (file,) = files_of(scanned(tmp_path).report)
    assert file.path == "mod%FF%0A.pkl"


def test_an_empty_file_is_mapped_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert scan_file(Found(tmp_path / "empty", "empty")).found.verdict == "incomplete"


@pytest.mark.parametrize("name", ["__init__.py", "lib/__init__.py", "py.typed", ".gitkeep"])
def test_what_is_empty_by_custom_is_data(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").touch()
    assert scan_file(Found(tmp_path / "empty", name)).found.verdict == "data-only"


def test_of_too_many_findings_the_gravest_are_told_and_the_report_is_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ancile.scan.stage.FINDINGS", 2)
    for name in ("a.bin", "b.bin", "c.bin"):
        (tmp_path / name).write_bytes(b"\x01\x02\xff\xfe" * 9)
    (tmp_path / "z.pkl").write_bytes(HOSTILE)
    report = scanned(tmp_path).report
    assert not report.complete
    assert [(f.status, f.severity) for f in report.findings] == [("FAIL", "critical"), ("FAIL", "high")]
    assert len(files_of(report)) == 4


def test_a_table_of_very_many_files_says_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ancile.scan.exhibits.ROWS", 2)
    for n in range(5):
        (tmp_path / f"{n}.pkl").write_bytes(HOSTILE)
    (table,) = scanned(tmp_path).report.exhibits
    assert isinstance(table, Table)
    assert len(table.rows) == 2
    assert table.note == "block: do not open; left out: 3 more of these."
