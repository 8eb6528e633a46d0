"""Every kind of bad input is one clear line with value and remedy, exit code 2, and the ledger stays intact."""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bar import Bar
from project import Project, project
from travel import make_model

ASSESS = ("assess", "net.py:net", "--eps", "0.01", "--effort", "quick", "--quiet")
DATA = ("--data", "data.npz")


def save(path: Path, x: np.ndarray, y: np.ndarray) -> None:
    """A data set as .npz."""
    np.savez(path, x=x, y=y)


def cases(at: Project) -> dict[str, tuple[str, ...]]:
    """Name to command line; the files that they need lie in the folder."""
    folder, x, y = at.folder, np.full((20, 4), 0.5, dtype=np.float32), np.zeros(20, dtype=np.int64)
    save(folder / "wrong_shape.npz", np.zeros((20, 7), dtype=np.float32), y)
    save(folder / "labels.npz", x, y + 9)
    save(folder / "nan.npz", np.full((20, 4), np.nan, dtype=np.float32), y)
    save(folder / "empty.npz", x[:0], y[:0])
    save(folder / "lengths.npz", x, y[:5])
    np.savez(folder / "objects.npz", x=np.array([{}], dtype=object), y=y[:1])
    (folder / "model.pkl").write_bytes(pickle.dumps({"a": 1}))
    (folder / "nothing.pt2").write_bytes(b"")
    (folder / "cut.npz").write_bytes((folder / "data.npz").read_bytes()[:200])
    odd = os.fsdecode(b"odd-\xff\xfe.npz")
    torn = "new\nline \x1b[2J \u202e.npz"
    os.mkfifo(folder / "pipe.npz")
    (folder / "bundle.json").write_bytes(b"[" + b"0" * 60_000_000)
    (folder / "loop.npz").symlink_to("loop.npz")
    return {
        "missing model file": ("assess", "absent.py:net", *DATA, *ASSESS[2:]),
        "missing data": (*ASSESS, "--data", "absent.npz"),
        "wrong shape": (*ASSESS, "--data", "wrong_shape.npz"),
        "labels out of range": (*ASSESS, "--data", "labels.npz"),
        "NaN data": (*ASSESS, "--data", "nan.npz"),
        "empty set": (*ASSESS, "--data", "empty.npz"),
        "x and y of different length": (*ASSESS, "--data", "lengths.npz"),
        "object array": (*ASSESS, "--data", "objects.npz"),
        "truncated data": (*ASSESS, "--data", "cut.npz"),
        "pickle": ("assess", "model.pkl", *DATA, "--eps", "0.01"),
        "empty model": ("assess", "nothing.pt2", *DATA, "--eps", "0.01"),
        "eps beyond the bounds": ("assess", "net.py:net", *DATA, "--eps", "7", "--bounds", "0,1"),
        "negative eps": ("assess", "net.py:net", *DATA, "--eps", "-0.1"),
        "eps is NaN": ("assess", "net.py:net", *DATA, "--eps", "nan"),
        "no eps": ("assess", "net.py:net", *DATA),
        "unreachable endpoint": ("assess", "http://127.0.0.1:9/v2/models/m", *DATA, "--eps", "0.01"),
        "unwritable output": (*ASSESS, *DATA, "-o", "absent/report.html"),
        "output is a folder": (*ASSESS, *DATA, "-o", "."),
        "file name that is not UTF-8": (*ASSESS, "--data", odd),
        "pipe": (*ASSESS, "--data", "pipe.npz"),
        "symlink loop": (*ASSESS, "--data", "loop.npz"),
        "unknown option": ("assess", "net.py:net", "--epss", "1"),
        "unknown check": ("explain", "no-such-check"),
        "unknown entry": ("ledger", "show", "99999"),
        "no duration": (*ASSESS, *DATA, "--budget", "soon"),
        "evidence that is none": ("evidence", "import", "data.npz"),
        "60 MB that are no evidence": ("evidence", "import", "bundle.json"),
        "file name with line ends and escapes": (*ASSESS, "--data", torn),
        "value of 100,000 characters": (*ASSESS, "--data", "x" * 100_000),
        "seed beyond JSON's integers": (*ASSESS, *DATA, "--seed", str(2**60)),
        "mean is NaN": (*ASSESS, *DATA, "--mean", "nan"),
        "std is zero": (*ASSESS, *DATA, "--std", "0"),
        "examples that cannot be written": (*ASSESS, *DATA, "--adversarial", "absent/x.npz"),
        "export that cannot be written": ("evidence", "export", "absent/x"),
        "copy that cannot be written": ("gate", "net.py:net", "--copy-to", "absent/x"),
    }


