r"""The leaf: what the Merkle tree hashes for one entry, without name, path or identity.

``ancile-leaf/v1\n<type>\n<unix milliseconds>\n<author key id, hex>\n<base64 commitment>\n``

The commitment is SHA-256 over ``ancile-body/v1\n``, a random salt of 32 bytes and the body. While salt and
body exist anyone can check it; once both are erased the leaf tells nothing about the body, not even to
somebody who can guess it.
"""

from __future__ import annotations

import hashlib
import re
from binascii import Error, a2b_base64, b2a_base64
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.merkle import DECIMAL

FORMAT = "ancile-leaf/v1"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BODY_PREFIX = b"ancile-body/v1\n"
SALT_BYTES = 32
AUTHOR_BYTES = range(4, 65)  # from the 4-byte key id of a signed note to a 64-byte digest
ERASURE = "erasure"
LAST_MS = 253_402_300_799_999  # the end of the year 9999: no clock of ours goes further, nor does a calendar
LASTING = frozenset({ERASURE, "key", "loss"})  # they say whom and what to believe: never erased
KIND = re.compile(r"[a-z][a-z0-9-]{0,31}")
REMEDY = "only leaves that ancile wrote can be read: " + FORMAT.replace("/v1", "") + " version 1"


class Leaf(msgspec.Struct, frozen=True):
    """One entry as the tree sees it.

    kind        a short lower-case word: report, decision, run, key, erasure, segment, …
    time_ms     unix milliseconds of the ledger's clock when the entry was appended
    author      key id of its author
    commitment  ``commitment_to(salt, body)``, 32 bytes
    """

    kind: str
    time_ms: int
    author: bytes
    commitment: bytes

    @property
    def time(self) -> datetime:
        """When the entry was appended, aware."""
        return EPOCH + timedelta(milliseconds=self.time_ms)

    def commits_to(self, salt: bytes, body: bytes) -> bool:
        """Whether this salt and body are those that it was made with; a byte of one is none of the other."""
        return len(salt) == SALT_BYTES and commitment_to(salt, body) == self.commitment


def commitment_to(salt: bytes, body: bytes) -> bytes:
    """SHA-256 that binds to ``body`` and, without the salt, says nothing about it."""
    return hashlib.sha256(BODY_PREFIX + salt + body).digest()


@lru_cache(maxsize=256)
def checked_kind(kind: str) -> str:
    """The type word itself; AncileError unless it is ``[a-z][a-z0-9-]{0,31}``."""
    if not KIND.fullmatch(kind):
        raise AncileError(
            "an entry's type is not a short lower-case word",
            value=plain(kind),
            remedy="use letters, digits and dashes, at most 32, a letter first",
        )
    return kind


@lru_cache(maxsize=4096)
def author_hex(author: bytes) -> str:
    """A key id in hex; AncileError unless it has 4 to 64 bytes."""
    if len(author) not in AUTHOR_BYTES:
        raise AncileError(
            "an author's key id has a wrong length",
            value=f"{len(author)} bytes",
            remedy="give the key id of the author's key, 4 to 64 bytes",
        )
    return author.hex()


def leaf_head(kind: str, *, time_ms: int, author: bytes) -> bytes:
    """A leaf up to its commitment."""
    return f"{FORMAT}\n{checked_kind(kind)}\n{time_ms}\n{author_hex(author)}\n".encode("ascii")


def encode_leaf(leaf: Leaf) -> bytes:
    """The bytes of a leaf, at most 250."""
    return leaf_head(leaf.kind, time_ms=leaf.time_ms, author=leaf.author) + b2a_base64(leaf.commitment)


def parse_leaf(data: bytes) -> Leaf:
    """The leaf in ``data``; AncileError for every byte string that ``encode_leaf`` would not write."""
    try:
        lines = data.decode("ascii").split("\n")
        _, kind, time, author, commitment = lines[:5]
        leaf = Leaf(kind, _milliseconds(time), bytes.fromhex(author), a2b_base64(commitment))
    except (ValueError, Error):
        raise _malformed(data) from None
    if len(leaf.commitment) != hashlib.sha256().digest_size or encode_leaf(leaf) != data:
        raise _malformed(data)
    return leaf


def _milliseconds(text: str) -> int:
    if not DECIMAL.fullmatch(text) or int(text) > LAST_MS:
        raise ValueError(text)
    return int(text)


def _malformed(data: bytes) -> AncileError:
    return AncileError("a leaf is malformed", value=plain(repr(data[:300])), remedy=REMEDY)
