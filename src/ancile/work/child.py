"""A child process for foreign code: no key, no passphrase, no ledger handle; it inherits one socket.

The parent drives: it asks, the child answers, and an answer is checked like any hostile input. The child has
a session of its own (Ctrl-C does not reach it), an environment from an allow-list, no standard input; what it
prints is kept, the end of it, for the message that says how it died.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple, Self

import msgspec

from ancile.core.errors import AncileError
from ancile.core.private_memory import close_memory
from ancile.core.text import plain
from ancile.work.confine import Confined, Confinement
from ancile.work.entry import BOOT
from ancile.work.frames import Block, ClosedError, Frame, decoded, receive, send
from ancile.work.reach import code_reach, interpreter_reach

# What a numeric library needs to find its files and its thread count; no token, no proxy, nothing of ancile.
PASSED_ON = (
    "PATH",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
TUNED = {
    # While the parent works the child waits. Spinning OpenMP threads would take the parent's cores meanwhile:
    # measured on two cores, one gradient of a small network took 87 ms of CPU with them and 5 ms without.
    "OMP_WAIT_POLICY": "PASSIVE",
    # glibc gives large tensors back to the kernel after each pass, and every page of the next one is a fault:
    # measured, 3,100 faults and 6 of 45 ms a gradient of 512 images. 32 MiB is the most that it takes here.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
}
KEPT_BYTES = 8 << 10  # of what the child prints
START_SECONDS = 60.0
CLOSE_SECONDS = 2.0
LOOK_SECONDS = 0.5  # between looks whether a child that does not answer still lives
MEMORY_SHARE = 0.8  # of the machine's memory, for the child alone
SMALLEST_MEMORY_BYTES = 4 << 30  # below it torch with its threads does not start everywhere


class Question(NamedTuple):
    """What a child is asked; its answer's blocks take at most ``limit_bytes``."""

    word: str
    body: bytes = b"\xc0"
    blocks: Sequence[Block] = ()
    limit_bytes: int = 0


class _Raised(NamedTuple):
    """What the code between two questions raised: no fault of the child."""

    reason: Exception


class Child:
    """One child process; close it, or use it in a ``with``.

    module   imported in the child after it is confined; its ``serve(channel)`` answers
    code     folders with code of the user's that it may read, as ``work.reach.code_reach`` has it
    readable files and folders that it may read besides
    denied   what of all that it shall not read
    confined what the child could give up on this machine
    """

    def __init__(
        self,
        module: str,
        *,
        code: Sequence[Path] = (),
        readable: Sequence[Path] = (),
        denied: Sequence[Path] = (),
        seconds: float = START_SECONDS,
    ) -> None:
        close_memory()  # before there is a child that could look
        # realpath: the kernel's rules follow no link
        self.folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="ancile-")))
        self._number = 0
        self._fault: AncileError | None = None
        self._dead = False
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                _command(theirs.fileno(), module),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=child_environment(os.environ, self.folder),
                cwd=self.folder,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._printed = _Tail(self._process.stdout)
        # One thread talks to the child. A Ctrl-C hits the main thread alone, so no frame is ever half read,
        # and the next request waits behind the one that nobody waits for any more.
        self._talker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ancile-child")
        try:
            asked = _confinement(self.folder, code=code, readable=readable, denied=denied)
            answer = self.ask("confine", msgspec.msgpack.encode(asked), seconds=seconds, limit_bytes=0)
            self.confined = decoded(answer.body, Confined)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(
        self,
        word: str,
        body: bytes = b"\xc0",
        blocks: Sequence[Block] = (),
        *,
        seconds: float,
        limit_bytes: int,
        then: Callable[[Frame], Question] | None = None,
    ) -> Frame:
        """The child's answer, whose blocks take at most ``limit_bytes``; with ``then`` to a second question.

        then  makes the second question of the first answer; called in another thread, so that this one need
              not wake in between

        A child that does not answer in time, that dies or breaks the protocol is ended, and each further
        request repeats the AncileError. An answer ``fault`` is raised as the AncileError that it carries; the
        child goes on, as it does where ``then`` raises.
        """
        if self._fault:
            raise self._fault
        waiting = self._talker.submit(self._talk, Question(word, body, blocks, limit_bytes), then)
        try:
            answer = self._awaited(waiting, seconds)
        except TimeoutError:
            raise self._end(_late(seconds), waiting) from None
        except ClosedError:
            self._dead = True
            raise self._end(self._death(), waiting) from None
        except AncileError as broken:
            raise self._end(broken, waiting) from None
        if isinstance(answer, _Raised):
            raise answer.reason
        if answer.word == "fault":
            raise _fault_in(answer)
        return answer

    def has_died(self) -> bool:
        """Whether the process ended by itself, not by ``close`` or since it was late."""
        return self._dead

    def cpu_seconds(self) -> float:
        """User and system time of the child and of its own ended children; 0 where /proc does not tell.

        After ``close`` this time counts as that of this process's ended children.
        """
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        if self._process.returncode is not None:
            return 0.0
        ticks = sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime: proc(5)
        return ticks / os.sysconf("SC_CLK_TCK")

    def peak_bytes(self) -> int:
        """Peak resident memory of the child; 0 where /proc does not tell."""
        try:
            lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        except OSError:
            return 0
        found = [line for line in lines if line.startswith("VmHWM:")]
        return int(found[0].split()[1]) * 1024 if found else 0

    def close(self) -> None:
        """End the child with all that it started, and remove its folder."""
        self._kill()
        self._talker.shutdown(wait=True, cancel_futures=True)
        self._channel.close()
        self._printed.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _talk(self, question: Question, then: Callable[[Frame], Question] | None) -> Frame | _Raised:
        """One or two exchanges; runs in the talker's thread."""
        answer = self._exchange(question)
        if then is None or answer.word == "fault":
            return answer
        try:
            second = then(answer)
        except Exception as reason:  # noqa: BLE001 - raised again where it was asked for
            return _Raised(reason)
        return self._exchange(second)

    def _exchange(self, question: Question) -> Frame:
        self._number += 1
        number = self._number
        send(self._channel, Frame(number, question.word, question.body, tuple(question.blocks)))
        while True:
            answer = receive(self._channel, limit_bytes=question.limit_bytes)
            if answer.number == number:
                return answer

    def _awaited(self, waiting: Future[Frame | _Raised], seconds: float) -> Frame | _Raised:
        """The answer; a child is found dead also where a grandchild keeps its end of the channel open."""
        until = time.monotonic() + seconds
        while True:
            left = until - time.monotonic()
            try:
                return waiting.result(timeout=max(0.0, min(left, LOOK_SECONDS)))
            except TimeoutError:
                if self._has_ended() and not waiting.done():
                    raise ClosedError from None
                if left <= LOOK_SECONDS:
                    raise

    def _end(self, fault: AncileError, waiting: Future[Frame | _Raised]) -> AncileError:
        self._fault = fault
        self._kill()
        waiting.cancel()
        return fault

    def _kill(self) -> None:
        if self._fault is None:
            self._fault = AncileError(
                "the model is closed", value="its process has ended", remedy="open it once more"
            )
        # A socket of which a grandchild holds the other end would keep the talker waiting.
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        if self._process.returncode is None:  # not reaped: its number still names its group and no other
            with suppress(
                ProcessLookupError, PermissionError
            ):  # the latter: macOS, of a group that has ended
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _has_ended(self) -> bool:
        """Whether the process has ended; it stays unreaped where the system allows that, see ``_kill``."""
        if self._process.returncode is not None or not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._process.poll() is not None
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _death(self) -> AncileError:
        until = time.monotonic() + CLOSE_SECONDS
        while not (ended := self._has_ended()) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS / 50)
        self._kill()  # with all that it started
        code = self._process.returncode
        if not ended:
            how = "closed its channel"
        else:
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        last = self._printed.last_line()
        return AncileError(
            "the model's process ended",
            value=plain(f"{how}: {last}" if last else how),
            remedy="run the model's code by itself to see why; memory and files are limited in the process",
        )


