"""The environment in which other scanners are installed: bench/.scanners, not in git."""

from __future__ import annotations

from pathlib import Path

from environments import environment

# modelaudit posts what it is used for to a remote host unless told not to
QUIET = {"NO_ANALYTICS": "1", "PROMPTFOO_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1"}


def scanners_python() -> Path:
    """The interpreter with every scanner of scanners.txt."""
    return environment("scanners") / "python"
