"""An audit is told as findings: what is wrong first, and nothing that would sign a changed ledger."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ancile.core.report import Report, exit_code
from ancile.trust.audit import Audit
from ancile.trust.audit_derived import Erased, Fault
from ancile.trust.checks import audit_report

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def told(
    *,
    covered: int = 4,
    faults: tuple[Fault, ...] = (),
    erased: tuple[Erased, ...] = (),
    not_checked: tuple[str, ...] = (),
    last_signed: int | None = None,
) -> Report:
    audit = Audit(4, bytes(32), covered, 1, 4, erased, faults, not_checked, last_signed)
    return audit_report(audit, origin="example.org/log", started=NOW, finished=NOW)


def test_an_intact_ledger_held_against_a_kept_checkpoint_passes() -> None:
    report = told()
    assert exit_code(report, strict=True) == 0
    assert report.subject.digest == "sha256:" + "00" * 32


def test_a_changed_ledger_fails_names_the_place_and_is_not_to_be_signed() -> None:
    report = told(covered=2, faults=(Fault("entry 3", 3, "its leaf is not the one"),))
    assert exit_code(report) == 1
    first = report.findings[0]
    assert (first.status, first.location.path, first.detail) == ("FAIL", "entry 3", "its leaf is not the one")
    assert not any("ledger checkpoint" in f.fix for f in report.findings)


@pytest.mark.parametrize(
    ("report", "check"),
    [
        (told(covered=2), "ledger-not-covered"),
        (told(not_checked=("rollback", "split view")), "ledger-rollback-not-checked"),
    ],
)
def test_what_could_not_be_judged_is_a_warning(report: Report, check: str) -> None:
    assert [f.check for f in report.findings if f.status == "WARN"] == [check]
    assert exit_code(report) == 0
    assert exit_code(report, strict=True) == 1


def test_an_erased_body_is_told_with_the_entry_that_erased_it() -> None:
    assert told(erased=(Erased(1, 3),)).parameters["erased"] == ["body of entry 1 erased by entry 3"]
    lines = told(erased=(Erased(1, 3, f"sha256:{'ab' * 32}", "asked\nto"),)).parameters["erased"]
    assert lines == ["body of entry 1 erased by entry 3, sha256:abababababab: asked\\nto"]


def test_what_this_machine_signed_last_is_told() -> None:
    assert {m.name: m.value for m in told(last_signed=3).measures}["last_signed"] == 3
    assert "last_signed" not in {m.name for m in told().measures}
