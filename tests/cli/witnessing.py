"""A witness in a process of its own, with a home of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.terminal import Place


def witness_of(log: Place, folder: Path) -> Place:
    """A new home there, whose policy trusts this log."""
    folder.mkdir()
    witness = Place(folder)
    assert witness("init", "--unencrypted-key").code == 0
    witness.policy(logs=log("keys", "list", "--public").out.split("\n", 2)[2])
    return witness


@contextmanager
def witnessing(witness: Place) -> Iterator[list[str]]:
    """The two lines of a quorum that name it; it cosigns until the end."""
    with witness.start("ledger", "witness", "--name", "test.example/w", "--port", "0") as started:
        assert started.stderr is not None
        lines: list[str] = []
        while sum(line.startswith("witness ") for line in lines) < 2:
            lines.append(started.stderr.readline())
            assert lines[-1], lines
        try:
            yield [line for line in lines if line.startswith("witness ")]
        finally:
            started.send_signal(signal.SIGINT)
            started.communicate(timeout=60)
    assert started.returncode == 0
