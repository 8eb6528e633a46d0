"""Reading sealed files, whole or any range: nothing is given out that was not authenticated."""

from __future__ import annotations

import hashlib
import hmac
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ancile.core.errors import AncileError
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.data.reading import opened
from ancile.data.recipients import unwrap
from ancile.data.sealed_form import (
    CHUNK,
    DIGEST_BYTES,
    INDEX_BYTES,
    LARGEST_HEADER,
    LARGEST_INDEX,
    LENGTH_BYTES,
    MAC_BYTES,
    MAGIC,
    SIGNED,
    TAG_BYTES,
    Header,
    Index,
    Stanza,
    Tail,
    bound,
    damaged,
    keys_of,
    nonce,
    parse_header,
    seal_of,
    subject_of,
)
from ancile.trust.dsse import verify
from ancile.trust.key import AuthorKey, PublicKey, parse_public_key
from ancile.work.listing import files_below

Opener = Callable[[Header], tuple[Stanza, AuthorKey]]
Take = Callable[[memoryview], object]


class Member(NamedTuple):
    """A file in a sealed one: its path, and where its bytes stand among those of all."""

    path: str
    start: int
    size: int
    digest: bytes


class Sealed:
    """A sealed file that was opened with a key: whole, its index and its seal looked at.

    role    in which the key has it
    sealer  whose signature says which data it is and to whom it was sealed
    """

    def __init__(self, file: int, start: int, cipher: AESGCM, *, size: int) -> None:
        self._file, self._start, self._cipher = file, start, cipher
        sealed = size - start
        self._count, rest = divmod(sealed, CHUNK + TAG_BYTES)
        if rest:
            self._count += 1
        if (rest or sealed) <= TAG_BYTES:  # none, or a last one without a byte in it
            raise damaged("it ends where a chunk begins")
        self._size = sealed - self._count * TAG_BYTES
        self._plain, self._block = memoryview(bytearray(CHUNK)), memoryview(bytearray(CHUNK + TAG_BYTES))
        self._held = -1
        self._chunk(self._count - 1)  # says that nothing was cut off
        self.index, self._first = self._read_index()
        self._digests, self._author, self._signed = self._read_tail()
        self.role = ""

    # What it is.

    @property
    def subject(self) -> Subject:
        """The data that it holds, as evidence calls them."""
        return subject_of(self.index, self._digests)

    @property
    def sealer(self) -> PublicKey:
        """Who sealed it."""
        return self._author

    def require_seal(self, header: bytes) -> None:
        """AncileError unless the sealer signed these digests and these recipients."""
        found = verify(self._signed, [self._author])
        if found.payload_type != SIGNED or found.payload != seal_of(self.subject, header):
            raise damaged("what its sealer signed is of other data, or for others")

    def members(self) -> Iterator[Member]:
        """The files, in their order."""
        at = self._first
        for (path, size), digest in zip(self.index.files, self._digests, strict=True):
            yield Member(path, at, size, digest)
            at += size

    def member(self, path: str | None) -> Member:
        """The file of this percent-encoded path; the only one without."""
        found = [one for one in self.members() if path in (None, one.path)]
        if len(found) != 1:
            raise AncileError(
                "say which of the sealed files" if path is None else "no such file in the sealed set",
                value=f"{len(found)} files" if path is None else plain(path, 100),
                remedy="name one with --file: " + ", ".join(name for name, _ in self.index.files[:3]),
            )
        return found[0]

    # Its bytes.

    def give(self, start: int, size: int, take: Take) -> None:
        """Give the bytes from ``start`` on to ``take``, a chunk at a time, each authenticated before."""
        end = start + size
        while start < end:
            number, within = divmod(start, CHUNK)
            piece = self._chunk(number)[within : within + end - start]
            if not piece:
                raise damaged("it holds less than its index says")
            take(piece)
            start += len(piece)

    def read(self, start: int, size: int) -> bytes:
        """The same as one piece."""
        found = bytearray()
        self.give(start, size, found.extend)
        return bytes(found)

    def whole(self, one: Member, take: Take) -> None:
        """Give a file; AncileError at its end where it is not what the sealer signed."""
        digest = hashlib.sha256()

        def both(piece: memoryview) -> None:
            digest.update(piece)
            take(piece)

        self.give(one.start, one.size, both)
        if not hmac.compare_digest(digest.digest(), one.digest):
            raise damaged(f"{one.path} is not what its sealer signed")

    def _chunk(self, number: int) -> memoryview:
        last = number == self._count - 1
        if number >= self._count:
            raise damaged("it holds less than its index says")
        length = self._size - number * CHUNK if last else CHUNK
        plain_ = self._plain[:length]
        if number != self._held:
            block, self._held = self._block[: length + TAG_BYTES], -1
            at = self._start + number * (CHUNK + TAG_BYTES)
            if os.preadv(self._file, [block], at) != len(block):
                raise damaged("it ends within a chunk")
            try:
                self._cipher.decrypt_into(nonce(number, last=last), block, None, plain_)
            except InvalidTag as reason:
                where = "the end" if last else f"chunk {number}"
                raise damaged(f"{where} is not what was sealed") from reason
            self._held = number
        return plain_

    def _read_index(self) -> tuple[Index, int]:
        length = int.from_bytes(self.read(0, INDEX_BYTES), "big") if self._size >= INDEX_BYTES else 0
        first = INDEX_BYTES + length
        if not 0 < length <= LARGEST_INDEX or first > self._size:
            raise damaged("its index has no length that fits")
        try:
            index = msgspec.msgpack.decode(self.read(INDEX_BYTES, length), type=Index)
        except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
            raise damaged(str(reason)) from reason
        return index, first

    def _read_tail(self) -> tuple[tuple[bytes, ...], PublicKey, bytes]:
        start = self._first + self.index.size
        if not 0 < self._size - start <= LARGEST_INDEX:
            raise damaged("it holds less than its index says")
        try:
            tail = msgspec.msgpack.decode(self.read(start, self._size - start), type=Tail)
        except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
            raise damaged(str(reason)) from reason
        if len(tail.digests) != len(self.index.files) or any(
            len(one) != DIGEST_BYTES for one in tail.digests
        ):
            raise damaged("it has not one digest a file")
        return tail.digests, parse_public_key(tail.author), tail.signed


