"""A throw-away project for bars that run the command line as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("ANCILE_SHARED", HERE.parents[1] / "shared"))


class Project:
    """A folder with a home, and the command line in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """One call of the command line."""
        return subprocess.run(
            [sys.executable, "-m", "ancile", *arguments],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def json(self, *arguments: str) -> Mapping[str, Any]:
        """What a call prints with --format json."""
        ended = self.run(*arguments, "--format", "json")
        try:
            found: Mapping[str, Any] = json.loads(ended.stdout)
        except json.JSONDecodeError as reason:
            raise RuntimeError(f"{arguments}: exit {ended.returncode}: {ended.stderr[-500:]}") from reason
        return found


@contextmanager
def project(*, init: bool = True) -> Iterator[Project]:
    """A new folder, with ``ancile init`` done in it."""
    with tempfile.TemporaryDirectory(prefix="ancile-bench-") as name:
        made = Project(Path(name).resolve())
        if init:
            ended = made.run("init", "--unencrypted-key")
            if ended.returncode:
                raise RuntimeError(ended.stderr)
        yield made
