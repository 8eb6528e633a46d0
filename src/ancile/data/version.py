"""A version of a data set: its files, the chunks that they are made of, and where it came from."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from ancile.core.errors import AncileError
from ancile.core.subject import DIGEST, Subject, manifest_digest, subject_of_parts
from ancile.core.text import plain
from ancile.trust.merkle import root_of

NAME = re.compile(r"[^\x00-\x20@\x7f]+")
SPELLED = re.compile(r"(?P<name>.+?)(?:@(?P<number>[1-9][0-9]{0,8}))?")
LONGEST_NAME = 200  # characters of the name of a set
MOST_WORDS = 2000  # characters of one field of a provenance
PARTS_BYTES = 2 << 20  # of the paths and digests that evidence names; a statement holds them twice


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """A chunk as a version names it: SHA-256 and bytes."""

    digest: bytes
    size: int


class DataFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a version.

    path    percent-encoded, below the folder; of a single file its name
    digest  ``sha256:<hex>`` of its bytes
    chunks  in order; their bytes are the file's
    """

    path: str
    digest: str
    size: int
    chunks: tuple[Piece, ...]

    def __post_init__(self) -> None:
        if not DIGEST.fullmatch(self.digest) or self.size != sum(one.size for one in self.chunks):
            raise ValueError("a file of a version has a digest, and the size of its chunks")
        parts = unquote_to_bytes(self.path).split(b"/")
        if any(one in (b"", b".", b"..") or b"\x00" in one for one in parts):
            raise ValueError("a file of a version lies below its folder")


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where data came from, as whoever added it says; each at most 2,000 characters.

    source          address or place it was taken from
    collector       who collected it
    licence         SPDX expression or words
    transformation  what was done to the parents
    access          who may have it
    parents         versions that it was made from, as NAME@N
    """

    source: str = ""
    collector: str = ""
    licence: str = ""
    transformation: str = ""
    access: str = ""
    note: str = ""
    parents: tuple[str, ...] = ()


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """Version ``number`` of the data set ``name``.

    mean  bytes of a chunk, about; the same for all versions of a set, so that they share chunks
    alone whether it is a single file
    """

    schema: Literal["ancile/data-version/v1"] = "ancile/data-version/v1"
    name: str
    number: int
    mean: int
    alone: bool
    files: tuple[DataFile, ...]
    provenance: Provenance
    made: datetime

    @property
    def spelled(self) -> str:
        """As commands take it."""
        return f"{self.name}@{self.number}"

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(one.size for one in self.files)

    def subject(self) -> Subject:
        """What evidence is about: the one file, or the canonical manifest of all.

        The files are named in it unless they are more than a statement can hold; a proof names each.
        """
        name = plain(self.spelled, 200)
        if self.alone:
            return Subject(kind="dataset", name=name, digest=self.files[0].digest)
        parts = {one.path: one.digest for one in self.files}
        if sum(map(len, parts)) + len(parts) * len(self.files[0].digest) > PARTS_BYTES:
            return Subject(kind="dataset", name=name, digest=manifest_digest(parts))
        return subject_of_parts("dataset", name, parts)

    def root(self) -> str:
        """``sha256:<hex>``: the Merkle root (RFC 6962, 2.1) of the leaves, so that a chunk can be proved."""
        return f"sha256:{root_of(leaves(self)).hex()}"


def leaves(version: Version) -> Iterator[bytes]:
    """For each chunk the bytes of its leaf: path, place in the file, size and digest, divided by NUL.

    An empty file has one leaf of no bytes, else nothing would say that it is there.
    """
    nothing = Piece(hashlib.sha256(b"").digest(), 0)
    for file in version.files:
        at = 0
        for one in file.chunks or (nothing,):
            yield b"\x00".join((file.path.encode(), b"%d" % at, b"%d" % one.size, one.digest.hex().encode()))
            at += one.size


class Spelled(NamedTuple):
    """A version as it was named; ``number`` None for the latest."""

    name: str
    number: int | None


def path_of(name: str) -> str:
    """The path below the folder that a file of a version is named by, as the system takes it."""
    return os.fsdecode(unquote_to_bytes(name))


def is_name(text: str) -> bool:
    """Whether a set may be called so: short, seen as it is, no option, no way out of the project."""
    fits = len(text) <= LONGEST_NAME and text.isprintable() and not text.startswith(("-", "/"))
    return fits and NAME.fullmatch(text) is not None and ".." not in text.split("/")


def parse_spelled(text: str) -> Spelled:
    """NAME or NAME@N."""
    found = SPELLED.fullmatch(text)
    if found is None or not is_name(found["name"]):
        raise AncileError(
            "no name of a version", value=plain(text, 80), remedy="give NAME@N, or NAME for the latest"
        )
    return Spelled(found["name"], int(found["number"]) if found["number"] else None)


def require_words(provenance: Provenance) -> None:
    """Refuse a field that is too long, or is more than one line."""
    fields: Sequence[str] = [one for one in msgspec.structs.astuple(provenance) if isinstance(one, str)]
    for words in fields:
        if len(words) > MOST_WORDS or not (words.isprintable() or not words):
            raise AncileError(
                "what is said of the data does not fit",
                value=plain(words, 80),
                remedy=f"give one line of at most {MOST_WORDS} characters",
            )
