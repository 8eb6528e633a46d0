"""Writes the golden files of a released version, once: ``python -m tests.golden.write v2``.

They hold evidence, keys and a backup as that version writes them. Every later version must read them, so a
folder that exists is never touched again.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from ancile.core.decision import Decision, Ground, Requirement
from ancile.core.exhibit import PNG, Curve, Picture, Point, Series, Table, Text
from ancile.core.finding import Finding, Location
from ancile.core.measure import Bound, Count, Estimate
from ancile.core.report import Cost, Report
from ancile.core.subject import digest_of, subject_of_parts
from ancile.trust.backup import backup_keys
from ancile.trust.events import RunStarted
from ancile.trust.keys import create_key, list_keys, revoke_key, rotate_key
from ancile.trust.ledger import open_ledger
from ancile.trust.lockbox import Protection, Stretching
from ancile.trust.notary import export_evidence, key_event, record
from ancile.trust.statement import Predicate, statement_of

WHEN = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
LATER = WHEN + timedelta(seconds=1)
PASSPHRASE, BACKUP_PASSPHRASE = b"golden", b"golden backup"
CHEAP = Stretching(iterations=1, lanes=1, memory_kib=128)  # these keys protect nothing
ORIGIN = "golden.example/log"
SUBJECT = subject_of_parts("model", "model ñ", {"a%20b.bin": digest_of(b"a"), "c.bin": digest_of(b"c")})


def golden_report() -> Report:
    """A report with every kind of noun in it, and numbers that are spelled in odd ways."""
    share = Estimate(
        name="clean_accuracy",
        value=0.5,
        unit="rate",
        n=100,
        low=0.25,
        high=0.75,
        confidence=0.95,
        method="Clopper-Pearson",
    )
    bound = Bound(
        name="robust_accuracy",
        slice={"class": 3},
        value=0.5,
        unit="rate",
        n=100,
        low=0.25,
        high=0.75,
        confidence=0.95,
        method="Clopper-Pearson",
        side="at_most",
    )
    return Report(
        stage="assess",
        complete=False,
        subject=SUBJECT,
        parameters={"eps": 0.3, "steps": [1, 2.5, "three", None, True], "seed": 2**53 - 1, "norm": "linf"},
        measures=(
            share,
            bound,
            Count(name="queries", value=1e21, unit="queries", method="counted"),
            Estimate(name="ece", slice={"eps": 1e-7}, value=-0.0, unit="share", method="debiased"),
        ),
        findings=(
            Finding(
                check="robust-accuracy-low",
                status="FAIL",
                severity="high",
                location=Location(path="a%20b.bin", offset=7, row=3, column="ß"),
                title="It errs",
                detail="on \U0001f600 and \u202e",
                fix="Train it",
                refs=("AML.T0043",),
            ),
            Finding(check="data-skipped", status="SKIP", severity="info", title="Data", detail="none given"),
        ),
        passed={"distance-beyond-eps": 3},
        exhibits=(
            Text(title="note", text="a\nb"),
            Table(title="classes", columns=("class", "share"), rows=((0, 0.25), ("b", None))),
            Curve(
                title="curve",
                x_label="eps",
                y_label="accuracy",
                series=(Series(name="s", points=(Point(0.0, 1.0), Point(0.1, 0.5, 0.25, 0.75))),),
            ),
            Picture(title="worst", png=PNG + b"pixels", alt="a digit"),
        ),
        cost=Cost(
            forwards=10, backwards=5, queries=0, cpu_seconds=1.5, wall_seconds=2.0, peak_memory_bytes=1 << 30
        ),
        started=WHEN,
        finished=WHEN,
        version="0.1.0",
    )


def golden_predicates(author: str) -> list[Predicate]:
    """One of each kind of statement, key events aside."""
    ground = Ground(origin=ORIGIN, index=3, statement_digest=digest_of(b"s"), author=author)
    answered = Requirement(name="r", answer="not_met", reason="0.25 < 0.5", remedy="train", grounds=(ground,))
    decision = Decision(
        subject=SUBJECT,
        policy_digest=digest_of(b"policy"),
        requirements=(answered,),
        runs=1,
        decided=WHEN,
        version="0.1.0",
    )
    run = RunStarted(run="ab" * 16, stage="assess", subject=SUBJECT, started=WHEN, version="0.1.0")
    return [run, golden_report(), decision]


def write(folder: Path) -> None:
    """The golden files, in a folder that must not exist yet."""
    folder.mkdir(parents=True)
    protection = Protection(PASSPHRASE, CHEAP)
    with TemporaryDirectory() as temporary:
        keys = Path(temporary) / "keys"
        author = create_key(keys, "author", "golden", protection=protection, now=WHEN)
        log = create_key(keys, "log", ORIGIN, protection=protection, now=WHEN)
        lost = create_key(keys, "witness", "golden.example/witness", protection=protection, now=WHEN)
        revoke_key(keys, lost.public.id, reason="golden", now=WHEN)
        new = rotate_key(keys, "author", lambda: PASSPHRASE, protection=Protection(None), now=LATER).new
        with open_ledger(Path(temporary) / "ledger", clock=lambda: WHEN) as ledger:
            events: list[Predicate] = [
                key_event(author.public, now=WHEN),
                key_event(lost.public, now=WHEN, revoked_because="golden"),
                key_event(new.public, now=WHEN, after=author.public.id),
            ]
            for predicate in [*events, *golden_predicates(author.public.id)]:
                record(ledger, statement_of(predicate), author=author, log=log, clock=lambda: WHEN)
            bundle = export_evidence(
                ledger, range(ledger.size()), logs=log.public.vkeys, signers=[author.public]
            )
        (folder / "bundle.json").write_bytes(bundle)
        (folder / "public.txt").write_text("".join(f"{k.public.text}\n" for k in list_keys(keys)))
        (folder / "vkeys.txt").write_text("".join(f"{vkey}\n" for vkey in log.public.vkeys))
        for path in keys.glob("*.key"):
            (folder / path.name).write_bytes(path.read_bytes())
        backup_keys(
            keys,
            folder / "backup.json",
            passphrase=lambda: PASSPHRASE,
            backup_passphrase=BACKUP_PASSPHRASE,
            now=WHEN,
            stretching=CHEAP,
        )


if __name__ == "__main__":
    write(Path(__file__).parent / sys.argv[1])
