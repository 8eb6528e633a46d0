"""Where the larger real data lies, for tests that need it; the project works without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[2] / "shared"

SHARED: Path | None = next(
    (p for p in (Path(os.environ.get("ANCILE_SHARED", BESIDE)),) if (p / "data" / "INDEX.md").is_file()), None
)

needs_shared = pytest.mark.skipif(
    SHARED is None,
    reason="the shared data is absent: set ANCILE_SHARED to the folder that holds data/INDEX.md",
)
