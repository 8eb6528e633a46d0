"""Fuzz one parser by coverage, in the environment of ``long.py``: libFuzzer through atheris.

    python tools/fuzz/run.py TARGET SEEDS CORPUS [libFuzzer options]

A crash, an input over the limits of time or memory ends it; libFuzzer leaves the input as a file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

with atheris.instrument_imports(include=["ancile"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run until libFuzzer's own limits."""
    name, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
