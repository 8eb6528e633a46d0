"""Environments of their own for what ancile is measured against, each made when it is first asked for."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent


def environment(name: str, *, alone: tuple[str, ...] = (), first: tuple[str, ...] = ()) -> Path:
    """The folder ``bin`` of bench/.NAME with all that NAME.txt pins; installing takes minutes, once.

    alone  beginnings of pins that are installed without what they declare
    first  beginnings of pins that others find installed
    """
    home, pins = HERE / f".{name}", HERE / f"{name}.txt"
    ready, python = home / ".ready", home / "bin" / "python"
    if not ready.exists() or ready.read_text("utf-8") != pins.read_text("utf-8"):
        if not python.exists():
            venv.create(home, with_pip=True)
        wanted = [line for line in pins.read_text("utf-8").splitlines() if line and not line.startswith("#")]
        early = [pin for pin in wanted if first and pin.startswith(first)]
        late = [pin for pin in wanted if alone and pin.startswith(alone)]
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for options, some in (
            ([], early),
            ([], [pin for pin in wanted if pin not in late]),
            (["--no-deps"], late),
        ):
            if some:
                subprocess.run([*install, *options, *some], check=True)
        ready.write_text(pins.read_text("utf-8"), "utf-8")
    return home / "bin"


if __name__ == "__main__":
    for asked in sys.argv[1:]:
        print(environment(asked))
