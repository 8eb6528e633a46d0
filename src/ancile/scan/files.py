"""Files as they are found: every regular one below a folder, hashed from the bytes that are judged."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from ancile.core.check import Check, Remark, check, error, examine
from ancile.core.errors import AncileError
from ancile.core.finding import Location
from ancile.core.subject import digest_of, percent_encoded
from ancile.core.text import plain
from ancile.formats.held import CHUNK, SMALL, Held, read_whole
from ancile.scan.apart import apart, is_hollow
from ancile.scan.examine import Examination, examine_part, verdict_of
from ancile.scan.neighbours import in_folder
from ancile.scan.part import Part

# What a scan takes on one core, roughly, and what of it is worth starting other processes for
FILE_SECONDS = 0.001
BYTES_PER_SECOND = 500e6
WORTH_SECONDS = 1.0
CHANGED = "it changed while it was read"
TICK_NS = 20_000_000  # within a tick of the kernel, 10 ms at most, a second write leaves the times alone


class Found(NamedTuple):
    """A file that was asked for: where it is, and how it is shown."""

    path: Path
    shown: str


class Scanned(NamedTuple):
    """A file with its digest (empty where it could not be read, or was not asked for) and what was found."""

    shown: str
    digest: str
    found: Examination


SCANNED = msgspec.msgpack.Decoder(Scanned)


class Unread(NamedTuple):
    """A file that could not be read, and why."""

    shown: str
    why: str


@check("file-not-read", severity="medium", refs=())
def file_not_read(facts: Unread) -> Iterator[Remark]:
    """A file could not be read, or changed while it was.

    Why   Nothing is known of it.
    Fix   Give the scan the right to read it, wait until its writer is done, or leave it out.
    """
    yield error(facts.why, where=Location(path=facts.shown))


class LargeError(Exception):
    """A file that would have to be mapped."""


FILE_CHECKS: tuple[Check[Unread], ...] = (file_not_read,)


def find_files(paths: Sequence[Path]) -> list[Found]:
    """Every regular file of the paths, in order; AncileError for a path that is not there.

    A folder's files are all taken, whatever they are called, and what links in it lead to outside of it;
    pipes and devices are left out.
    """
    found: list[Found] = []
    for path in paths:
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError) as reason:
            words = getattr(reason, "strerror", None) or str(reason)
            raise AncileError(
                "no such file or folder",
                value=f"{plain(str(path))}: {words}",
                remedy="name a file or folder to scan",
            ) from reason
        if stat.S_ISDIR(mode):
            found += sorted(_below(path), key=lambda one: one.shown)
        elif stat.S_ISREG(mode):
            found.append(Found(path, percent_encoded(path)))
        else:
            raise AncileError(
                "neither a file nor a folder", value=plain(str(path)), remedy="copy what it gives to a file"
            )
    return found


def _below(folder: Path) -> Iterator[Found]:
    """Also what cannot be listed or looked at: it is told as not read, never left out."""
    whole, base = folder.resolve(), os.fspath(folder)
    waiting = [(base, "")]
    while waiting:
        here, shown = waiting.pop()
        try:
            with os.scandir(here) as listed:
                entries = list(listed)
        except OSError:
            yield Found(Path(here), percent_encoded(Path(here).relative_to(folder)))
            continue
        for entry in entries:
            name = shown + entry.name
            with suppress(FileNotFoundError):  # it has gone since it was listed
                if _is_folder(entry):
                    waiting.append((entry.path, f"{name}/"))
                elif _counts(entry, whole):
                    yield Found(Path(entry.path), percent_encoded(name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _counts(entry: os.DirEntry[str], whole: Path) -> bool:
    """Whether it is a regular file, or a link to what is not looked at where it lies."""
    try:
        if not entry.is_symlink():
            return entry.is_file(follow_symlinks=False)
        target = Path(entry.path).resolve(strict=True)
    except PermissionError:
        return True
    except (OSError, RuntimeError):  # it leads nowhere, or in a circle: before Python 3.13 that is the latter
        return entry.is_symlink()
    return not target.is_relative_to(whole) and (target.is_file() or target.is_dir())


def scan_files(
    found: Sequence[Found],
    *,
    digest: bool = True,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Generator[Scanned, None, None]:
    """Every file as ``scan_file`` has it, in the order given.

    workers   processes that share the files; None for one a core, where there is work for more than one
    progress  told how many files are done, of how many
    """
    done = 0

    def another() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, len(found))

    count = _worth(found) if workers is None else workers
    if min(count, len(found)) <= 1:
        for one in found:
            scanned = _scan_apart(one, digest=digest)
            another()
            yield scanned
        return
    yield from _by_workers(found, min(count, len(found)), another, digest=digest)


def _by_workers(
    found: Sequence[Found], count: int, done: Callable[[], None], *, digest: bool
) -> Iterator[Scanned]:
    from ancile.scan.workers import Job, spread  # noqa: PLC0415 - a few files need no other process

    jobs = [Job(os.fsencode(one.path), one.shown, digest) for one in found]
    for one, answer in zip(found, spread(jobs, count, done), strict=True):
        yield _unread(one, answer.fault) if answer.fault else SCANNED.decode(answer.body)


def _worth(found: Sequence[Found]) -> int:
    """How many processes are worth their start."""
    if os.name != "posix":
        return 1
    seconds = len(found) * FILE_SECONDS
    for one in found:
        with suppress(OSError, ValueError):
            seconds += one.path.stat().st_size / BYTES_PER_SECOND
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if seconds > WORTH_SECONDS else 1


def serve() -> None:
    """What a process of ``workers`` does: scan what it is asked for, until nothing more comes."""
    from ancile.scan.workers import Job, receive, send  # noqa: PLC0415 - as above

    jobs = msgspec.msgpack.Decoder(Job)
    while (body := receive(sys.stdin.buffer)) is not None:
        job = jobs.decode(body)
        scanned = scan_file(Found(Path(os.fsdecode(job.path)), job.shown), digest=job.digest)
        send(sys.stdout.buffer, msgspec.msgpack.encode(scanned))


def _scan_apart(found: Found, *, digest: bool) -> Scanned:
    """As ``scan_file``; a mapped file that is cut off meanwhile ends a child, not this process."""
    try:
        # Where there is no fork, whoever would cut off a mapped file is refused
        return scan_file(found, digest=digest, mapped=os.name != "posix")
    except LargeError:
        pass
    if threading.active_count() > 1:  # a fork would leave what they hold behind
        (one,) = _by_workers([found], 1, lambda: None, digest=digest)
        return one
    ended = apart(lambda: msgspec.msgpack.encode(scan_file(found, digest=digest)))
    return SCANNED.decode(ended) if isinstance(ended, bytes) else _unread(found, ended.why)


def scan_file(found: Found, *, digest: bool = True, mapped: bool = True) -> Scanned:
    """A file's digest and what is in it; whatever keeps it from being read is a finding.

    mapped  whether a file may be mapped; LargeError for one that would have to be, without
    """
    try:
        with _opened(found.path, mapped=mapped) as (data, descriptor, unchanged):
            sha256 = _digest(data, descriptor) if digest else ""
            examined = examine_part(Part(found.shown, data, neighbours=in_folder(found.path)))
            if unchanged():
                return Scanned(found.shown, sha256, examined)
    except OSError as reason:
        return _unread(found, plain(reason.strerror or str(reason)))
    except AncileError as reason:  # of a parser: no room to unpack it
        return _unread(found, f"{reason.what}: {reason.value}")
    return _unread(found, CHANGED)


def _digest(data: Held, descriptor: int) -> str:
    """The digest of a file's bytes; those of a map by reading, which takes less than its page faults do.

    They are the same bytes: whoever changes them in between is found out by ``unchanged``.
    """
    if isinstance(data, bytes):
        return digest_of(data)
    sha256, pos, buffer = hashlib.sha256(), 0, bytearray(CHUNK)
    with memoryview(buffer) as whole:
        while size := os.preadv(descriptor, [buffer], pos):
            sha256.update(whole[:size])
            pos += size
    if pos != len(data):
        raise OSError(0, CHANGED)
    return f"sha256:{sha256.hexdigest()}"


def _unread(found: Found, why: str) -> Scanned:
    said = examine(FILE_CHECKS, Unread(found.shown, why))
    verdict = verdict_of(said.findings, packages=False)
    return Scanned(found.shown, "", Examination("unread", verdict, said.findings, said.passed, ()))


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _telling(descriptor: int) -> os.stat_result:
    """The state of a file, once any further write to it shows in its times.

    What is small is read once, and need not be waited for.
    """
    found = os.fstat(descriptor)
    age = time.time_ns() - found.st_ctime_ns
    if found.st_size <= SMALL or not 0 <= age < TICK_NS:
        return found
    time.sleep((TICK_NS - age) / 1e9)
    return os.fstat(descriptor)


@contextmanager
def _opened(path: Path, *, mapped: bool) -> Iterator[tuple[Held, int, Callable[[], bool]]]:
    """The bytes of a regular file, read or mapped, its descriptor, and whether it is still the same."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        before = _telling(descriptor)
        if stat.S_ISDIR(before.st_mode):
            raise OSError(
                0, "it is a folder, or leads to one elsewhere, that is not followed: scan that one too"
            )
        if not stat.S_ISREG(before.st_mode):
            raise OSError(0, "it is no regular file")
        if is_hollow(descriptor, before):
            raise OSError(0, f"{before.st_size} bytes, of which hardly any are stored: it has holes")

        def unchanged() -> bool:
            return _state(before) == _state(os.fstat(descriptor))

        if before.st_size <= SMALL:
            held = read_whole(descriptor, before.st_size)
            yield held or b"", descriptor, lambda: held is not None and unchanged()
        elif not mapped:
            raise LargeError
        else:
            data = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            yield data, descriptor, unchanged
            with suppress(BufferError):  # whoever still looks at a part of it keeps it
                data.close()
    finally:
        os.close(descriptor)
