"""Progress is for a person at a terminal, and for nobody else."""

from __future__ import annotations

import io

import pytest

from ancile.work.progress import ERASE, ProgressLine, progress_line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Hand:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_written_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    for stream, quiet in ((io.StringIO(), False), (Terminal(), True)):
        with ProgressLine("assess", quiet=quiet, stream=stream) as line:
            line.robust(1, 2, 0.5)
        assert stream.getvalue() == ""
    with progress_line("assess") as line:
        line.robust(1, 2, 0.5)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_how_far_it_is_and_how_long_it_takes() -> None:
    stream, clock = Terminal(), Hand()
    with ProgressLine("assess", stream=stream, wall=clock) as line:
        clock.now = 30
        line.robust(10, 40, 0.825)
        assert stream.getvalue().endswith("assess: 10/40, robust accuracy so far 82.5 %, 1:30 left")
        clock.now = 36000
        line.robust(20, 40, 0.8)
        assert stream.getvalue().endswith("10:00:00 left")
    assert stream.getvalue().endswith(ERASE)


def test_a_terminal_is_written_to_five_times_a_second_at_most_and_at_the_end() -> None:
    stream, clock = Terminal(), Hand()
    with ProgressLine("assess", stream=stream, wall=clock) as line:
        for step in range(100):
            clock.now = step / 100
            line.say(step, 99)
    assert 5 <= stream.getvalue().count("assess") <= 7
    assert "99/99" in stream.getvalue()


def test_a_line_of_foreign_words_moves_no_cursor_and_stays_a_line() -> None:
    stream = Terminal()
    with ProgressLine("na\x1b[2Jme\n", stream=stream) as line:
        line.say(0, 5, "w\x1b]0;title\x07" * 50)
    assert stream.getvalue().replace(ERASE, "").isprintable()
    assert len(stream.getvalue()) < 100
