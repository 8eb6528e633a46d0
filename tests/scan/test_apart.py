"""A file that is cut off while it is read, is made of holes, or may not be read is told, and never left out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from ancile.scan.apart import Ended, apart, is_hollow
from ancile.scan.files import Found, Scanned, find_files, scan_file, scan_files

NOBODY = 65534
LARGE = 8 << 20


def said(scanned: Scanned) -> str:
    (finding,) = scanned.found.findings
    return f"{finding.check}: {finding.detail}"


CUT = """
import os, sys
from pathlib import Path
from ancile.scan import files

def cut(part):
    os.truncate(sys.argv[1], 0)
    return bytes(part.data[-4096:])  # a fault of the bus, SIGBUS

files.examine_part = cut
(one,) = files.scan_files([files.Found(Path(sys.argv[1]), "model")])
print(one.found.verdict, repr(one.digest), *(f"{f.check}: {f.detail}" for f in one.found.findings))
"""


def test_a_file_that_is_cut_off_while_it_is_mapped_is_incomplete(tmp_path: Path) -> None:
    """In a process of its own: one that other tests left a thread in would not fork, and end."""
    file = tmp_path / "model"
    file.write_bytes(b"\x01\xff" * (LARGE // 2))
    ended = subprocess.run([sys.executable, "-c", CUT, file], capture_output=True, text=True, check=True)
    assert ended.stdout == "incomplete '' file-not-read: it was cut off while it was read\n"


def killed() -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def test_work_apart_gives_its_answer_or_why_there_is_none(capfd: pytest.CaptureFixture[str]) -> None:
    assert apart(lambda: b"x" * 1_000_000) == b"x" * 1_000_000
    assert apart(killed) == Ended("the process that read it ended: SIGKILL")
    assert apart(lambda: b"%d" % (1 // 0)) == Ended("the process that read it ended: ZeroDivisionError")
    assert "Traceback" in capfd.readouterr().err


def test_where_other_threads_run_another_process_reads_a_large_file(tmp_path: Path) -> None:
    file = tmp_path / "model"
    file.write_bytes(b"\x01\xff" * (LARGE // 2))
    alone = scan_file(Found(file, "model"))
    wait = threading.Event()
    other = threading.Thread(target=wait.wait)
    other.start()
    try:
        assert list(scan_files([Found(file, "model")])) == [alone]
    finally:
        wait.set()
        other.join()


def test_a_huge_file_of_holes_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "model"
    with file.open("wb") as opened:
        opened.write(b"GGUF")
        opened.truncate(1 << 40)
    (scanned,) = scan_files([Found(file, "model")])
    assert said(scanned).startswith("file-not-read: 1099511627776 bytes, of which hardly any are stored")


def test_a_file_without_holes_is_not_hollow_and_many_runs_of_data_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "model"
    with file.open("wb+") as opened:
        opened.write(b"x" * 4096)
        assert not is_hollow(opened.fileno(), os.fstat(opened.fileno()))
        for place in range(1, 40):
            opened.seek(place << 30)
            opened.write(b"x")
        opened.flush()
        assert is_hollow(opened.fileno(), os.fstat(opened.fileno()))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="another user can be taken by root alone")
def test_what_may_not_be_read_is_told() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        folder = Path(name)
        folder.chmod(0o755)
        assert told_to_nobody(folder) == [
            "listed/m.pkl incomplete",
            "own.pkl incomplete",
            "secret incomplete",
        ]


def told_to_nobody(tmp_path: Path) -> list[str]:
    (tmp_path / "secret").mkdir(mode=0o700)
    (tmp_path / "secret" / "m.pkl").write_bytes(b"N.")
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "m.pkl").write_bytes(b"N.")
    (tmp_path / "listed").chmod(0o744)
    (tmp_path / "own.pkl").write_bytes(b"N.")
    (tmp_path / "own.pkl").chmod(0o600)
    script = (
        "import os, sys; from pathlib import Path; from ancile.scan.files import find_files, scan_files;"
        f"os.setuid({NOBODY});"
        "[print(one.shown, one.found.verdict) for one in scan_files(find_files([Path(sys.argv[1])]))]"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    return ended.stdout.splitlines()


def test_a_file_that_goes_between_listing_and_scan_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("text")
    monkeypatch.setattr("os.walk", lambda *_, **__: [(str(tmp_path), [], ["a", "gone"])])
    assert [one.shown for one in find_files([tmp_path])] == ["a"]
