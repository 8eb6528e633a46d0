"""Loading only what is known: the bytes that are judged are the bytes that are then loaded.

A convenience, not a boundary: whoever runs code in this process can undo it. It covers calls of
``torch.load``, ``joblib.load`` and ``pickle.load`` by these names, in modules that were imported before. It
does not cover ``pickle.loads``, ``pickle.Unpickler``, a name that was bound earlier (``from torch import
load``), other libraries' loaders, native code, or what loaded objects do when they are used.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from ancile.core.errors import AncileError
from ancile.core.finding import SEVERITIES, Finding
from ancile.core.report import Report, ScannedFile, Verdict
from ancile.core.subject import digest_of
from ancile.core.text import plain
from ancile.formats.held import read_whole
from ancile.scan.examine import Examination, examine_part, verdict_of
from ancile.scan.part import Formatted, Part, Spent
from ancile.scan.table import FORMATS, Row, row_of
from ancile.trust.events import KeyEvent, Release
from ancile.trust.evidence import VerifiedEvidence, verify_bundle

Loader = Literal["any", "pickle", "joblib", "torch"]
CLEAN: tuple[Verdict, ...] = ("data-only", "named-classes")
ZIP = b"PK\x03\x04"  # by which torch.load tells its two formats apart: torch/serialization.py, _is_zipfile
SKEW = timedelta(seconds=300)  # between the signer's clock and this one; as `ancile verify` allows
UNPICKLED = "data.pkl"  # the member of torch's zip that is a pickle
ROWS: Mapping[str, Row] = {row.name: row for row in FORMATS}


@runtime_checkable
class Seekable(Protocol):
    """A file object."""

    def read(self) -> object:
        """All that is left."""
        ...

    def tell(self) -> int:
        """The place in it."""
        ...

    def seek(self, offset: int, /) -> object:
        """Go to a place."""
        ...


class Loading(NamedTuple):
    """A function that is watched.

    file    name of its first parameter
    mapped  name of a parameter that would read the file a second time
    """

    module: str
    loader: Loader
    file: str
    mapped: str | None


LOADINGS = (
    Loading("pickle", "pickle", "file", None),
    Loading("joblib", "joblib", "filename", "mmap_mode"),
    Loading("torch", "torch", "f", "mmap"),
)

_inside: ContextVar[bool] = ContextVar("ancile_inside_a_checked_load", default=False)


@contextmanager
def only_checked(*, trusted: Collection[str] = ()) -> Iterator[None]:
    """Inside, the three loaders open only what is trusted, or what a scan finds clean; AncileError otherwise.

    trusted  digests (``sha256:…``) that need no scan: ``trusted_digests`` gives those of signed evidence
    The whole process is concerned, all its threads. A file is read into memory once, judged and loaded from
    there; a file object goes on after what was loaded, and must be able to seek.
    """
    kept: list[tuple[object, Callable[..., object]]] = []
    try:
        for one in LOADINGS:
            module = sys.modules.get(one.module)
            load = getattr(module, "load", None)
            if module is not None and callable(load):
                kept.append((module, load))
                setattr(module, "load", _watched(load, one, trusted))  # noqa: B010 - no attribute that mypy knows
        yield
    finally:
        for where, load in reversed(kept):
            setattr(where, "load", load)  # noqa: B010 - likewise


def checked_bytes(
    path: str | os.PathLike[str], *, trusted: Collection[str] = (), loader: Loader = "any"
) -> bytes:
    """The bytes of a file that is trusted or clean, for a loader that takes bytes; AncileError otherwise.

    loader  what will read them: "pickle", "joblib" and "torch" read some files as another format
    """
    data = _bytes_of(path)
    _require(data, str(path), loader, trusted)
    return data


def clean_digests(report: Report) -> frozenset[str]:
    """Digests of the files that a scan found clean. The report is believed: verify where it comes from."""
    files: tuple[ScannedFile, ...] = report.files if isinstance(report.files, tuple) else ()
    return frozenset(one.digest for one in files if one.digest and one.verdict in CLEAN)


def trusted_digests(
    bundle: bytes, *, logs: Collection[str], authors: Collection[str], now: datetime
) -> frozenset[str]:
    """Digests that signed evidence speaks for: of files found clean, of releases that have not expired.

    bundle   of ``ancile sign`` or ``ancile evidence export``
    logs     verifier keys that you pinned, both of each log
    authors  signers that you rely on; one of them is enough
    now      aware; what was signed after it says that a clock is wrong, and then nothing ever expires
    A revocation that the bundle carries counts, of whatever it is. AncileError where it does not hold.
    """
    found = verify_bundle(bundle, logs=logs, authors=authors)
    if now.tzinfo is None:
        raise _refused("a time without its zone", f"{now}", "give an aware one: datetime.now(UTC)")
    newest = max((one.time for one in found if one.accepted), default=now)
    if newest - now > SKEW:
        raise _refused("signed in the future", f"{newest}, and now is {now}", "mend this machine's clock")
    said = [one.statement.predicate for one in found]
    revoked = {one.id for one in said if isinstance(one, KeyEvent) and one.change == "revoked"}
    digests = [_spoken_for(one, now) for one in found if one.accepted and not revoked & _names(one)]
    return frozenset().union(*digests) - revoked


def _names(one: VerifiedEvidence) -> set[str]:
    return {one.author, one.statement.digest, *one.statement.subjects.values()}


def _spoken_for(one: VerifiedEvidence, now: datetime) -> frozenset[str]:
    said = one.statement.predicate
    if isinstance(said, Report) and said.stage == "scan":
        return clean_digests(said)
    if isinstance(said, Release) and (said.expires is None or now < said.expires):
        return frozenset(said.subject.parts.values() or [said.subject.digest])
    return frozenset()


def _watched(load: Callable[..., object], what: Loading, trusted: Collection[str]) -> Callable[..., object]:
    form = signature(load)

    @wraps(load)
    def watched(*given: object, **named: object) -> object:
        if _inside.get():
            return load(*given, **named)
        call = form.bind(*given, **named)
        if what.mapped and call.arguments.get(what.mapped):
            why = f"{what.mapped} reads the file a second time"
            raise _refused(why, f"{what.module}.load", f"leave {what.mapped} out")
        held = _hold(call.arguments[what.file])
        _require(held.data, held.name, what.loader, trusted)
        stream = call.arguments[what.file] = io.BytesIO(held.data)
        mark = _inside.set(True)
        try:
            loaded = load(*call.args, **call.kwargs)
        finally:
            _inside.reset(mark)
        if held.file is not None:
            held.file.seek(held.start + stream.tell())
        return loaded

    return watched


class _Source(NamedTuple):
    """Bytes that will be loaded, and the file object with the place in it that they come from."""

    data: bytes
    name: str
    file: Seekable | None = None
    start: int = 0


def _hold(source: object) -> _Source:
    """All bytes from where a loader would begin to read."""
    if isinstance(source, str | os.PathLike):
        return _Source(_bytes_of(source), os.fsdecode(source))
    name = plain(str(getattr(source, "name", type(source).__name__)))
    if not isinstance(source, Seekable):
        raise _refused("this is no file", name, "give a path, or a file that was opened with mode rb")
    try:
        start = source.tell()
        data = source.read()
    except (OSError, ValueError, MemoryError) as reason:
        raise _refused("a stream without places cannot be checked", name, "read it into a file") from reason
    if not isinstance(data, bytes):
        raise _refused("this gives no bytes", name, "open the file with mode rb")
    return _Source(data, name, source, start)


def _bytes_of(path: str | os.PathLike[str]) -> bytes:
    shown = plain(os.fsdecode(path))
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as reason:
        raise _refused("the file cannot be read", f"{shown}: {reason}", "name a file") from reason
    try:
        state = os.fstat(descriptor)
        data = read_whole(descriptor, state.st_size) if stat.S_ISREG(state.st_mode) else None
    except MemoryError as reason:
        raise _refused(
            "the file is too large to be read whole", shown, "load it unchecked, or not"
        ) from reason
    finally:
        os.close(descriptor)
    if data is None:
        raise _refused("it is no regular file, or it changes", shown, "wait until its writer is done")
    return data


def _require(data: bytes, name: str, loader: Loader, trusted: Collection[str]) -> None:
    digest = digest_of(data)
    if digest in trusted:
        return
    verdict, findings = _judged(data, Path(name).name, loader)
    if verdict not in CLEAN:
        gravest = min(findings, key=lambda one: SEVERITIES.index(one.severity), default=None)
        why = f": {gravest.title}; {gravest.detail}" if gravest else ""
        raise _refused(
            f"not loaded, its verdict is {verdict}",
            plain(f"{plain(name, 120)}, {digest}{why}", 600),
            "`ancile scan` says more; what you trust although, name by its digest",
        )


def _judged(data: bytes, name: str, loader: Loader) -> tuple[Verdict, list[Finding]]:
    """The verdict on bytes as their content says, and as the loader will read them."""
    part = Part(plain(name), data)
    found = examine_part(part)
    findings = [one for one in found.findings if one.status in ("FAIL", "ERROR")]
    if loader == "any" or found.verdict not in CLEAN:
        return found.verdict, findings
    packages = set(found.packages)
    try:
        for said in _as_read(loader, Part(plain(name), data)):
            findings += said.findings if isinstance(said, Examination) else said.examined.findings
            packages |= set(said.packages)
    except Spent:
        return "incomplete", findings
    return verdict_of(findings, packages=bool(packages)), findings


def _as_read(loader: Loader, part: Part) -> Iterator[Examination | Formatted]:
    """What is found in what the loader unpickles, whatever it looks like: each as a pickle."""
    outer = _row(loader, part)
    if outer is ROWS["pickle"]:
        yield from _unpickled(part)
        return
    for one in outer.examine(part):
        if isinstance(one, Formatted):
            yield one
            continue
        if row_of(part) is not outer:
            yield examine_part(one)
        if outer is ROWS["compressed"] or one.members[-1].endswith(UNPICKLED):
            yield from _unpickled(one)


def _unpickled(part: Part) -> Iterator[Examination | Formatted]:
    """As a pickle, where the look by content did not take it for one."""
    if row_of(part) is not ROWS["pickle"]:
        for one in ROWS["pickle"].examine(part):
            yield examine_part(one) if isinstance(one, Part) else one


def _row(loader: Loader, part: Part) -> Row:
    """The format as which the loader will read the part, whatever it is."""
    if loader == "torch" and part.head.startswith(ZIP):
        return ROWS["zip"]
    if loader == "joblib" and ROWS["compressed"].is_it(part):
        return ROWS["compressed"]
    return ROWS["pickle"]


def _refused(what: str, value: str, remedy: str) -> AncileError:
    return AncileError(what, value=value, remedy=remedy)
