"""Sealing: files encrypted to recipients, in one pass and constant memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ancile.core.errors import AncileError
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.data.files import Progress, listed
from ancile.data.reading import opened
from ancile.data.recipients import Recipient, wrap
from ancile.data.sealed_form import (
    CHUNK,
    INDEX_BYTES,
    LARGEST_INDEX,
    LENGTH_BYTES,
    LONGEST_ROLE,
    MAGIC,
    MOST_RECIPIENTS,
    SIGNED,
    TAG_BYTES,
    Header,
    Index,
    Stanza,
    Tail,
    bound,
    encode_header,
    keys_of,
    nonce,
    seal_of,
    subject_of,
)
from ancile.data.store import DataStore
from ancile.data.version import DataFile, Version
from ancile.trust.dsse import sign
from ancile.trust.key import AuthorKey
from ancile.work.listing import Entry, changed, files_below


class Room(Protocol):
    """Where plain bytes go: fill what ``room`` gives, then say how much of it."""

    def room(self) -> memoryview:
        """Free bytes of the chunk that is being filled, one at least."""

    def filled(self, count: int) -> None:
        """The first ``count`` bytes of the room are written."""


Feed = Callable[[Room], bytes]


class Source(NamedTuple):
    """What is to be sealed.

    feeds  one a file: puts its bytes into the room and gives their SHA-256
    after  raises where the files are others than when they were listed
    """

    contents: Index
    feeds: Sequence[Feed]
    after: Callable[[], None]


class NewFile(NamedTuple):
    """A file that is being written."""

    descriptor: int
    path: Path


class Role(NamedTuple):
    """A recipient, and the role in which it has the data; empty where nobody says."""

    role: str
    recipient: Recipient


def source_of_path(path: Path, name: str) -> Source:
    """A file, or all files of a folder."""
    listing = listed(path)
    files = tuple((one, entry.seen.size) for one, entry in listing.files.items())

    def after() -> None:
        if files_below(path) != listing:
            raise changed(str(path))

    feeds = [_feed_of_file(entry) for entry in listing.files.values()]
    return Source(Index(name=name, alone=listing.alone, files=files), feeds, after)


def source_of_version(store: DataStore, version: Version) -> Source:
    """The files of a version, as they were added."""
    files = tuple((one.path, one.size) for one in version.files)
    feeds = [_feed_of_version(store, one) for one in version.files]
    return Source(Index(name=version.name, alone=version.alone, files=files), feeds, lambda: None)


def seal(
    target: Path, source: Source, to: Sequence[Role], *, author: AuthorKey, progress: Progress | None = None
) -> Subject:
    """Write ``source`` sealed to the new file ``target``, durable on return; what the plain data are.

    to        who can open it: 1 to 100, each once
    author    signs that these data were sealed to these
    progress  is told bytes sealed and bytes in all
    """
    data_key = AESGCM.generate_key(256)
    header = encode_header(_header(to, data_key))
    keys = keys_of(data_key, header)
    with new_file(target) as file:
        write_all(file, b"".join((MAGIC, len(header).to_bytes(LENGTH_BYTES, "big"), header, keys.mac)))
        chunks = _Chunks(file, keys.chunks)
        packed = msgspec.msgpack.encode(source.contents)
        if len(packed) > LARGEST_INDEX:
            raise AncileError(
                "there are too many files to seal as one",
                value=f"{len(source.contents.files)} files",
                remedy="seal the folders in it one by one",
            )
        chunks.put(len(packed).to_bytes(INDEX_BYTES, "big") + packed)
        room = _Told(chunks, progress, source.contents.size)
        digests = tuple(feed(room) for feed in source.feeds)
        source.after()
        subject = subject_of(source.contents, digests)
        signed = sign(seal_of(subject, header), [author], payload_type=SIGNED)
        tail = Tail(digests=digests, author=author.public.text, signed=signed)
        chunks.put(msgspec.msgpack.encode(tail))
        chunks.end()
    return subject


def _header(to: Sequence[Role], data_key: bytes) -> Header:
    ids = [one.recipient.author.id for one in to]
    if not 1 <= len(ids) <= MOST_RECIPIENTS or len(set(ids)) != len(ids):
        raise AncileError(
            "nobody, too many, or somebody twice would have the data",
            value=f"{len(ids)} recipients",
            remedy=f"name 1 to {MOST_RECIPIENTS} different recipients with --to",
        )
    for one in to:
        if len(one.role) > LONGEST_ROLE or not f"_{one.role}".isprintable():
            raise AncileError(
                "no name of a role", value=plain(one.role, 80), remedy="give one word, as in analyst=FILE"
            )
    return Header(
        to=tuple(
            Stanza(
                author=one.recipient.author.id,
                role=one.role,
                wrapped=wrap(data_key, one.recipient, info=bound(one.recipient.author.id, one.role)),
            )
            for one in to
        )
    )


class _Chunks:
    """A chunk at a time; the one that is full waits until it is known whether more comes."""

    def __init__(self, file: NewFile, cipher: AESGCM) -> None:
        self._file, self._cipher = file, cipher
        self._plain, self._sealed = memoryview(bytearray(CHUNK)), memoryview(bytearray(CHUNK + TAG_BYTES))
        self._fill = self._number = 0

    def room(self) -> memoryview:
        if self._fill == CHUNK:
            self._flush(last=False)
        return self._plain[self._fill :]

    def filled(self, count: int) -> None:
        self._fill += count

    def put(self, data: bytes) -> None:
        put(self, data)

    def end(self) -> None:
        self._flush(last=True)

    def _flush(self, *, last: bool) -> None:
        sealed = self._sealed[: self._fill + TAG_BYTES]
        self._cipher.encrypt_into(nonce(self._number, last=last), self._plain[: self._fill], None, sealed)
        write_all(self._file, sealed)
        self._number, self._fill = self._number + 1, 0


class _Told:
    """A room that says how much went through it."""

    def __init__(self, inner: Room, progress: Progress | None, total: int) -> None:
        self._inner, self._progress, self._total, self._done = inner, progress, total, 0

    def room(self) -> memoryview:
        return self._inner.room()

    def filled(self, count: int) -> None:
        self._inner.filled(count)
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


def put(room: Room, data: bytes) -> None:
    """Bytes that are there already."""
    rest = memoryview(data)
    while rest:
        free = room.room()
        count = min(len(free), len(rest))
        free[:count] = rest[:count]
        room.filled(count)
        rest = rest[count:]


def _feed_of_file(entry: Entry) -> Feed:
    def feed(room: Room) -> bytes:
        whole, left = hashlib.sha256(), entry.seen.size
        with opened(entry) as descriptor:
            while left:
                free = room.room()[:left]
                count = os.readv(descriptor, [free])
                if not count:
                    raise changed(str(entry.path))
                whole.update(free[:count])
                room.filled(count)
                left -= count
        return whole.digest()

    return feed


def _feed_of_version(store: DataStore, file: DataFile) -> Feed:
    def feed(room: Room) -> bytes:
        for piece in file.chunks:
            put(room, store.read(piece))
        return bytes.fromhex(file.digest.removeprefix("sha256:"))

    return feed


@contextmanager
def new_file(target: Path) -> Iterator[NewFile]:
    """The file, on the disk at the end; what the disk refuses is a user's error."""
    try:
        file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as reason:
        raise unwritten(target, reason) from reason
    try:
        yield NewFile(file, target)
        os.fsync(file)
    except OSError as reason:
        raise unwritten(target, reason) from reason
    finally:
        os.close(file)


def write_all(file: NewFile, data: bytes | memoryview) -> None:
    """Write all of it; AncileError where the disk is full."""
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(file.descriptor, rest) :]
    except OSError as reason:
        raise unwritten(file.path, reason) from reason


def unwritten(target: Path, reason: OSError) -> AncileError:
    """What keeps a file from being written: a full disk most of all."""
    return AncileError(
        "nothing was written, as the disk or the folder does not take it",
        value=f"{plain(str(target))}: {reason.strerror or reason}",
        remedy="make room on the disk, or name another place",
    )
