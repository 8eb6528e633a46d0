"""The environment in which other scanners are installed, made when it is first asked for: bench/.scanners, not in git."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
HOME = HERE / ".scanners"
PINS = HERE / "scanners.txt"
# modelaudit posts what it is used for to a remote host unless told not to
QUIET = {"NO_ANALYTICS": "1", "PROMPTFOO_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1"}


def scanners_python() -> Path:
    """The interpreter with every scanner of scanners.txt; installing takes a minute, once."""
    python, ready = HOME / "bin" / "python", HOME / ".ready"
    if not ready.exists() or ready.read_text("utf-8") != PINS.read_text("utf-8"):
        if not python.exists():
            venv.create(HOME, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", str(PINS)], check=True)
        ready.write_text(PINS.read_text("utf-8"), "utf-8")
    return python


def in_scanners(script: str, *arguments: str) -> str:
    """What a script of bench/ prints there; its error ends up in ours."""
    found = subprocess.run(
        [scanners_python(), HERE / script, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
        env=os.environ | QUIET,
    )
    return found.stdout
