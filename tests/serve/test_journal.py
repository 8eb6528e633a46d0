"""A record is written before its answer leaves, and the disk has it before the bound is over."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.serve.journal import OPEN, SHARE, WHOLE, Journal, is_written
from ancile.serve.record import Counted, Refusal, VerdictRecord, line_of
from ancile.serve.segment import waiting

LINE = b'{"time":1,"said":"allow","status":200}\n'


def run(folder: Path, story: Callable[[Journal], Coroutine[None, None, None]], **changes: float) -> None:
    async def whole() -> None:
        settings = {"durable": 10.0, "records": 100, "seconds": 100.0, "room": 1 << 20} | changes
        loop = asyncio.get_running_loop()
        await story(Journal(folder, loop=loop, **settings))  # type: ignore[arg-type]  # numbers as named above

    asyncio.run(whole())


async def until(fact: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if fact():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


def test_a_line_is_in_the_file_before_the_answer_leaves(tmp_path: Path) -> None:
    async def story(journal: Journal) -> None:
        left: list[bool] = []
        journal.add(LINE)
        journal.then(left.append)
        assert left == [True]
        (path,) = (tmp_path / "j").iterdir()
        assert path.read_bytes() == LINE
        assert path.suffix == OPEN
        await journal.close()
        (path,) = (tmp_path / "j").iterdir()
        assert path.suffix == WHOLE

    run(tmp_path / "j", story)


def test_with_no_time_allowed_every_answer_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, may = threading.Event(), threading.Event()
    real = os.fdatasync

    def slow(descriptor: int) -> None:
        asked.set()
        may.wait(10)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)

    async def story(journal: Journal) -> None:
        left: list[str] = []
        journal.add(LINE)
        journal.then(lambda ok: left.append(f"first {ok}"))
        await asyncio.to_thread(asked.wait, 10)
        journal.add(LINE)
        journal.then(lambda ok: left.append(f"second {ok}"))
        assert left == []
        may.set()
        await until(lambda: len(left) == 2)
        assert left == ["first True", "second True"]
        await journal.close()

    run(tmp_path / "j", story, durable=0.0)


def test_answers_wait_while_the_oldest_record_is_older_than_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may = threading.Event()
    monkeypatch.setattr(os, "fdatasync", lambda _: may.wait(10))

    async def story(journal: Journal) -> None:
        left: list[bool] = []
        journal.add(LINE)
        journal.then(left.append)
        assert left == [True]
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda real=loop.time: real() + 60)
        journal.add(LINE)
        journal.then(left.append)
        assert left == [True]
        may.set()
        await until(lambda: len(left) == 2)
        await journal.close()

    run(tmp_path / "j", story, durable=50.0)


def test_records_that_nobody_waits_for_share_the_next_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk is busy a second record comes; it has the time that the bound leaves, as the first had."""
    asked: list[float] = []
    may = threading.Event()

    def slow(_: int) -> None:
        asked.append(time.monotonic())
        may.wait(10)

    async def story(journal: Journal) -> None:
        journal.add(LINE)
        await until(lambda: len(asked) == 1)
        second = time.monotonic()
        journal.add(LINE)
        may.set()
        await until(lambda: len(asked) == 2)
        assert asked[1] >= second + SHARE * 0.5 - 0.002
        await journal.close()

    monkeypatch.setattr(os, "fdatasync", slow)
    run(tmp_path / "j", story, durable=0.5)


def test_a_disk_that_fails_lets_no_answer_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "fdatasync", fails)

    async def story(journal: Journal) -> None:
        left: list[bool] = []
        journal.add(LINE)
        journal.then(left.append)
        await until(lambda: bool(left))
        assert left == [False]
        assert journal.full
        with pytest.raises(AncileError, match="cannot be written"):
            journal.add(LINE)
        await journal.close()

    run(tmp_path / "j", story, durable=0.0)


def test_of_a_line_that_the_disk_took_in_part_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write

    async def story(journal: Journal) -> None:
        journal.add(LINE)
        monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:7]))
        with pytest.raises(AncileError, match="cannot be written"):
            journal.add(LINE)
        monkeypatch.setattr(os, "write", real)
        journal.add(LINE)
        await journal.close()

    run(tmp_path / "j", story)
    (path,) = (tmp_path / "j").iterdir()
    assert path.read_bytes() == LINE * 2


def test_a_file_ends_when_it_is_long_or_old_and_a_full_journal_is_full_until_it_is_sealed(
    tmp_path: Path,
) -> None:
    async def story(journal: Journal) -> None:
        journal.add(LINE)
        journal.tick()
        assert not list((tmp_path / "j").glob(f"*{WHOLE}"))
        journal.add(LINE)
        journal.tick()
        assert len(list((tmp_path / "j").glob(f"*{WHOLE}"))) == 1
        for _ in range(20):
            journal.add(LINE)
            journal.tick()
        filled = journal.full
        assert filled
        for path in (tmp_path / "j").glob(f"*{WHOLE}"):
            path.unlink()
        journal.tick()
        assert not journal.full
        await journal.close()

    run(tmp_path / "j", story, records=2, room=20 * len(LINE))


def test_refusals_are_counted_and_what_cannot_be_written_stays_counted() -> None:
    lines: list[bytes] = []
    room = [False]

    def write(line: bytes) -> None:
        if not room[0]:
            raise AncileError("full", value="", remedy="")
        lines.append(line)

    counted = Counted(write)
    for _ in range(1000):
        counted.add(Refusal("alice", "analyst", "throttle", "rate", 429))
    with pytest.raises(AncileError):
        counted.flush(5)
    room[0] = True
    counted.flush(6)
    counted.flush(7)
    wanted = VerdictRecord(
        time=6, who="alice", role="analyst", said="throttle", guard="rate", status=429, n=1000
    )
    assert lines == [line_of(wanted)]


def test_nobody_takes_a_journal_that_is_written_to_for_one_that_was_left(tmp_path: Path) -> None:
    """Another gateway of the same home, or one that is started while a worker whose parent was killed drains."""

    async def story(journal: Journal) -> None:
        journal.add(LINE)
        assert waiting(tmp_path / "j", dead=True) == []
        await journal.close()
        (path,) = waiting(tmp_path / "j", dead=True)
        assert path.read_bytes() == LINE
        assert not is_written(path)
        assert not is_written(tmp_path / "none")

    run(tmp_path / "j", story)


def test_a_journal_that_found_no_room_for_its_next_file_is_closed_without_a_fault(tmp_path: Path) -> None:
    async def story(journal: Journal) -> None:
        journal.add(LINE)
        (tmp_path / "j").rename(tmp_path / "elsewhere")
        journal.tick()
        assert journal.full
        with pytest.raises(AncileError, match="cannot be written"):
            journal.add(LINE)
        await journal.close()
        await journal.close()

    run(tmp_path / "j", story, seconds=0.0)
