"""How a sealed file is laid out; what writes and what reads it agree here.

``ancile-sealed/v1`` and a line end, the length of the header in 4 bytes, the header (JSON: who can open it),
its HMAC-SHA256, and chunks of 1 MiB under AES-256-GCM. The nonce of a chunk is its number and whether it is
the last: STREAM of Hoang, Reyhanitabar, Rogaway and Vizár, CRYPTO 2015, section 7, as in age (age-
encryption.org/v1). So any chunk can be read alone, and none can be moved, left out or cut off. The keys are
one data key's, by HKDF; that of the chunks depends on the header's HMAC, which also commits to the data key,
as GCM alone does not.

What the chunks hold: the length of the index in 8 bytes, the index (msgpack: paths and sizes), the files one
after another, and the tail (msgpack: their digests, signed by who sealed them).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ancile.core.errors import AncileError
from ancile.core.subject import Subject, digest_of, percent_encoded, subject_of_parts
from ancile.core.text import plain
from ancile.data.version import path_of
from ancile.trust.key import KEY_ID

MAGIC = b"ancile-sealed/v1\n"
LENGTH_BYTES, MAC_BYTES, KEY_BYTES, TAG_BYTES, INDEX_BYTES = 4, 32, 32, 16, 8
DIGEST_BYTES = 32  # SHA-256
CHUNK = 1 << 20  # 16 bytes more in a million, and what one read costs at least
LARGEST_HEADER = 1 << 20
MOST_RECIPIENTS = 100
LARGEST_INDEX = 128 << 20  # a million files with paths of 100 bytes
LONGEST_ROLE = 100  # characters
SIGNED = "application/vnd.ancile.sealed.v1+json"


class Stanza(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The data key for one recipient.

    author  id of whose it is
    role    in which the recipient has it, in words; empty where nobody said
    """

    author: str
    role: str = ""
    wrapped: bytes


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What anybody can read of a sealed file."""

    to: tuple[Stanza, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.to) <= MOST_RECIPIENTS:
            raise ValueError(f"a sealed file has 1 to {MOST_RECIPIENTS} recipients")
        if not all(KEY_ID.fullmatch(one.author) for one in self.to):
            raise ValueError("a recipient is named by the sha256 id of an author's key")
        if not all(len(one.role) <= LONGEST_ROLE and f"_{one.role}".isprintable() for one in self.to):
            raise ValueError("a role is one short line")


class Index(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The files, before their bytes.

    alone  whether it was one file, and no folder
    files  percent-encoded path and bytes of each
    """

    name: str
    alone: bool
    files: tuple[tuple[str, int], ...]

    def __post_init__(self) -> None:
        names = [path for path, _ in self.files]
        if not names or len(set(names)) != len(names) or (self.alone and len(names) != 1):
            raise ValueError("a sealed set has files, each of its own name")
        if not all(size >= 0 for _, size in self.files) or not all(map(_is_below, names)):
            raise ValueError("a sealed file has a size, and a path below the folder")

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size in self.files)


class Tail(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What is known once all bytes went by: SHA-256 of each file, and who says so.

    author  the line of the sealer's public key
    signed  DSSE envelope around ``Seal``
    """

    digests: tuple[bytes, ...]
    author: str
    signed: bytes


class Seal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a sealer signs: these data, to these recipients; neither can be taken for others."""

    data: str
    header: str


class Keys(NamedTuple):
    """What a data key is used for."""

    mac: bytes
    chunks: AESGCM


def encode_header(header: Header) -> bytes:
    """The bytes of a header."""
    return msgspec.json.encode(header)


def parse_header(data: bytes) -> Header:
    """The header; what ``encode_header`` would not write is refused."""
    try:
        header = msgspec.json.decode(data, type=Header)
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise damaged(str(reason)) from reason
    if encode_header(header) != data:
        raise damaged("its header is spelled in another way than ancile does")
    return header


def bound(author: str, role: str) -> bytes:
    """What a wrapped data key is bound to."""
    return MAGIC + author.encode("ascii") + b"\0" + role.encode("utf-8")


def keys_of(data_key: bytes, header: bytes) -> Keys:
    """HMAC of the header, and the cipher of the chunks."""
    mac = hmac.digest(_derived(data_key, b"header"), MAGIC + header, hashlib.sha256)
    return Keys(mac, AESGCM(_derived(data_key, b"chunks", salt=mac)))


def _derived(data_key: bytes, use: bytes, *, salt: bytes | None = None) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=MAGIC + use).derive(data_key)


def nonce(number: int, *, last: bool) -> bytes:
    """12 bytes: number of the chunk, and 1 for the last."""
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def subject_of(index: Index, digests: tuple[bytes, ...]) -> Subject:
    """What evidence about sealed data is about: the same subject as that of the plain data."""
    named = {path: f"sha256:{one.hex()}" for (path, _), one in zip(index.files, digests, strict=True)}
    if index.alone:
        return Subject(kind="dataset", name=plain(index.name, 200), digest=next(iter(named.values())))
    return subject_of_parts("dataset", plain(index.name, 200), named)


def seal_of(subject: Subject, header: bytes) -> bytes:
    """What is signed."""
    return msgspec.json.encode(Seal(data=subject.digest, header=digest_of(header)))


def damaged(why: str) -> AncileError:
    """The error for a file that is not, or no longer, a whole sealed file."""
    return AncileError(
        "the sealed file is damaged or was changed",
        value=plain(why, 120),
        remedy="take it from its source once more",
    )


def _is_below(name: str) -> bool:
    path = path_of(name)
    parts = path.split("/")
    return percent_encoded(path) == name and "\0" not in path and not {"", ".", ".."} & set(parts)
