"""One measurement of the speed of a scan, in a process of its own; prints JSON: CPU and wall seconds, memory, verdict.

python scan_speed_side.py WHAT PATH, where WHAT is ``scan``, ``scan-no-digest``, ``scan-one-process``, ``sha256``,
``inflate`` or a peer (run in the scanners' environment); ``planted-`` before it makes it four times the work
while it holds the file and 400 MB.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

PIECE = 1 << 20
PLANTED = 4
PEERS = ("picklescan", "modelscan", "fickling")


def ours(path: Path, *, digest: bool, workers: int | None) -> str:
    """The verdicts of what ``ancile scan`` does, less the report."""
    from ancile.scan.files import find_files, scan_files

    found = find_files([path])
    return " ".join(sorted({one.found.verdict for one in scan_files(found, digest=digest, workers=workers)}))


def sha256(path: Path) -> str:
    """As sha256sum does it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inflate(path: Path) -> str:
    """SHA-256 of a zlib file and what it holds, which nobody who looks into it can spare."""
    one, total = zlib.decompressobj(), 0
    with path.open("rb") as file:
        while piece := one.unconsumed_tail or file.read(PIECE):
            total += len(one.decompress(piece, PIECE))
    return f"{sha256(path)} {total}"


def peer(name: str) -> Callable[[Path], str]:
    """A peer's function, by SC's table of how each is called."""
    import scan_peers_side

    found: Callable[[Path], str] = getattr(scan_peers_side, name)()
    return found


def work(what: str) -> Callable[[Path], str]:
    """What is measured; imports are made before."""
    if what.startswith("scan"):
        import ancile.scan.files  # noqa: F401 - start-up is measured by itself
        from ancile.scan.table import FORMATS

        if what != "scan-no-digest":  # of which the whole process counts, with what it has to import
            for row in FORMATS:
                row.is_it, row.examine  # noqa: B018 - a format's modules are imported when it is asked for
        workers = None if what == "scan-folder" else 1
        return lambda path: ours(path, digest=what != "scan-no-digest", workers=workers)
    return {"sha256": sha256, "inflate": inflate}.get(what) or peer(what)


def main(what: str, path: Path) -> None:
    """Do it and say what it took."""
    is_planted = what.startswith("planted-")
    do = work(what.removeprefix("planted-"))
    held = [bytes(400 << 20), path.read_bytes()] if is_planted and path.is_file() else []
    before, wall = os.times(), time.perf_counter()
    for _ in range(PLANTED if is_planted else 1):
        said = do(path)
    after = os.times()
    used = sum(after[:4]) - sum(before[:4])
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    found = {"cpu": used, "wall": time.perf_counter() - wall, "peak_mb": peak / 1024, "said": said}
    print(json.dumps(found | {"held": len(held)}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