def one_clear_line(ended: subprocess.CompletedProcess[str]) -> str:
    """What is wrong with how an error was told; empty when nothing is."""
    lines = ended.stderr.strip().splitlines()
    if ended.returncode != 2:
        return f"exit {ended.returncode}"
    if (
        len(lines) != 2
        or not lines[0].startswith("ancile: error: ")
        or not lines[1].startswith("ancile: hint: ")
    ):
        return f"{len(lines)} lines: {ended.stderr[-200:]!r}"
    return "" if not ended.stdout else f"stdout: {ended.stdout[:80]!r}"


def config(at: Project, put: Callable[[Path], object]) -> subprocess.CompletedProcess[str]:
    """A gate under what ``put`` leaves in the place of ancile.toml."""
    path, kept = at.folder / "ancile.toml", at.folder / "kept.toml"
    path.rename(kept)
    put(path)
    try:
        return at.run("gate", "net.py:net")
    finally:
        path.rmdir() if path.is_dir() else path.unlink()
        kept.rename(path)


def huge(path: Path) -> None:
    """A file of 1 GB that takes no room."""
    with path.open("wb") as file:
        file.truncate(1 << 30)


def gone(at: Project) -> subprocess.CompletedProcess[str]:
    """A gate in a folder that was deleted."""
    script = f"mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m ancile gate x"
    return subprocess.run(
        ["/bin/sh", "-c", script], cwd=at.folder, capture_output=True, text=True, check=False
    )


def wrong_passphrase() -> subprocess.CompletedProcess[str]:
    """A checkpoint with another passphrase than the keys have."""
    with project(init=False) as at:
        at.run("init", ANCILE_PASSPHRASE="right")
        return at.run("ledger", "checkpoint", ANCILE_PASSPHRASE="wrong")


def full_disk(at: Project) -> subprocess.CompletedProcess[str]:
    """A report of more bytes than this process may write to a file."""
    command = [sys.executable, "-m", "ancile", *ASSESS, *DATA, "--no-record", "-o", "/dev/full"]
    return subprocess.run(command, cwd=at.folder, capture_output=True, text=True, check=False)


def full_ledger(at: Project) -> subprocess.CompletedProcess[str]:
    """A recorded run whose ledger cannot grow: the write fails as on a full disk."""
    size = (at.folder / ".ancile" / "ledger.db").stat().st_size
    limit = size + 4096

    def small() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "ancile", *ASSESS, *DATA]
    return subprocess.run(
        command,
        cwd=at.folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=small,
        stdin=subprocess.DEVNULL,
    )


def measure(*, control: bool = False) -> list[Bar]:
    """How many kinds were told clearly; the control takes an input that is fine for a bad one."""
    faults: dict[str, str] = {}
    with project() as at:
        make_model(at.folder)
        wanted = cases(at)
        if control:
            wanted["nothing is wrong"] = (*ASSESS, *DATA)
        others: dict[str, Callable[[], subprocess.CompletedProcess[str]]] = {
            "damaged ancile.toml": lambda: config(at, lambda path: path.write_text('[assess]\nnorm = "lin')),
            "ancile.toml is a pipe": lambda: config(at, os.mkfifo),
            "ancile.toml is a folder": lambda: config(at, Path.mkdir),
            "ancile.toml of 1 GB": lambda: config(at, huge),
            "ancile.toml nested deep": lambda: config(
                at, lambda path: path.write_text("a = " + "[" * 100_000)
            ),
            "deleted folder": lambda: gone(at),
            "wrong passphrase": wrong_passphrase,
            "full disk, report": lambda: full_disk(at),
            "full disk, ledger": lambda: full_ledger(at),
        }
        for name, command in wanted.items():
            if fault := one_clear_line(at.run(*command)):
                faults[name] = fault
        for name, call in others.items():
            if fault := one_clear_line(call()):
                faults[name] = fault
        intact = at.run("ledger", "verify").returncode == 0
    total = len(wanted) + len(others)
    said = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
    return [
        Bar(
            claim="bad input: one clear line with value and remedy, exit 2, ledger intact",
            measured=f"{total - len(faults)} of {total} kinds, ledger {'intact' if intact else 'damaged'}. {said}".strip(),
            wanted="all, intact",
            met=not faults and intact,
        )
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
