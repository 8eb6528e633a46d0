"""Processes of the gateway without keys: order in on stdin, one word out on stdout: ready, or why not."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec

from ancile.core.errors import AncileError

LARGEST_WORD = 1 << 20
# -P: a file of the folder that it is started in is no module, as it may be anybody's
PYTHON = (sys.executable, "-P", "-m")
SECRET = re.compile("PASS(PHRASE|WORD)|SECRET|TOKEN|CREDENTIAL|KEY", re.IGNORECASE)
Word = TypeVar("Word", bound=msgspec.Struct)


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It is not ready: the three parts of an AncileError."""

    what: str
    value: str
    remedy: str


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables without those whose names speak of secrets: passphrases stay with the keys."""
    return {name: value for name, value in environment.items() if not SECRET.search(name)}


def leave_signals() -> None:
    """Ctrl-C and the end of a terminal reach the whole group: what they mean is the parent's to say."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def started(module: str, order: msgspec.Struct, passed: Sequence[int]) -> subprocess.Popen[bytes]:
    """A process that runs ``module`` and has its order.

    passed  descriptors that it has by their numbers
    """
    process = subprocess.Popen(
        [*PYTHON, module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=passed,
        env=worker_environment(os.environ),
    )
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.write(msgspec.json.encode(order) + b"\n")
            process.stdin.flush()
    return process


def has_word(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it says something within that time."""
    return process.stdout is not None and bool(select.select([process.stdout], [], [], seconds)[0])


def word(process: subprocess.Popen[bytes], ready: type[Word], *, name: str, seconds: float) -> Word:
    """That it is ready; AncileError where it says why not, or ends or stays silent without a word."""
    line = b""
    if process.stdout is not None and has_word(process, seconds):
        line = process.stdout.readline(LARGEST_WORD)
    try:
        said: Word | Failed = msgspec.json.decode(line, type=ready | Failed)
    except msgspec.MsgspecError as reason:
        raise AncileError(
            f"{name} did not start",
            value=f"it ended with {process.poll()}",
            remedy="see what it said above",
        ) from reason
    if isinstance(said, Failed):
        raise AncileError(said.what, value=said.value, remedy=said.remedy)
    return said


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for its end; it is killed where it takes too long."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
