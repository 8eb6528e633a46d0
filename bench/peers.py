"""The environment in which peers are installed, made when it is first asked for: bench/.peers, not in git."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
HOME = HERE / ".peers"
PINS = HERE / "peers.txt"
ALONE = ("torchattacks", "adv-lib")  # installed without what it declares: see peers.txt


def peers_python() -> Path:
    """The interpreter with every peer of peers.txt; installing takes minutes and a gigabyte, once."""
    python, ready = HOME / "bin" / "python", HOME / ".ready"
    if not ready.exists() or ready.read_text("utf-8") != PINS.read_text("utf-8"):
        if not python.exists():
            venv.create(HOME, with_pip=True)
        pins = [line for line in PINS.read_text("utf-8").splitlines() if line and not line.startswith("#")]
        alone = [pin for pin in pins if pin.startswith(ALONE)]
        torch = [pin for pin in pins if pin.startswith("torch=")]
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *torch], check=True)
        subprocess.run([*install, *(pin for pin in pins if pin not in alone)], check=True)
        subprocess.run([*install, "--no-deps", *alone], check=True)
        ready.write_text(PINS.read_text("utf-8"), "utf-8")
    return python


def in_peers(script: str, *arguments: str) -> str:
    """What a script of bench/ prints there, with this checkout's ancile; its error ends up in ours."""
    found = subprocess.run(
        [peers_python(), HERE / script, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
        env=os.environ
        | {"PYTHONPATH": str(HERE.parent / "src"), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )
    return found.stdout
