"""The audit of a ledger as findings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ancile.core.check import Check, Remark, check, examine, fail, ok, skip, warn
from ancile.core.finding import Location
from ancile.core.measure import Count
from ancile.core.report import Report
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.trust.audit import Audit
from ancile.trust.audit_derived import Erased
from ancile.version import __version__

TAMPERED = (
    "CWE-345",
    "AML.M0024 (ATLAS 5.6.0)",
)  # insufficient verification of authenticity; telemetry logging


@check("ledger-changed-entry", severity="critical", refs=TAMPERED)
def changed_entries(audit: Audit) -> Iterator[Remark]:
    """Something in the ledger is not what the log signed.

    Why   Evidence that can be rewritten unnoticed is none. The place named first is where to look first.
    Fix   Keep the damaged file for forensics, restore a copy from before that entry, and find out who could
          write here; evidence from the entry on is not to be believed until then.
    """
    for fault in audit.faults:
        yield fail(fault.what, where=Location(path=fault.place))
    if audit.is_intact:
        yield ok()


@check("ledger-not-covered", severity="medium", refs=TAMPERED)
def uncovered_entries(audit: Audit) -> Iterator[Remark]:
    """Entries stand under no checkpoint of the log.

    Why   An entry is authenticated by a signed checkpoint over it; one behind the last checkpoint could have
          been written by anybody who can write the file.
    Fix   Sign them: `ancile ledger checkpoint`.
    """
    if not audit.is_intact:
        yield skip("the ledger was changed: nothing of it is to be signed now")
    elif audit.size > audit.covered:
        yield warn(f"entries {audit.covered} to {audit.size - 1}")
    else:
        yield ok()


@check("ledger-rollback-not-checked", severity="low", refs=TAMPERED)
def not_checked(audit: Audit) -> Iterator[Remark]:
    """Nothing kept elsewhere was held against the ledger.

    Why   Whoever holds the log's key, or can write all of .ancile, can replace the whole ledger by an older
          or another one; that shows only against a checkpoint that was kept elsewhere, or to a witness.
    Fix   Give a report or a checkpoint that you kept (`ancile ledger verify --against FILE`), or use a
          witness.
    """
    if audit.not_checked:
        yield warn(f"not checked: {', '.join(audit.not_checked)}")
    else:
        yield ok()


MOST_ERASED = 100  # that a report lists; the count is of all

LEDGER_CHECKS: tuple[Check[Audit], ...] = (changed_entries, uncovered_entries, not_checked)


def _told(erased: Erased) -> str:
    because = f", {erased.author[:19]}: {plain(erased.reason)}" if erased.reason else ""
    return f"body of entry {erased.entry} erased by entry {erased.by}{because}"


def audit_report(audit: Audit, *, origin: str, started: datetime, finished: datetime) -> Report:
    """The audit as a report about the ledger, whose digest is its root."""
    examined = examine(LEDGER_CHECKS, audit)
    counts = {
        "entries": (audit.size, "entries"),
        "covered_entries": (audit.covered, "entries"),
        "checkpoints": (audit.checkpoints, "checkpoints"),
        "bodies": (audit.bodies, "bodies"),
        "erased_bodies": (len(audit.erased), "bodies"),
    }
    if audit.last_signed is not None:
        counts["last_signed"] = (audit.last_signed, "entries")
    erased = [_told(one) for one in audit.erased[:MOST_ERASED]]
    return Report(
        stage="ledger",
        complete=True,
        subject=Subject(kind="ledger", name=origin or "ledger", digest=f"sha256:{audit.root.hex()}"),
        parameters={"erased": list(erased)} if erased else {},
        measures=tuple(
            Count(name=name, value=value, unit=unit, method="counted")
            for name, (value, unit) in counts.items()
        ),
        findings=examined.findings,
        passed=examined.passed,
        started=started,
        finished=finished,
        version=__version__,
    )
