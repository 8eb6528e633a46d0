"""A verification is a report whose only clock is the one that was passed in."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.core.report import exit_code
from ancile.release.pins import pins_of
from ancile.release.stage import verify
from ancile.work.clock import Clock
from tests.release.world import NOW, model_in, signer, subject_of


def clock_at(hours: int) -> Clock:
    return Clock(lambda: NOW + timedelta(hours=hours), lambda: 0.0, lambda: 0.0, lambda: 0)


def test_the_clock_that_is_passed_in_decides(tmp_path: Path) -> None:
    alice, model = signer(tmp_path, 1, name="alice"), model_in(tmp_path)
    bundle, pins = alice.release(subject_of(model), expires="1d"), pins_of([alice.id], logs=alice.vkeys)
    before, after = (verify(model, bundle, pins, clock=clock_at(hours)) for hours in (23, 25))
    assert (exit_code(before), exit_code(after)) == (0, 1)
    assert before.stage == "verify"
    assert (after.started, after.finished) == (NOW + timedelta(hours=25),) * 2


def test_what_was_let_through_stands_in_the_report(tmp_path: Path) -> None:
    alice, model = signer(tmp_path, 1, name="alice"), model_in(tmp_path)
    bundle, pins = alice.release(subject_of(model)), pins_of([alice.id], logs=alice.vkeys)
    (model / "notes.md").write_bytes(b"")
    told: list[tuple[int, int]] = []
    report = verify(
        model,
        bundle,
        pins,
        clock=clock_at(1),
        ignored=["*.md"],
        parameters={"signers": [alice.id]},
        progress=lambda done, total: told.append((done, total)),
    )
    assert report.outcome == "pass"
    assert report.parameters == {
        "signature": "hybrid",
        "threshold": 1,
        "signers": [alice.id],
        "ignore_unsigned": ["*.md"],
    }
    assert told[-1][0] == told[-1][1]


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AncileError, match="not a bundle of evidence"):
        verify(model_in(tmp_path), b"{}", pins_of(["sha256:" + "0" * 64]), clock=clock_at(0))
