"""A folder with the command line in it, called in this process or as a shell would call it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ancile.cli.main import run
from ancile.cli.own_home import mark_place

NET = """import numpy as np
W = np.array([[1.0, -1.0], [-1.0, 1.0], [0.2, 0.1]], dtype=np.float32)


def predict(x):
    return np.asarray(x, dtype=np.float32) @ W.T
"""
SLOW = f"""import time
from pathlib import Path
{NET}""".replace(
    "    return", "    time.sleep(float(Path(__file__).with_name('pace').read_text()))\n    return"
)
RULE = """[[policy.require]]
name = "holds"
measure = "robust_accuracy"
at_least = {at_least}
parameters = {{ norm = "linf", eps = 0.05 }}
"""
ASSESS = ("assess", "net.py:predict", "--data", "data.npz", "--eps", "0.05", "--effort", "quick", "--quiet")


MEASURING = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")  # by these a process measures its coverage


def copied(home: Path, folder: Path) -> Path:
    """A copy of a home that counts as made where it is."""
    shutil.copytree(home, folder, symlinks=True)
    mark_place(folder / ".ancile")
    return folder


class Ended(NamedTuple):
    """What one call left behind."""

    code: int
    out: str
    err: str


class Place:
    """A folder, and ancile in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, **environment: str) -> Ended:
        """One call in this process."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with (
            chdir(self.folder),
            surrounded(self.environment(environment)),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = run(list(arguments))
        said = []
        for stream in (out, err):
            stream.flush()
            stream.seek(0)
            said.append(stream.read())
        return Ended(code, *said)

    def environment(self, changes: Mapping[str, str]) -> dict[str, str]:
        """The environment without ancile's passphrases, and with a cache of this folder's own.

        An empty value takes a variable away.
        """
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANCILE_PASSPHRASE", "ANCILE_HOME"))}
        own = {"XDG_CACHE_HOME": str(self.folder / "user-cache"), "COLUMNS": "80", "OMP_NUM_THREADS": "1"}
        return {name: value for name, value in (kept | own | dict(changes)).items() if value}

    def start(
        self,
        *arguments: str,
        before: Callable[[], None] | None = None,
        stderr: int = subprocess.PIPE,
        measured: bool = True,
        **environment: str,
    ) -> subprocess.Popen[str]:
        """One call in a process of its own.

        measured  whether coverage sees it: not where it is interrupted or killed at any moment, since an
                  interrupt between coverage's taking of a lock and the giving back leaves the process waiting
                  for ever, and what it had begun to write when it was killed cannot be read
        """
        if not measured:
            environment |= dict.fromkeys(MEASURING, "")
        return subprocess.Popen(
            [sys.executable, "-m", "ancile", *arguments],
            cwd=self.folder,
            env=self.environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            preexec_fn=before,  # noqa: PLW1509 - limits of the child alone; this process has no threads here
        )

    def process(self, *arguments: str, before: Callable[[], None] | None = None, **environment: str) -> Ended:
        """One call in a process of its own, to its end."""
        with self.start(
            *arguments, before=before, stderr=subprocess.PIPE, measured=True, **environment
        ) as started:
            out, err = started.communicate(timeout=280)
            return Ended(started.returncode, out, err)

    def shell(self, script: str) -> Ended:
        """A line of sh in which ``ancile`` is the command."""
        ended = subprocess.run(
            ["/bin/sh", "-c", script.replace("ancile ", f"{sys.executable} -m ancile ")],
            cwd=self.folder,
            env=self.environment({}),
            capture_output=True,
            text=True,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def json(self, *arguments: str) -> dict[str, Any]:
        """What a call prints with --format json."""
        found: dict[str, Any] = json.loads(self(*arguments, "--format", "json").out)
        return found

    def data(self) -> None:
        """A model in numpy, and samples that it gets right."""
        (self.folder / "net.py").write_text(NET, "utf-8")
        (self.folder / "slow.py").write_text(SLOW, "utf-8")
        (self.folder / "pace").write_text("0.003", "utf-8")
        x = np.random.default_rng(0).uniform(size=(40, 2)).astype(np.float32)
        weights = np.array([[1.0, -1.0], [-1.0, 1.0], [0.2, 0.1]])
        np.savez(self.folder / "data.npz", x=x, y=(x @ weights.T).argmax(axis=1))

    def policy(
        self, *rules: str, logs: str = "", authors: list[str] | None = None, take: str = "worst"
    ) -> None:
        """Other requirements, in the place of those in ancile.toml."""
        path = self.folder / "ancile.toml"
        text = path.read_text("utf-8")
        start, stop = text.index("[policy]"), text.index("[ledger]")
        old = text[start:stop]
        known = [line.strip(' ",') for line in old.splitlines() if line.strip().startswith('"sha256:')]
        quoted = ", ".join(f'"{a}"' for a in (known if authors is None else authors))
        table = (
            f'[policy]\ntake = "{take}"\nauthors = [\n  "{quoted.strip(chr(34))}",\n]\n'
            if quoted
            else "[policy]\n"
        )
        path.write_text(text[:start] + table + "\n".join((*rules, logs)) + "\n" + text[stop:], "utf-8")


@contextmanager
def surrounded(environment: Mapping[str, str]) -> Iterator[None]:
    """Another environment for a while."""
    kept = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def clear(ended: Ended) -> str:
    """The error of a call that was told as one clear line with its hint; fails on any other way out."""
    lines = ended.err.strip().splitlines()
    assert ended.code == 2, ended
    assert not ended.out, ended
    assert len(lines) == 2, ended
    assert lines[0].startswith("ancile: error: "), ended
    assert lines[1].startswith("ancile: hint: "), ended
    return lines[0].removeprefix("ancile: error: ")
