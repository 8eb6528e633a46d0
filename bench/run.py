"""Run every bar and its negative control, print a table, rewrite RESULTS.md with what was measured where.

    python bench/run.py [NAME …]     names of files in bench/, without .py; without any: all.
                                     Rows of the others stay in RESULTS.md

A bar is a module here with ``measure(control: bool = False) -> list[Bar]``; with ``control`` a planted slow
or weak variant runs in the place of ours, and every bar must come out not met.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import traceback
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]
PACKAGES = ("torch", "numpy", "scipy", "cryptography", "click", "msgspec", "scikit-learn", "onnxruntime")

from bar import Bar  # noqa: E402 - the folder of this script is on the path only from here


def bars() -> list[str]:
    """Names of the modules that measure something, in the order of their names."""
    files = sorted(p for p in HERE.glob("*.py") if "def measure(" in p.read_text("utf-8"))
    return [p.stem for p in files if p.stem != "run"]


def measured(name: str, *, control: bool) -> list[Bar]:
    """The bars of one module; what fails to run is a bar that is not met, with the reason."""
    try:
        found: list[Bar] = import_module(name).measure(control=control)
    except Exception as reason:  # noqa: BLE001 - one broken bar must not hide the others
        traceback.print_exc()
        return [
            Bar(
                claim=f"{name} runs",
                measured=f"{type(reason).__name__}: {reason}",
                wanted="no error",
                met=False,
            )
        ]
    return found


def kept_rows(wanted: list[str]) -> list[str]:
    """Rows of RESULTS.md by modules that are not measured now."""
    path = HERE / "RESULTS.md"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    known = set(bars()) - set(wanted)
    return [line for line in lines if line.startswith("| ") and line.split(" ", 2)[1] in known]


def results(rows: list[tuple[str, Bar, str, str]], kept: list[str]) -> str:
    """RESULTS.md: one row a bar, then the machine."""
    lines = [
        "# Measured claims",
        "",
        "Rewritten by `make bars`; one file in `bench/` a claim, both sides in one run.",
        "",
    ]
    lines += [
        "| file | claim | measured | wanted | met | negative control | when, commit, load |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, bar, control, when in rows:
        cells = (name, bar.claim, bar.measured, bar.wanted, "yes" if bar.met else "**no**", control, when)
        lines.append("| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |")
    lines += kept
    versions = ", ".join(f"{p} {metadata.version(p)}" for p in PACKAGES)
    lines += ["", "The runs behind the figures: `raw.json`, by file and claim.", "", "## Where", ""]
    lines += [f"- {processor()}, {os.cpu_count()} cores, {platform.platform()}"]
    lines += [f"- Python {platform.python_version()}, {versions}", ""]
    return "\n".join(lines)


def when() -> str:
    """Time, commit and load: what a reader needs to weigh a row."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=False, cwd=HERE
    )
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M}, {commit.stdout.strip() or 'none'}, {os.getloadavg()[1]:.1f}"


def keep_raw(name: str, found: list[Bar]) -> None:
    """Put the raw runs of a module beside the results, in the place of its earlier ones."""
    path = HERE / "raw.json"
    stored = json.loads(path.read_text("utf-8")) if path.exists() else {}
    stored[name] = {bar.claim: dict(bar.raw) for bar in found if bar.raw}
    path.write_text(json.dumps(dict(sorted(stored.items())), indent=1) + "\n", "utf-8")


def processor() -> str:
    """The processor's name as Linux gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


def main() -> int:
    """0 when every bar is met and every control is not."""
    wanted = sys.argv[1:] or bars()
    if unknown := set(wanted) - set(bars()):
        sys.exit(f"no such file here: {', '.join(sorted(unknown))}; there are: {', '.join(bars())}")
    kept = kept_rows(wanted)
    rows = []
    for name in wanted:
        found, controls = measured(name, control=False), measured(name, control=True)
        caught = {bar.claim: not bar.met for bar in controls}
        for bar in found:
            control = {True: "not met, as it must", False: "**met: the bar is blind**", None: "none"}
            rows.append((name, bar, control[caught.get(bar.claim)], when()))
            print(
                f"{bar.claim} | {bar.measured} | {bar.wanted} | {'met' if bar.met else 'NOT MET'}", flush=True
            )
        # After each module, so that none is lost
        (HERE / "RESULTS.md").write_text(results(rows, kept), "utf-8")
        keep_raw(name, found)
    return 0 if all(bar.met and "blind" not in control for _, bar, control, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
