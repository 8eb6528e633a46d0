"""Fuzz every parser by coverage and keep what breaks one.

    python tools/fuzz/long.py [--seconds N] [TARGET …]

Without --seconds: ten minutes for pickle, zip and templates, one for each other. An input that crashes one,
takes longer than LIMIT_SECONDS or more than LIMIT_MIB is written to ``tests/fuzz/seeds/TARGET/``, where
``make test`` replays it from then on. Exit code 1 when there was one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HOME = HERE / ".atheris"
SEEDS = ROOT / "tests" / "fuzz" / "seeds"
ATHERIS = "atheris==3.0.0"  # with a wheel for Python 3.11 to 3.13
EXTRAS = "serve,arrays"  # of ancile, that the targets import
LONG, LONG_SECONDS, SECONDS = ("pickle", "zip", "templates"), 600, 60
LIMIT_SECONDS = 10  # of one input under instrumentation, which is some ten times slower
LIMIT_MIB = 1024
LONGEST = 1 << 16  # bytes of an input


def fuzzing_python() -> Path:
    """The interpreter with atheris and what ancile depends on; made once."""
    python, ready = HOME / "bin" / "python", HOME / ".ready"
    wanted = f"{ATHERIS} [{EXTRAS}]"
    if not ready.exists() or ready.read_text("utf-8") != wanted:
        venv.create(HOME, with_pip=True)
        install = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        install += ["-c", str(ROOT / "constraints.txt"), ATHERIS, "-e", f"{ROOT}[{EXTRAS}]"]
        subprocess.run(install, check=True)
        ready.write_text(wanted, "utf-8")
    return python


def targets(python: Path) -> list[str]:
    """Every target there is."""
    code = "from tests.fuzz.targets import TARGETS; print(*TARGETS)"
    ended = subprocess.run([python, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    return ended.stdout.split()


def fuzz(python: Path, target: str, seconds: int) -> str:
    """What broke the target, empty where nothing did; its input is kept."""
    with tempfile.TemporaryDirectory() as scratch:
        found, corpus = Path(scratch, "found"), Path(scratch, "corpus")
        found.mkdir()
        corpus.mkdir()
        options = [f"-max_total_time={seconds}", f"-timeout={LIMIT_SECONDS}", f"-rss_limit_mb={LIMIT_MIB}"]
        options += [
            f"-max_len={LONGEST}",
            f"-artifact_prefix={found}/",
            "-print_final_stats=1",
            "-verbosity=0",
        ]
        seeds = SEEDS / target
        folders = [str(corpus), *([str(seeds)] if seeds.is_dir() else [])]
        ended = subprocess.run(
            [python, HERE / "run.py", target, *options, *folders],
            cwd=scratch,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        units = [line for line in ended.stderr.splitlines() if "number_of_executed_units" in line]
        print(
            f"{target}: {units[-1].split()[-1] if units else '?'} inputs, exit {ended.returncode}", flush=True
        )
        for one in sorted(found.iterdir()):
            data = one.read_bytes()
            seeds.mkdir(parents=True, exist_ok=True)
            kept = seeds / f"{one.name.partition('-')[0]}-{sha256(data).hexdigest()[:12]}"
            kept.write_bytes(data)
            print(f"  kept {kept.relative_to(ROOT)}")
        return ended.stderr if ended.returncode else ""


def main() -> int:
    """1 when a parser broke."""
    parser = argparse.ArgumentParser(description="Fuzz every parser by coverage.")
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int)
    given = parser.parse_args()
    python = fuzzing_python()
    broken = 0
    for one in given.targets or targets(python):
        seconds = given.seconds or (LONG_SECONDS if one in LONG else SECONDS)
        if said := fuzz(python, one, seconds):
            broken += 1
            print(said[-4000:], file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
