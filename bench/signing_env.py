"""The environment of the OpenSSF model signing CLI, made when it is first asked for: bench/.signing, not in git."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

HERE = Path(__file__).parent
HOME = HERE / ".signing"
PINS = HERE / "signing.txt"


def model_signing() -> Path:
    """The command ``model_signing``; installing takes a minute, once."""
    command, ready = HOME / "bin" / "model_signing", HOME / ".ready"
    if not ready.exists() or ready.read_text("utf-8") != PINS.read_text("utf-8"):
        python = HOME / "bin" / "python"
        if not python.exists():
            venv.create(HOME, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", str(PINS)], check=True)
        ready.write_text(PINS.read_text("utf-8"), "utf-8")
    return command


if __name__ == "__main__":
    print(model_signing())
