"""Speed and memory of a scan against SHA-256 of the same files and against other scanners, on one thread.

Each run is a process of its own; CPU is user and system time of the work, start-up not counted on either side but
where a line says so. The runs of both sides alternate. ``python scan_speed.py 128`` measures on 128 MiB instead
of 1 GiB.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bar import Bar
from scan_speed_side import PEERS
from scanners_env import scanners_python

HERE = Path(__file__).parent
SIZE_MIB = 1024
RUNS = 5
SLOW_SECONDS = 15.0  # a side that takes longer runs once
SMALL_FILES = 2000
PEAK_MB = 300
LOOK_SECONDS = 0.02


class Run(NamedTuple):
    """One measurement; ``own_mb`` is the peak of what no file backs and of pages shared, by their share."""

    cpu: float
    wall: float
    peak_mb: float
    own_mb: float
    whole_cpu: float
    said: str


def run(what: str, path: Path) -> Run:
    """Measure once."""
    is_peer = what in PEERS
    python = str(scanners_python()) if is_peer else sys.executable
    command = [python, str(HERE / "scan_speed_side.py"), what, str(path)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": "" if is_peer else str(HERE.parent / "src")}
    before = os.times()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env) as child:
        own = 0.0
        while child.poll() is None:
            own = max(own, _own_mb(child.pid))
            time.sleep(LOOK_SECONDS)
        out = child.stdout.read() if child.stdout else b""
    after = os.times()
    found = json.loads(out)
    whole = after.children_user - before.children_user + after.children_system - before.children_system
    return Run(found["cpu"], found["wall"], found["peak_mb"], own, whole, str(found["said"]))


def _own_mb(pid: int) -> float:
    """Proportional set size now, of a process and its children: proc(5), /proc/PID/smaps_rollup."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
    except OSError:
        return 0.0
    own = sum(float(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return own + sum(_own_mb(int(child)) for child in children)


def alternating(sides: Mapping[str, tuple[str, Path]]) -> dict[str, list[Run]]:
    """The runs of each side, by turns."""
    found: dict[str, list[Run]] = {side: [] for side in sides}
    for _ in range(RUNS):
        for side, (what, path) in sides.items():
            if not found[side] or found[side][0].cpu < SLOW_SECONDS:
                found[side].append(run(what, path))
    return found


def median(runs: list[Run], field: str = "cpu") -> float:
    """The median of one figure."""
    return statistics.median(getattr(one, field) for one in runs)


def spread(runs: list[Run], by: list[Run]) -> str:
    """A ratio of medians of CPU, with the lowest and highest of single runs."""
    ratios = [a.cpu / b.cpu for a, b in zip(runs, by, strict=False)]
    return f"{median(runs) / median(by):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def raw(found: Mapping[str, list[Run]]) -> dict[str, list[float]]:
    """CPU seconds of all runs."""
    return {side: [one.cpu for one in runs] for side, runs in found.items()}


def against_sha(name: str, path: Path, planted: str, reference: str = "sha256") -> tuple[Bar, list[Run]]:
    """Scan and digest of one file against SHA-256 of it."""
    sides = {"ours": (f"{planted}scan", path), "reference": (reference, path), "sha256": ("sha256", path)}
    if reference == "sha256":
        del sides["sha256"]
    found = alternating(sides)
    ours, by = found["ours"], found["reference"]
    ratio = median(ours) / median(by)
    measured = f"ours / reference = {spread(ours, by)}, {median(ours):.2f} CPU s, verdict {ours[0].said}"
    wanted = "at most 1.2 times SHA-256"
    if reference != "sha256":
        measured += f"; ours / SHA-256 alone = {spread(ours, found['sha256'])}"
        wanted = "at most 1.2 times SHA-256 and inflating it once"
    bar = Bar(
        claim=f"scan and digest of a {name} of {path.stat().st_size >> 20} MiB",
        measured=measured,
        wanted=wanted,
        met=ratio <= 1.2 and ours[0].said in ("data-only", "named-classes"),
        raw=raw(found),
    )
    return bar, ours


def folder_bar(folder: Path, *, control: bool) -> Bar:
    """Ten files by as many processes as there are cores."""
    runs = [run("scan" if control else "scan-folder", folder) for _ in range(3)]
    cores = len(os.sched_getaffinity(0))
    used = statistics.median(one.cpu / one.wall for one in runs)
    return Bar(
        claim="a folder of ten such checkpoints uses every core",
        measured=f"CPU / wall = {used:.2f} of {cores} cores, wall {median(runs, 'wall'):.2f} s",
        wanted=f"at least {0.8 * cores:g}",
        met=used >= 0.8 * cores,
        raw={"cpu": [one.cpu for one in runs], "wall": [one.wall for one in runs]},
    )


def no_digest_bar(path: Path, planted: str) -> Bar:
    """Whole processes, as start-up is most of either.

    picklescan reads the pickle in the archive with the standard library alone. Ours imports msgspec, follows the
    pickle, compares the archive's two directories and looks at a sample of the numbers.
    """
    found = alternating({"ours": (f"{planted}scan-no-digest", path), "picklescan": ("picklescan", path)})
    ours, theirs = median(found["ours"], "whole_cpu"), median(found["picklescan"], "whole_cpu")
    work = f"{median(found['ours']):.3f} against {median(found['picklescan']):.3f}"
    return Bar(
        claim="the checkpoint without a digest, whole process",
        measured=f"ours / picklescan = {ours / theirs:.2f}; {ours:.2f} against {theirs:.2f} CPU s, of it work {work}",
        wanted="at most 1",
        met=ours <= theirs,
        raw={side: [one.whole_cpu for one in runs] for side, runs in found.items()},
    )


def integers_bar(path: Path, planted: str) -> tuple[Bar, list[Run]]:
    """A list of four million numbers, which is data."""
    found = alternating({"ours": (f"{planted}scan", path)} | {one: (one, path) for one in PEERS})
    right = [one for one in PEERS if found[one][0].said == "clean"]
    fastest = min(right, key=lambda one: median(found[one]))
    ratio = median(found[fastest]) / median(found["ours"])
    others = ", ".join(f"{one} {median(found[one]):.1f} ({found[one][0].said})" for one in PEERS)
    bar = Bar(
        claim="a pickle of 4 million integers against the fastest peer with the right verdict",
        measured=f"{fastest} / ours = {ratio:.1f}; CPU s: ours {median(found['ours']):.2f}, {others}",
        wanted="at least 4, verdict data-only",
        met=ratio >= 4 and found["ours"][0].said == "data-only",
        raw=raw(found),
    )
    return bar, found["ours"]


def small_bar(folder: Path, planted: str) -> Bar:
    """Many small files, ours with their digests; the checkpoints are of one shape, so that one pickle is read once."""
    found = alternating(
        {"ours": (f"{planted}scan", folder)} | {one: (one, folder) for one in ("picklescan", "modelscan")}
    )
    pace = {side: SMALL_FILES / median(runs) for side, runs in found.items()}
    fastest = max(("picklescan", "modelscan"), key=lambda one: pace[one])
    return Bar(
        claim=f"{SMALL_FILES} small files against the fastest peer",
        measured=f"ours / {fastest} = {pace['ours'] / pace[fastest]:.2f}; files a CPU second: "
        + ", ".join(f"{side} {one:.0f}" for side, one in pace.items()),
        wanted="at least 1",
        met=pace["ours"] >= pace[fastest],
        raw=raw(found),
    )


def memory_bar(runs: Mapping[str, list[Run]]) -> Bar:
    """Peak memory of the scans above."""
    peak = {name: max(one.peak_mb for one in some) for name, some in runs.items()}
    own = {name: max(one.own_mb for one in some) for name, some in runs.items()}
    told = ", ".join(f"{name} {peak[name]:.0f} ({own[name]:.0f})" for name in runs)
    return Bar(
        claim="peak memory does not grow with the file",
        measured=f"MB, ru_maxrss (and proportional set size, looked at every 20 ms): {told}",
        wanted=f"at most {PEAK_MB} by ru_maxrss, pages of the file itself counted in",
        met=max(peak.values()) <= PEAK_MB,
        raw={name: [one.peak_mb for one in some] for name, some in runs.items()},
    )


def measure(*, control: bool = False, mebibytes: int = SIZE_MIB) -> list[Bar]:
    """All of them on one set of files; the control does four times the work and holds each file."""
    planted = "planted-" if control else ""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make = [sys.executable, str(HERE / "scan_speed_files.py"), scratch, str(mebibytes)]
        subprocess.run(make, check=True)
        kinds = {
            "torch checkpoint": ("checkpoint.pt", "sha256"),
            "safetensors file": ("model.safetensors", "sha256"),
            "joblib file": ("plain.joblib", "sha256"),
            "joblib file compressed by zlib": ("zlib.joblib", "inflate"),
        }
        bars: list[Bar] = []
        runs: dict[str, list[Run]] = {}
        for name, (file, reference) in kinds.items():
            bar, runs[name] = against_sha(name, folder / file, planted, reference)
            bars.append(bar)
        bars.append(folder_bar(folder / "ten", control=control))
        bars.append(no_digest_bar(folder / "checkpoint.pt", planted))
        bar, runs["integers"] = integers_bar(folder / "integers.pkl", planted)
        bars += [bar, small_bar(folder / "small", planted), memory_bar(runs)]
    return bars


if __name__ == "__main__":
    sizes = [int(one) for one in sys.argv[1:] if one.isdigit()]
    for line in measure(control="control" in sys.argv, mebibytes=sizes[0] if sizes else SIZE_MIB):
        print(line)