class SealedFile(io.RawIOBase):
    """A file of a sealed one as readers of Parquet and the like take it: read-only, seekable."""

    def __init__(self, sealed: Sealed, one: Member) -> None:
        super().__init__()
        self._sealed, self._one, self._at = sealed, one, 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Read from there on; where that is."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._one.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]  # the stub names a private type
        """Bytes that were read into the buffer."""
        count = max(0, min(len(buffer), self._one.size - self._at))
        memoryview(buffer)[:count] = self._sealed.read(self._one.start + self._at, count)
        self._at += count
        return count


@contextmanager
def open_sealed(path: Path, key: Opener) -> Iterator[Sealed]:
    """The sealed file; AncileError for one that is damaged, for others, or changes meanwhile.

    key  gives, of the recipients in the header, one whose key is here, and the key
    """
    listing = files_below(path)
    if not listing.alone:
        raise AncileError("a folder is no sealed file", value=str(path), remedy="name the sealed file")
    (entry,) = listing.files.values()
    with opened(entry) as file:
        header, mac, start = _read_header(file)
        stanza, author = key(parse_header(header))
        data_key = unwrap(stanza.wrapped, author, info=bound(stanza.author, stanza.role))
        keys = keys_of(data_key, header)
        if not hmac.compare_digest(keys.mac, mac):
            raise damaged("its header is not what was sealed")
        sealed = Sealed(file, start, keys.chunks, size=entry.seen.size)
        sealed.role = stanza.role
        sealed.require_seal(header)
        yield sealed


def is_sealed(path: Path) -> bool:
    """Whether a file says that it is a sealed one; OSError where it cannot be read."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _read_header(file: int) -> tuple[bytes, bytes, int]:
    """Header, its HMAC, and where the chunks begin."""
    head = os.pread(file, len(MAGIC) + LENGTH_BYTES, 0)
    if head[: len(MAGIC)] != MAGIC:
        raise AncileError("this is no sealed file", value="", remedy="name one that `ancile data seal` wrote")
    length = int.from_bytes(head[len(MAGIC) :], "big")
    if len(head) != len(MAGIC) + LENGTH_BYTES or length > LARGEST_HEADER:
        raise damaged("its header has no length that fits")
    rest = os.pread(file, length + MAC_BYTES, len(head))
    if len(rest) != length + MAC_BYTES:
        raise damaged("it ends within its header")
    return rest[:length], rest[length:], len(head) + len(rest)
