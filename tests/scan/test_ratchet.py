"""What the scan has reached on the development corpus it does not lose again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared import SHARED, needs_shared

BENCH = Path(__file__).parents[2] / "bench"
COUNT = "import json, scan_scorecard as card; print(json.dumps(card.totals(card.ours(card.entries()))))"


@needs_shared
@pytest.mark.slow
def test_no_total_of_the_scorecard_is_below_what_was_reached() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", COUNT],
        cwd=BENCH,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"ANCILE_SHARED": str(SHARED)},
    )
    now, reached = json.loads(ended.stdout), json.loads((BENCH / "ratchet.json").read_text("utf-8"))
    assert now.keys() == reached.keys()
    assert {name: n for name, n in now.items() if n < reached[name]} == {}
