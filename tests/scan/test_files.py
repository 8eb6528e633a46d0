"""Files scanned by one process or by several give the same, in the same order."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ancile.core.subject import digest_of
from ancile.formats.held import SMALL
from ancile.scan import workers
from ancile.scan.files import TICK_NS, Found, Scanned, find_files, scan_file, scan_files

HOSTILE = b"cos\nsystem\n(Vtrue\ntR."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(12):
        (tmp_path / f"{number:02}.txt").write_bytes(b"text" * number)
    (tmp_path / "evil").write_bytes(HOSTILE)
    (tmp_path / os.fsdecode(b"mod\xff\n.pkl")).write_bytes(HOSTILE)
    return tmp_path


def scanned(found: list[Found], *, digest: bool = True, workers: int | None = None) -> list[Scanned]:
    return list(scan_files(found, digest=digest, workers=workers))


def test_several_processes_tell_what_one_tells_in_the_same_order(folder: Path) -> None:
    found = [*find_files([folder]), Found(folder / "gone", "gone")]
    assert scanned(found, workers=3) == scanned(found, workers=1)


def test_a_few_small_files_start_no_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ancile.scan.workers.subprocess", None)
    assert len(scanned(find_files([folder]))) == 14


def test_progress_counts_the_files(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    found = find_files([folder])[:3]
    for count in (1, 2):
        list(scan_files(found, workers=count, progress=lambda *seen: told.append(seen)))
    assert told == [(1, 3), (2, 3), (3, 3)] * 2


def test_a_digest_is_left_out_where_it_is_not_asked_for(folder: Path) -> None:
    found = find_files([folder])
    assert {one.digest for one in scanned(found, digest=False)} == {""}
    assert scanned(found)[0].digest == digest_of(b"")


def test_a_process_that_dies_leaves_its_file_incomplete_and_the_others_go_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = "import os; ask = os.path.basename; import ancile.scan.files as f; old = f.scan_file\n"
    dying += (
        "f.scan_file = lambda one, **k: os.kill(os.getpid(), 9) if one.shown == 'evil' else old(one, **k)\n"
    )
    before, _, after = workers.BOOT.partition("from ")
    monkeypatch.setattr(workers, "BOOT", f"{before}\n{dying}\nfrom {after}")
    found = find_files([folder])
    told = {one.shown: one for one in scanned(found, workers=2)}
    assert [one.shown for one in found] == list(told)
    assert told["evil"].found.verdict == "incomplete"
    assert signal.SIGKILL.name in told["evil"].found.findings[0].detail
    assert {one.found.verdict for name, one in told.items() if name[:2] in ("01", "11")} == {"data-only"}


def children() -> set[int]:
    """The processes whose parent this one is, ended or not."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((place / "stat").read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(place.name))
    return found


def test_whoever_stops_asking_leaves_no_process_behind(folder: Path) -> None:
    before = children()
    running = scan_files(find_files([folder]) * 200, workers=2)  # so many that nobody is done at the first
    next(running)
    assert children() > before
    running.close()
    assert children() <= before


def test_the_digest_of_a_large_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    data = os.urandom(1000) * 6000
    (tmp_path / "large").write_bytes(data)
    (one,) = scanned(find_files([tmp_path]))
    assert one.digest == digest_of(data)


def test_a_large_file_that_grows_meanwhile_is_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(5 << 20))
    reading = os.preadv

    def growing(descriptor: int, buffers: list[bytearray], offset: int) -> int:
        with file.open("ab") as opened:
            opened.write(b"more" if offset == 0 else b"")
        return reading(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", growing)
    found = scan_file(Found(file, "large"))
    assert (found.digest, found.found.verdict) == ("", "incomplete")
    assert found.found.findings[0].detail == "it changed while it was read"


def test_a_large_file_is_read_once_a_further_write_would_show(tmp_path: Path) -> None:
    """Times of a file move with the kernel's ticks: within one, a second write leaves them as they are."""
    path = tmp_path / "fresh.bin"
    path.write_bytes(bytes(SMALL + 1))
    scan_file(Found(path, "fresh.bin"))
    assert time.time_ns() - path.stat().st_ctime_ns >= TICK_NS
