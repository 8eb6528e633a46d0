"""Every kind of bad input to a scan is one clear line, never a hang, a crash or a pass, and nothing is written."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bar import Bar

HUGE = 1 << 60
NOBODY = 65534
# Of headers that claim 2^60, those that are an attack on a reader or are read by one and not by another: exit 1.
# What the others tell of is not there, and was not examined: exit 2
ATTACKS = ("npy", "GGUF", "pickle, frame", "pickle, memo", "zip")
SECONDS = 60  # of one call; a 1 TB file would take ten times as long to read


# Root may read everything: it becomes somebody else, once it has what only it may reach (its own Python)
AS_NOBODY = f"""import os, sys
from contextlib import redirect_stdout
from ancile.cli.main import main, run
with redirect_stdout(open(os.devnull, "w")):
    run(["scan", os.devnull + "/absent", "--format", "json"]), run(["scan", "open/plain", "--format", "json"])
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
main()"""


def ancile(folder: Path, *arguments: str, as_nobody: bool = False) -> subprocess.CompletedProcess[bytes]:
    """One scan, as JSON."""
    program = ["-c", AS_NOBODY] if as_nobody else ["-m", "ancile"]
    return subprocess.run(
        [sys.executable, *program, "scan", *arguments, "--format", "json"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
    )


def fault(ended: subprocess.CompletedProcess[bytes], codes: tuple[int, ...]) -> str:
    """What is wrong with how bad input was told; empty when nothing is."""
    if ended.returncode not in codes:
        return f"exit {ended.returncode}: {ended.stderr[-200:]!r}"
    try:
        said: Mapping[str, Any] = json.loads(ended.stdout)
    except json.JSONDecodeError:
        return f"stdout: {ended.stdout[-80:]!r}, stderr: {ended.stderr[-200:]!r}"
    # of one file there may be several findings; each is a line by itself
    found = [one["detail"] for one in said.get("findings", ())]
    lines = list(said["error"].values()) if "error" in said else found
    if not lines or not all(lines):
        return "nothing is said"
    if any(not line.isprintable() or len(line) > 500 for line in lines):
        return f"not a plain line: {lines!r}"
    return "Traceback" if b"Traceback" in ended.stderr else ""


def listing(folder: Path) -> set[str]:
    """Everything below a folder."""
    return {str(Path(root, name)) for root, dirs, names in os.walk(folder) for name in (*dirs, *names)}


def unreadable(folder: Path) -> dict[str, tuple[str, ...]]:
    """Name to what is scanned, of input that nobody can examine: exit 2."""
    (folder / "empty.pkl").touch()
    os.mkfifo(folder / "pipe.pkl")
    (folder / "loop.pkl").symlink_to("loop.pkl")
    (folder / "dangling.pkl").symlink_to("gone")
    (folder / "nothing").mkdir()
    (folder / "links").mkdir()
    (folder / "links" / "loop").symlink_to("loop")
    os.mkfifo(folder / "links" / "pipe")
    with (folder / "sparse.gguf").open("wb") as file:
        file.write(b"GGUF")
        file.truncate(1 << 40)
    torn = os.fsdecode(b"odd-\xff\xfe\n\x1b[2J.bin")
    (folder / torn).write_bytes(b"\x01\x02\xff\xfe" * 9)
    return {
        "empty file": ("empty.pkl",),
        "named pipe": ("pipe.pkl",),
        "symbolic link to itself": ("loop.pkl",),
        "symbolic link to nothing": ("dangling.pkl",),
        "folder without files": ("nothing",),
        "folder of links and pipes": ("links",),
        "sparse file of 1 TB": ("sparse.gguf",),
        "missing file": ("absent.pkl",),
        "missing file whose name is not UTF-8 and holds escapes": (os.fsdecode(b"gone-\xff\n\x1b[2J"),),
        "file of an unknown format whose name is not UTF-8 and holds escapes": (torn,),
        "name of 100,000 characters": ("x" * 100_000,),
        "name with a zero byte in JSON's escape": ("a\\u0000b",),
        "device": ("/dev/zero",),
        "baseline that is none": ("empty.pkl", "--baseline", "sparse.gguf"),
        "baseline that is a pipe": ("empty.pkl", "--baseline", "pipe.pkl"),
        "output in a missing folder": ("empty.pkl", "-o", "absent/report.json"),
        "nothing to scan again": ("--again",),
    }


def headers(folder: Path) -> dict[str, tuple[str, ...]]:
    """Name to what is scanned, of files whose headers claim 2^60."""
    size = struct.pack("<Q", HUGE)
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % HUGE
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + text.ljust(117) + b"\n"
    member = tarfile.TarInfo("m.pkl")
    member.size = HUGE
    files = {
        "safetensors": size + b"{}",
        "safetensors, offsets": (head := b'{"w":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}' % (HUGE, 4 * HUGE))
        and struct.pack("<Q", len(head)) + head,
        "npy": npy,
        "GGUF": b"GGUF" + struct.pack("<IQQ", 3, HUGE, HUGE),
        "GGUF, string": b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + size,
        "pickle, bytes": b"\x80\x04\x8e" + size + b"abc.",
        "pickle, text": b"\x80\x04\x8d" + size + b"abc.",
        "pickle, bytearray": b"\x80\x05\x96" + size + b"abc.",
        "pickle, frame": b"\x80\x04\x95" + size + b"N.",
        "pickle, memo": pickle.dumps([1], 4)[:-1] + b"r\xff\xff\xff\xff.",
        "tar": member.tobuf(tarfile.GNU_FORMAT),
        "HDF5": b"\x89HDF\r\n\x1a\n\x00\x00\x00\x00\x00\x08\x08\x00\x04\x00\x10\x00\x00\x00\x00\x00" + size * 9,
        "7z": b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<IQQI", 0, HUGE, HUGE, 0),
        "UBJSON": b"{L" + struct.pack(">q", 7) + b"learner[$d#L" + struct.pack(">q", HUGE),
        "lz4": b"\x04\x22\x4d\x18\x68\x40" + size + b"\x00",
        "zstd": b"\x28\xb5\x2f\xfd\xe0" + size + b"\x01\x00\x00",
    }  # fmt: skip
    for name, data in files.items():
        (folder / name).write_bytes(data)
    with zipfile.ZipFile(folder / "zip", "w") as archive:
        archive.writestr("data.pkl", b"N.")
        archive.infolist()[0].file_size = archive.infolist()[0].compress_size = HUGE
    return {f"2^60 in a header: {name}": (name,) for name in (*files, "zip")}


@contextlib.contextmanager
def changing(path: Path, change: Callable[[], object]) -> Iterator[None]:
    """A file that somebody changes all the time."""
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(0.001):
            change()

    path.write_bytes(b"\x01\xff" * (16 << 20))
    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


def forbidden(folder: Path) -> Iterator[subprocess.CompletedProcess[bytes]]:
    """A file and a folder that may not be read; root, who may, becomes somebody else for it."""
    folder.chmod(0o755)
    (folder / "closed").mkdir()
    (folder / "closed" / "m.pkl").write_bytes(b"N.")
    (folder / "open").mkdir()
    (folder / "open" / "closed.pkl").write_bytes(b"N.")
    (folder / "open" / "plain").write_bytes(b"text")
    (folder / "open" / "inner").mkdir()
    for path in ("closed", "open/closed.pkl", "open/inner"):
        (folder / path).chmod(0)
    for path in ("closed", "open/closed.pkl", "open"):
        yield ancile(folder, path, as_nobody=os.geteuid() == 0)


def told(folder: Path, *, control: bool) -> tuple[int, dict[str, str]]:
    """How many kinds there are, and what is wrong with how some are told."""
    wanted = {name: (what, (2,)) for name, what in unreadable(folder).items()}
    wanted |= {name: (what, (1 if what[0] in ATTACKS else 2,)) for name, what in headers(folder).items()}
    if control:
        (folder / "fine.json").write_text("{}")
        wanted["nothing is wrong"] = (("fine.json",), (2,))
    faults: dict[str, str] = {}
    before = listing(folder)
    for name, (what, codes) in wanted.items():
        with contextlib.suppress(subprocess.TimeoutExpired):
            faults[name] = fault(ancile(folder, *what), codes)
            continue
        faults[name] = f"no end in {SECONDS} s"
    if left := listing(folder) - before:
        faults["something was written"] = ", ".join(sorted(left))
    grown, cut = folder / "grown.bin", folder / "cut.bin"
    with changing(grown, lambda: os.utime(grown)):
        faults["file that changes while it is read"] = fault(ancile(folder, "grown.bin"), (2,))
    with changing(cut, lambda: os.truncate(cut, 100)):
        faults["file that is cut off while it is read"] = fault(ancile(folder, "cut.bin"), (2,))
    for name, ended in zip(("folder", "file", "in a folder"), forbidden(folder), strict=True):
        faults[f"no permission: {name}"] = fault(ended, (2,))
    return len(wanted) + 5, {name: said for name, said in faults.items() if said}


def measure(*, control: bool = False) -> list[Bar]:
    """How many kinds were told clearly; the control takes a file that is fine for a bad one."""
    with tempfile.TemporaryDirectory(prefix="ancile-bench-") as name:
        kinds, faults = told(Path(name).resolve(), control=control)
    said = "; ".join(f"{name}: {one}" for name, one in faults.items())
    return [
        Bar(
            claim="scan, bad input: one clear line, exit 2 (1 where a header attacks its reader), nothing written",
            measured=f"{kinds - len(faults)} of {kinds} kinds. {said}".strip(),
            wanted="all",
            met=not faults,
        )
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
