"""What other scanners say of the entries named on standard input; run in their own environment, prints JSON.

Each as its command line would with its defaults, by the function that the command line calls: ``issue`` where
that exits with 1, ``error`` where with 2, ``skipped`` where nothing was scanned, else ``clean``. Nothing is loaded.
An entry that takes longer than LIMIT_SECONDS of CPU is an error, as it is for whoever waits for it.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

LIMIT_SECONDS = 60


class TooLong(BaseException):
    """More time than an entry gets; nothing that catches Exception swallows it."""


def modelscan() -> Callable[[Path], str]:
    """Skipped where no file was of a supported kind: exit code 3."""
    from modelscan.modelscan import ModelScan

    def scan(path: Path) -> str:
        one = ModelScan()
        one.scan(path)
        if not one.scanned:
            return "skipped"
        return "error" if one.errors else "issue" if one.issues.all_issues else "clean"

    return scan


def picklescan() -> Callable[[Path], str]:
    """Skipped where not one file was scanned, which exits with 0."""
    from picklescan.scanner import scan_directory_path, scan_file_path

    def scan(path: Path) -> str:
        found = scan_directory_path(str(path)) if path.is_dir() else scan_file_path(str(path))
        if found.scan_err:
            return "error"
        return "issue" if found.issues_count else "clean" if found.scanned_files else "skipped"

    return scan


def fickling() -> Callable[[Path], str]:
    """A zip member by member, anything else as a pickle: as its scan of a repository does."""
    from fickling.loader import scan_file, scan_zip_archive

    scratch = str(Path(tempfile.mkdtemp()) / "results.json")

    def scan(path: Path) -> str:
        files = [one for one in sorted(path.rglob("*")) if one.is_file()] if path.is_dir() else [path]
        found = []
        for file in files:
            if zipfile.is_zipfile(file):
                found += scan_zip_archive(str(file), graceful=True, json_output_path=scratch).values()
            else:
                found.append(scan_file(str(file), graceful=True, json_output_path=scratch))
        if any(not one.is_safe and not one.errors for one in found):
            return "issue"
        return "error" if any(one.errors for one in found) else "clean" if found else "skipped"

    return scan


def modelaudit() -> Callable[[Path], str]:
    """By its own exit code."""
    from modelaudit.core import determine_exit_code, scan_model_directory_or_file

    def scan(path: Path) -> str:
        found = scan_model_directory_or_file(str(path), cache_enabled=False)
        return ("clean", "issue", "error")[determine_exit_code(found)]

    return scan


PEERS = {one.__name__: one for one in (modelscan, picklescan, fickling, modelaudit)}


def _stop(*_: object) -> None:
    raise TooLong


def said_of(paths: list[str], scan: Callable[[Path], str]) -> dict[str, str]:
    """What one scanner says of each path."""
    said = {}
    for path in paths:
        signal.setitimer(signal.ITIMER_PROF, LIMIT_SECONDS)
        try:
            said[path] = scan(Path(path))
        except (Exception, TooLong, SystemExit):  # noqa: BLE001 - whatever it dies of is an error of its own
            said[path] = "error"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return said


def main() -> None:
    """Verdicts and CPU seconds of each scanner named on the command line."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGPROF, _stop)
    paths: list[str] = json.load(sys.stdin)
    out, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
    found = {}
    for name in sys.argv[1:]:
        before = time.process_time()
        verdicts = said_of(paths, PEERS[name]())
        found[name] = {"verdicts": verdicts, "cpu_seconds": time.process_time() - before}
    json.dump(found, out)


if __name__ == "__main__":
    main()
