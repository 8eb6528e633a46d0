"""One key in one file: public parts and state in clear, both seeds sealed together under a passphrase."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.canonical import canonical
from ancile.trust.key import (
    KEY_ID,
    SEED_BYTES,
    PublicKey,
    Seeds,
    parse_public_key,
)
from ancile.trust.lockbox import Lockbox, Protection, lock, unlock
from ancile.trust.passphrase import Passphrase

LARGEST = 1 << 16  # bytes of a key file; an author's has about 3,200
SHORT_ID = 16  # hex digits of the id in a file name


class OpenSeeds(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="protection", tag="none"
):
    """Seeds that anyone who can read the file can use: only for throw-away keys, and only when asked for."""

    seeds: bytes


class Revocation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When and why a key must not be believed any more."""

    time: datetime
    reason: str


class KeyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a key file holds.

    public   the key's line for exchange
    after    id of the key whose place it took
    revoked  a revoked key has no seeds any more: it cannot sign by mistake
    """

    format: Literal["ancile/key/v1"] = "ancile/key/v1"
    public: str
    created: datetime
    after: str | None = None
    revoked: Revocation | None = None
    seeds: Lockbox | OpenSeeds | None

    def __post_init__(self) -> None:
        if (self.revoked is None) != (self.seeds is not None):
            raise ValueError("a key has seeds until it is revoked")
        if self.after is not None and not KEY_ID.fullmatch(self.after):
            raise ValueError("the key before is named by its sha256 id")
        times = [self.created, *([self.revoked.time] if self.revoked else [])]
        if any(t.tzinfo is None for t in times):
            raise ValueError("times of a key are aware")

    @property
    def header(self) -> bytes:
        """What the sealed seeds are bound to."""
        return canonical([self.format, self.public, msgspec.to_builtins(self.created), self.after])


def file_name(public: PublicKey) -> str:
    """The one name that the file of this key may have."""
    return f"{public.purpose}-{public.id_bytes.hex()[:SHORT_ID]}.key"


def seal_key(
    public: PublicKey,
    seeds: Seeds,
    *,
    created: datetime,
    after: str | None,
    protection: Protection,
) -> KeyFile:
    """A key as a file; without a passphrase its seeds stay open."""
    secret = seeds.ed25519 + seeds.mldsa
    opened = KeyFile(public=public.text, created=created, after=after, seeds=OpenSeeds(seeds=secret))
    if protection.passphrase is None:
        return opened
    box = lock(secret, protection.passphrase, header=opened.header, stretching=protection.stretching)
    return msgspec.structs.replace(opened, seeds=box)


def open_seeds(file: KeyFile, passphrase: Passphrase) -> Seeds:
    """Both seeds; the passphrase is asked for only where they are sealed."""
    if file.seeds is None:
        raise AncileError(
            "key was revoked and cannot sign",
            value=plain(file.revoked.reason if file.revoked else ""),
            remedy="use the active key: `ancile keys list`",
        )
    if isinstance(file.seeds, OpenSeeds):
        secret = file.seeds.seeds
    else:
        secret = unlock(file.seeds, passphrase(), header=file.header)
    if len(secret) != 2 * SEED_BYTES:
        raise damaged("seeds of a wrong length")
    return Seeds(secret[:SEED_BYTES], secret[SEED_BYTES:])


def encode_key_file(file: KeyFile) -> bytes:
    """The bytes of a key file."""
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


def parse_key_file(data: bytes) -> tuple[KeyFile, PublicKey]:
    """A key file and its public key; what ``encode_key_file`` would not write is refused."""
    try:
        file = msgspec.json.decode(data, type=KeyFile)
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise damaged(str(reason)) from reason
    if encode_key_file(file) != data:
        raise damaged("spelled in another way than ancile does")
    return file, parse_public_key(file.public)


def damaged(reason: str) -> AncileError:
    """The error for a key file that cannot be used as it is."""
    return AncileError("key file is damaged", value=plain(reason), remedy="restore it from a backup")
