"""What one check concluded."""

from __future__ import annotations

from typing import Any

import pytest

from ancile.core.finding import NOWHERE, Finding, Location

SOUND: dict[str, Any] = {
    "check": "a-b",
    "status": "FAIL",
    "severity": "high",
    "title": "A fault",
    "fix": "mend",
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"check": ""}, "names its check"),
        ({"title": ""}, "names its check"),
        ({"fix": ""}, "a-b: FAIL without a fix"),
        ({"status": "WARN", "fix": ""}, "a-b: WARN without a fix"),
        ({"status": "SKIP"}, "a-b: SKIP without a reason"),
        ({"status": "ERROR"}, "a-b: ERROR without a reason"),
        ({"status": "PASS"}, "a PASS is kept as a count"),
    ],
)
def test_a_finding_that_helps_nobody_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Finding(**SOUND | changes)


def test_a_finding_with_what_its_status_asks_for_is_kept() -> None:
    for status in ("FAIL", "WARN"):
        assert Finding(**SOUND | {"status": status}).location == NOWHERE
    for status in ("SKIP", "ERROR"):
        assert Finding(**SOUND | {"status": status, "fix": "", "detail": "no gradients"}).fix == ""


def test_a_location_names_what_is_known() -> None:
    every = Location(path="a.npz", member="x", offset=0, row=0, column="age")
    assert str(every) == "a.npz, member x, byte 0, row 0, column age"
    assert str(Location(row=7)) == "row 7"
    assert str(NOWHERE) == ""
