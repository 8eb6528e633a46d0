"""Small sound nouns for the tests of core."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ancile.core.finding import Finding, Status
from ancile.core.measure import Estimate
from ancile.core.report import Report
from ancile.core.subject import Subject, digest_of

TIME = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUBJECT = Subject(kind="model", name="net.pt2", digest=digest_of(b"weights"))


def finding(status: Status, check: str = "gradient-masked") -> Finding:
    """A finding of this status with all that its status asks for."""
    return Finding(
        check=check, status=status, severity="high", title="Gradients are hidden", detail="seen", fix="mend"
    )


def rate(name: str = "clean_accuracy", **changes: Any) -> Estimate:
    """A share of n with its interval."""
    given: dict[str, Any] = {
        "value": 0.5,
        "unit": "rate",
        "n": 10,
        "low": 0.2,
        "high": 0.8,
        "confidence": 0.95,
    }
    return Estimate(name=name, method="Clopper-Pearson", **given | changes)


def report(**changes: Any) -> Report:
    """A report that passes."""
    given: dict[str, Any] = {
        "stage": "assess",
        "complete": True,
        "subject": SUBJECT,
        "passed": {"gradient-masked": 1},
        "started": TIME,
        "finished": TIME,
        "version": "0.1.0",
    }
    return Report(**given | changes)
