"""The thing that a report speaks of, named by kind and digest."""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Literal
from urllib.parse import quote_from_bytes

import msgspec

Kind = Literal["model", "dataset", "release", "deployment", "ledger", "files", "policy"]

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def percent_encoded(path: str | os.PathLike[str]) -> str:
    """A path as the percent-encoding of its bytes: ASCII, exact, also where it is not UTF-8."""
    return quote_from_bytes(os.fsencode(path), safe="/._-~+@=,:")


def digest_of(data: bytes) -> str:
    """``sha256:<hex>`` of exact bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def manifest_digest(parts: dict[str, str]) -> str:
    """Digest of the canonical manifest of many files: percent-encoded path to digest.

    Keys and values are ASCII, for which sorted compact JSON is the RFC 8785 form.
    """
    return digest_of(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode("ascii"))


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement is about.

    name    for people; evidence never rests on it
    digest  SHA-256 of the one file, or of the canonical manifest ``parts``
    parts   percent-encoded path to ``sha256:<hex>``; empty for a single file
    """

    kind: Kind
    name: str
    digest: str
    parts: dict[str, str] = {}

    def __post_init__(self) -> None:
        wrong = [d for d in (self.digest, *self.parts.values()) if not DIGEST.fullmatch(d)]
        if wrong:
            raise ValueError(f"not a sha256 digest: {wrong[0][:80]!r}")
        if not all(path.isascii() and path.isprintable() for path in self.parts):
            raise ValueError("the paths of parts are percent-encoded: ASCII")
        if self.parts and self.digest != manifest_digest(self.parts):
            raise ValueError("the digest of a subject with parts is that of its manifest")

    def covers(self, digest: str) -> bool:
        """Whether a file of this digest is the subject or a part of it; a folder's digest is no file's."""
        return digest in (self.parts.values() or (self.digest,))


def subject_of_parts(kind: Kind, name: str, parts: dict[str, str]) -> Subject:
    """A subject of several files."""
    return Subject(kind=kind, name=name, digest=manifest_digest(parts), parts=parts)
