"""What was scanned before, from earlier reports, and what changed since: by path and digest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes

from ancile.core.report import Report, ScannedFile, Verdict
from ancile.core.subject import percent_encoded
from ancile.scan.files import Found, Scanned

Change = Literal["same", "other rules", "new content", "gone", "not read"]


class Before(NamedTuple):
    """What the latest report said of a file."""

    path: Path
    digest: str
    verdict: Verdict


class Changed(NamedTuple):
    """A file with its verdict before and now; None where it is gone."""

    shown: str
    before: Verdict
    now: Verdict | None
    change: Change


def known_files(reports: Iterable[Report], *, root: Path) -> dict[str, Before]:
    """The path of each file, relative to ``root``, to what the latest of the reports says of it.

    reports  the oldest first; one that scanned again speaks of all files, and what it leaves out is gone
    root     folder of the home, to which the ``base`` of a report is relative
    """
    found: dict[str, Before] = {}
    for report in reports:
        base = report.parameters.get("base")
        if not isinstance(base, str) or not isinstance(report.files, tuple):
            continue
        if report.parameters.get("again"):
            found = {}
        for file in report.files:
            path = _path_of(root, base, file)
            found[shown_from(root, path)] = Before(path, file.digest, file.verdict)
    return found


def _path_of(root: Path, base: str, file: ScannedFile) -> Path:
    parts = (os.fsdecode(unquote_to_bytes(part)) for part in (base, file.path))
    return Path(os.path.normpath(root.joinpath(*parts)))


def shown_from(root: Path, path: Path) -> str:
    """A path as reports name it, relative to the folder of the home."""
    return percent_encoded(os.path.relpath(path, root))


def still_there(known: Mapping[str, Before]) -> list[Found]:
    """Those of the files in whose place anything is now: what is no file there is told as not read."""
    return [Found(one.path, shown) for shown, one in sorted(known.items()) if _is_there(one.path)]


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def changes(before: Mapping[str, Before], scanned: Sequence[Scanned]) -> list[Changed]:
    """Every file that was known, in the order of the paths."""
    now = {one.shown: one for one in scanned}
    return [_changed(shown, one, now.get(shown)) for shown, one in sorted(before.items())]


def _changed(shown: str, before: Before, now: Scanned | None) -> Changed:
    if now is None:
        return Changed(shown, before.verdict, None, "gone")
    verdict = now.found.verdict
    if not (before.digest and now.digest):
        return Changed(shown, before.verdict, verdict, "not read")
    if now.digest != before.digest:
        return Changed(shown, before.verdict, verdict, "new content")
    return Changed(shown, before.verdict, verdict, "same" if verdict == before.verdict else "other rules")
