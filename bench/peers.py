"""The environment in which other libraries of attacks are installed: bench/.peers, not in git."""

from __future__ import annotations

import os
import subprocess
import sys

from environments import HERE, environment


def in_peers(script: str, *arguments: str) -> str:
    """What a script of bench/ prints there, with this checkout's ancile; its error ends up in ours."""
    there = environment("peers", alone=("torchattacks", "adv-lib"), first=("torch=",))  # why: see peers.txt
    found = subprocess.run(
        [there / "python", HERE / script, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
        env=os.environ
        | {"PYTHONPATH": str(HERE.parent / "src"), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )
    return found.stdout
