"""Accepted findings are told, hold for exactly the bytes that were looked at, and come back when their day is over."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.core.report import Report, exit_code
from ancile.scan.baseline import (
    ACCEPTED,
    DAYS,
    Baseline,
    Place,
    Written,
    parse_baseline,
    write_baseline,
)
from ancile.scan.files import find_files
from ancile.scan.stage import Terms, scan
from ancile.work.clock import system_clock

HOSTILE = b"cos\nsystem\n(Vtrue\ntR."
REASON = "a test file, J. Doe"


def scanned(folder: Path, baseline: Baseline | None = None) -> Report:
    return scan("here", find_files([folder]), clock=system_clock(), terms=Terms(baseline=baseline))


def written(folder: Path, report: Report, old: Baseline | None = None) -> Written:
    digests = {one.path: one.digest for one in report.files or ()}
    places = {one.shown: Place(one.path, digests[one.shown]) for one in find_files([folder])}
    return write_baseline(report.findings, places, old=old, folder=folder.parent, today=report.started.date())


def reasoned(folder: Path, *, reason: str = REASON, ends: date | None = None) -> Baseline:
    """What a scan of the folder writes, with a reason in each entry."""
    text = written(folder, scanned(folder)).data.decode()
    text = text.replace('reason = ""', f'reason = "{reason}"')
    if ends:
        text = text.replace(str(system_clock().now().date() + timedelta(days=DAYS)), str(ends))
    return parse_baseline(text.encode(), path=folder.parent / "baseline.toml")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "old.pkl").write_bytes(HOSTILE)
    (folder / "raw.bin").write_bytes(b"\x01\x02\xff\xfe" * 9)
    return folder


def test_an_accepted_finding_is_a_note_that_says_so_and_the_verdict_stays(models: Path) -> None:
    assert exit_code(scanned(models)) == 1
    report = scanned(models, reasoned(models))
    assert exit_code(report) == 0
    assert {f.status for f in report.findings} == {"WARN"}
    assert all(f.title.startswith(ACCEPTED) and REASON in f.detail for f in report.findings)
    assert [one.verdict for one in report.files or ()] == ["block", "incomplete"]
    counted = report.measure("accepted_findings")
    assert counted is not None
    assert counted.value == len(report.findings) == 3
    assert any(one.title == "Accepted by the baseline" for one in report.exhibits)


def test_other_bytes_under_the_same_path_are_not_accepted(models: Path) -> None:
    baseline = reasoned(models)
    (models / "old.pkl").write_bytes(HOSTILE.replace(b"true", b"evil"))
    report = scanned(models, baseline)
    assert exit_code(report) == 1
    assert "the file is another one" in "".join(
        f.detail for f in report.findings if f.check == "baseline-lapsed"
    )


def test_the_same_bytes_under_another_path_are_not_accepted(models: Path) -> None:
    baseline = reasoned(models)
    (models / "model.pkl").write_bytes(HOSTILE)
    assert exit_code(scanned(models, baseline)) == 1


def test_an_entry_that_would_hold_for_ever_does_not_count(models: Path) -> None:
    report = scanned(models, reasoned(models, ends=date(9999, 12, 31)))
    assert exit_code(report) == 1
    assert any("two years is the most" in f.detail for f in report.findings)


def test_an_entry_holds_through_its_last_day_and_no_longer(models: Path) -> None:
    today = system_clock().now().date()
    assert exit_code(scanned(models, reasoned(models, ends=today))) == 0
    report = scanned(models, reasoned(models, ends=today - timedelta(days=1)))
    assert exit_code(report) == 1
    assert {f.check for f in report.findings if f.status == "WARN"} == {"baseline-lapsed"}


@pytest.mark.parametrize("reason", ["", "  ", "\u200b\u2060"])
def test_an_entry_without_a_reason_does_not_count(models: Path, reason: str) -> None:
    report = scanned(models, reasoned(models, reason=reason))
    assert exit_code(report) == 1
    assert any("no reason is given" in f.detail for f in report.findings)


def test_a_finding_that_became_graver_comes_back(models: Path) -> None:
    text = written(models, scanned(models)).data.decode().replace('reason = ""', 'reason = "seen"')
    milder = text.replace('severity = "critical"', 'severity = "medium"')
    report = scanned(models, parse_baseline(milder.encode(), path=models.parent / "b"))
    assert exit_code(report) == 1
    assert any("medium was accepted, and it is critical now" in f.detail for f in report.findings)


def test_what_is_no_longer_found_is_told(models: Path) -> None:
    text = written(models, scanned(models)).data.decode().replace('reason = ""', 'reason = "seen"')
    other = text.replace('check = "file-unknown-format"', 'check = "file-empty"')
    report = scanned(models, parse_baseline(other.encode(), path=models.parent / "b"))
    assert exit_code(report) == 1 - 1 + 2  # the unknown file is without conclusion again
    assert any("nothing to accept there any more" in f.detail for f in report.findings)


def test_a_baseline_that_is_written_anew_keeps_reasons_and_what_was_not_scanned(models: Path) -> None:
    baseline = reasoned(models)
    (models / "new.pkl").write_bytes(HOSTILE)
    again = written(models, scanned(models, baseline), baseline)
    assert (again.entries, again.open) == (5, 2)
    (models / "sub").mkdir()
    (models / "sub" / "x.pkl").write_bytes(HOSTILE)
    part = models / "sub"
    places = {one.shown: Place(one.path, "") for one in find_files([part])}
    report = scanned(part, baseline)
    places = {
        p.shown: Place(p.path, f.digest) for p, f in zip(find_files([part]), report.files or (), strict=True)
    }
    kept = write_baseline(
        report.findings, places, old=baseline, folder=models.parent, today=report.started.date()
    )
    assert (kept.entries, kept.open) == (5, 2)


def test_it_does_not_matter_from_where_one_scans(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    baseline = reasoned(models)
    monkeypatch.chdir(models)
    found = find_files([Path("old.pkl"), Path("raw.bin")])
    report = scan("x", found, clock=system_clock(), terms=Terms(baseline=baseline))
    assert exit_code(report) == 0


def test_odd_names_and_text_survive_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / '"\n\x7f\\é.pkl').write_bytes(HOSTILE)
    assert exit_code(scanned(folder, reasoned(folder))) == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"accepted = 3",
        b"other = 1",
        b"[[accepted]]\npath = 'x'",
        b"a = " + b"[" * 100_000,
        b"accepted = ["
        + b'{path="a",digest="",check="c",place="p",severity="low",expires=2030-01-01},' * 2
        + b"]",
        b"[[accepted]]\npath='a'\ndigest=''\ncheck='c'\nplace='p'\nseverity='low'\nexpires='soon'",
    ],
)
def test_what_is_no_baseline_is_one_error(data: bytes) -> None:
    with pytest.raises(AncileError, match="this is no baseline"):
        parse_baseline(data, path=Path("b"))


def test_a_baseline_beyond_all_measure_is_not_read() -> None:
    with pytest.raises(AncileError, match="this is no baseline"):
        parse_baseline(b"#" * ((16 << 20) + 1), path=Path("b"))
