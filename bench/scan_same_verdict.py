"""The same verdict in every wrapping, under another name, and whatever happens to be installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ancile.core.report import Verdict
from ancile.scan import part as parts
from ancile.scan.examine import examine_part
from ancile.scan.files import find_files
from ancile.scan.neighbours import in_archive
from ancile.scan.part import Part
from bar import Bar
from project import HERE
from scan_corpus import CORPUS, Entry, entries, verdict_of
from wrappings import wrappings

SHOWN = 12  # differences that a result names
# What is installed beside ancile's own dependencies decides, as in scanners that look a name's package up
PLANTED = """
import importlib.util
import msgspec
from ancile.scan import names
held = names.lists()
packages = {k: v for k, v in held.packages.items() if importlib.util.find_spec(k)}
changed = msgspec.structs.replace(held, packages=packages)
names.lists = lambda *_: changed
"""


def members_of(entry: Entry) -> dict[str, bytes]:
    """The files of an entry by their names."""
    files = find_files([entry.path])
    base = entry.path if entry.path.is_dir() else entry.path.parent
    return {str(one.path.relative_to(base)): one.path.read_bytes() for one in files}


def others(entry: Entry) -> Iterator[tuple[str, Verdict]]:
    """Each other form of an entry, and what ancile says of it.

    A script called as weights are is one for its name, so it keeps that.
    """
    members = members_of(entry)
    for name, data in wrappings(members).items():
        yield name, examine_part(_alone(name, data)).verdict
    if entry.path.is_file() and entry.family != "script-as-weights":
        yield "without its extension", examine_part(_alone("model", entry.path.read_bytes())).verdict


def _alone(name: str, data: bytes) -> Part:
    """A file with nothing beside it."""
    return Part(name, data, neighbours=in_archive({}, name))


def differences(wanted: list[Entry]) -> tuple[int, list[str]]:
    """How many forms were judged, and those that are judged otherwise."""
    judged, found = 0, []
    for entry in wanted:
        plain = verdict_of(entry.path)
        for form, verdict in others(entry):
            judged += 1
            if verdict != plain:
                found.append(f"{entry.name} is {plain}, {form} {verdict}")
    return judged, found


@contextmanager
def not_deep() -> Iterator[None]:
    """The control: a scanner that opens no container within another."""
    kept, parts.DEEPEST = parts.DEEPEST, 1
    try:
        yield
    finally:
        parts.DEEPEST = kept


@contextmanager
def bare() -> Iterator[Path]:
    """A folder with what ancile itself depends on, and nothing else."""
    held = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-qq",
            "--disable-pip-version-check",
            "--target",
            folder,
        ]
        constraints = HERE.parent / "constraints.txt"
        subprocess.run([*pip, "-c", constraints, *held["project"]["dependencies"]], check=True)
        yield Path(folder)


def report(*path: Path, planted: str = "") -> tuple[Any, Any]:
    """Files and findings of the corpus, by a process with these folders and the standard library.

    path  none for everything that is installed here
    """
    only = ["-S"] if path else []
    code = "import sys; sys.path[1:1] = sys.argv[1].split(':');" + planted
    code += "\nfrom ancile.cli.main import main; sys.argv[1:] = sys.argv[2:]; main()"
    command = [sys.executable, "-I", *only, "-c", code, ":".join(map(str, (*path, HERE.parent / "src")))]
    folders = [CORPUS / label for label in ("malicious", "malformed", "benign", "gray")]
    with tempfile.TemporaryDirectory() as empty:
        ended = subprocess.run(
            [*command, "scan", "--quiet", "--no-record", "--format", "json", *folders],
            cwd=empty,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
    held = json.loads(ended.stdout)
    return held["files"], held["findings"]


def measure(*, control: bool = False) -> list[Bar]:
    """Differences in other wrappings and environments; the control opens one container, and asks for packages."""
    hostile, fine, broken = entries("malicious"), entries("benign"), entries("malformed")
    if control:
        with not_deep():
            judged, found = differences(hostile[::10])
        of_broken: list[str] = []
    else:
        judged, found = differences([*hostile, *fine])
        of_broken = differences(broken)[1]
    with bare() as folder:
        planted = PLANTED if control else ""
        here, there = report(planted=planted), report(folder, planted=planted)
    pairs = list(zip(here[0], there[0], strict=True))
    unlike = [a["path"] for a, b in pairs if a != b]
    kinds = Counter(one.partition(", ")[2].rpartition(" ")[0] for one in found)
    return [
        Bar(
            claim="scan: the same verdict in every wrapping",
            measured=f"{judged - len(found)} of {judged} forms of hostile and benign files; by form {dict(kinds)}; "
            f"{len(of_broken)} of malformed ones differ; " + "; ".join([*found, *of_broken][:SHOWN]),
            wanted="all of hostile and benign files",
            met=not found,
            raw={"differences, forms": (len(found), judged)},
        ),
        Bar(
            claim="scan: the same verdict whatever is installed",
            measured=f"{len(pairs) - len(unlike)} of {len(pairs)} files, findings "
            f"{'the same' if here[1] == there[1] else 'differ'}; " + "; ".join(unlike[:SHOWN]),
            wanted="all files, the same findings",
            met=here == there,
            raw={"differences, files": (len(unlike), len(pairs))},
        ),
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