class _Tail:
    """The end of what a pipe brings, read by a thread so that a flood neither blocks nor fills memory."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._pieces: deque[bytes] = deque(maxlen=16)
        self._pipe = pipe
        self._thread = threading.Thread(target=self._drain, name="ancile-child-output", daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        descriptor = self._pipe.fileno() if self._pipe else -1
        while True:
            try:
                piece = os.read(descriptor, KEPT_BYTES)
            except OSError:
                return
            if not piece:
                return
            self._pieces.append(piece)

    def last_line(self) -> str:
        """The last line that is not empty, as it came; bounded, not yet safe to show."""
        self._thread.join(CLOSE_SECONDS)
        text = b"".join(self._pieces)[-KEPT_BYTES:].decode("utf-8", "backslashreplace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def close(self) -> None:
        """Wait for the end of the pipe, not for a grandchild that holds it."""
        self._thread.join(CLOSE_SECONDS)
        if self._pipe and not self._thread.is_alive():
            self._pipe.close()


def child_environment(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The variables that a child gets: those of the allow-list, and homes inside its own folder."""
    kept = {name: environment[name] for name in PASSED_ON if name in environment}
    homes = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(folder))
    return kept | homes | TUNED


def _confinement(
    folder: Path, *, code: Sequence[Path], readable: Sequence[Path], denied: Sequence[Path]
) -> Confinement:
    own = (*interpreter_reach(_search_path()), *(part for one in code for part in code_reach(one)))
    told = (name for name in map(str, own) if _is_utf_8(name))  # the others stay closed
    return Confinement(
        readable=tuple(dict.fromkeys((*told, *_names(readable)))),
        denied=_names(denied),
        folders=_names(code),
        writable=_names((folder,)),
        memory_bytes=memory_limit(),
    )


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    """The paths as the child is told them; one that cannot be told must not be left out."""
    for path in paths:
        if not _is_utf_8(str(path)):
            raise AncileError(
                "a folder's name is no UTF-8", value=plain(str(path)), remedy="give the folder another name"
            )
    return tuple(map(str, paths))


def _is_utf_8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def memory_limit() -> int | None:
    """Most private memory of a child; None where the machine does not tell its own."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    return max(SMALLEST_MEMORY_BYTES, int(total * MEMORY_SHARE))


def _command(descriptor: int, module: str) -> list[str]:
    return [sys.executable, "-I", "-u", "-c", BOOT, str(descriptor), module, json.dumps(_search_path())]


def _search_path() -> list[str]:
    return [str(Path(path).resolve()) for path in sys.path if path]


def _late(seconds: float) -> AncileError:
    return AncileError(
        "the model does not answer",
        value=f"{seconds:g} seconds",
        remedy="look for an endless loop in the model's code; a slow model needs fewer samples at once, "
        "by a smaller --memory, or a larger --budget",
    )


def _fault_in(answer: Frame) -> AncileError:
    words = decoded(answer.body, tuple[str, str, str])
    what, value, remedy = (plain(word, limit) for word, limit in zip(words, (200, 400, 600), strict=True))
    return AncileError(what, value=value, remedy=remedy)
