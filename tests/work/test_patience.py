"""One Ctrl-C waits, two do not."""

from __future__ import annotations

import signal
import threading

import pytest

from ancile.work.patience import Patience, patience


def test_the_first_interrupt_waits_and_is_told() -> None:
    before = signal.getsignal(signal.SIGINT)
    with patience() as held:
        signal.raise_signal(signal.SIGINT)
    assert held.interrupted
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_interrupt_counts_and_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)

    def twice() -> None:
        with patience():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_have_no_signals_to_hold() -> None:
    seen: list[Patience] = []

    def work() -> None:
        with patience() as held:
            seen.append(held)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [one.interrupted for one in seen] == [False]


def test_a_process_that_was_told_to_ignore_interrupts_goes_on_ignoring_them() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with patience() as held:
            signal.raise_signal(signal.SIGINT)
        assert not held.interrupted
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
