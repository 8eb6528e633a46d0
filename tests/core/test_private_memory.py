"""The memory of a process with keys is its own: another process of the same user reads nothing of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ancile.core.private_memory import close_memory

needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone has the call")

KEEPER = """
import sys
from ancile.core.private_memory import close_memory
print(close_memory(), flush=True)
sys.stdin.read()
"""
READER = """
import ctypes, sys
from ancile.work.confine import drop_privileges
drop_privileges()  # root would read everything
try:
    open(f'/proc/{sys.argv[1]}/mem', 'rb')
except PermissionError:
    print('refused')
PTRACE_ATTACH = 16
if ctypes.CDLL(None).ptrace(PTRACE_ATTACH, int(sys.argv[1]), 0, 0) == -1:
    print('not traced')
"""


@needs_linux
def test_the_memory_of_a_closed_process_is_read_by_no_other() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as keeper:
        if keeper.stdout is None:
            pytest.fail("no pipe")
        assert keeper.stdout.readline() == "True\n"
        reader = [sys.executable, "-c", READER, str(keeper.pid)]
        found = subprocess.run(reader, capture_output=True, text=True, check=True).stdout
        keeper.communicate("")
    assert found == "refused\nnot traced\n"


@needs_linux
def test_this_process_can_be_closed_twice() -> None:
    assert close_memory()
    assert close_memory()


def test_another_system_says_that_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not close_memory()
