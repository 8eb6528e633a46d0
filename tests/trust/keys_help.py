"""Keys, reports and statements that several tests of this room share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ancile.core.finding import Finding
from ancile.core.measure import Estimate
from ancile.core.report import Report
from ancile.core.subject import Subject, digest_of
from ancile.trust.events import Review
from ancile.trust.key import Seeds
from ancile.trust.lockbox import Protection, Stretching

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CHEAP = Stretching(iterations=1, lanes=1, memory_kib=128)  # what tests can pay for
OPEN = Protection(None)
PASSPHRASE = "correct horse ñ".encode()
SEALED = Protection(PASSPHRASE, CHEAP)
MODEL = b"weights of a model"


def seeds(number: int) -> Seeds:
    """Seeds that a test can name."""
    return Seeds(bytes([number]) * 32, bytes([number + 100]) * 32)


def passphrase() -> bytes:
    """The passphrase of ``SEALED``."""
    return PASSPHRASE


def report(data: bytes = MODEL, *, accuracy: float = 0.5) -> Report:
    """A small report with one rate, about a file of these bytes."""
    return Report(
        stage="assess",
        complete=True,
        subject=Subject(kind="model", name="digits.pt2", digest=digest_of(data)),
        parameters={"eps": 0.3, "norm": "linf", "seed": 7},
        measures=(
            Estimate(
                name="robust_accuracy",
                value=accuracy,
                unit="rate",
                n=100,
                low=0.0,
                high=1.0,
                confidence=0.95,
                method="Clopper-Pearson",
            ),
        ),
        findings=(
            Finding(
                check="robust-accuracy-low", status="FAIL", severity="high", title="It errs", fix="Train it"
            ),
        ),
        passed={"distance-beyond-eps": 3},
        started=NOW,
        finished=NOW + timedelta(seconds=5),
        version="0.1.0",
    )


def review() -> Review:
    """What a person said about a request that waited."""
    return Review(
        event="ab" * 16,
        review="rev-1",
        change="approved",
        label="benign",
        user="alice",
        model="m",
        guard="evidence",
        input="0" * 32,
        time=NOW,
        version="0.1.0",
    )
