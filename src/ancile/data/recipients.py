"""Who can open sealed data: keys for key agreement that belong to authors, and are signed by them.

An author's key for sealed data is made from the seeds of the signing key by HKDF (RFC 5869) under a label of
its own: it needs no file and no passphrase more, is there as long as the author's key is, and is gone when
that is revoked. It is X25519 and ML-KEM-768 (FIPS 203) in one: HPKE (RFC 9180) with the hybrid KEM of
draft-ietf-hpke-pq. Whoever breaks one of them has nothing.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.dsse import sign, verify
from ancile.trust.key import AuthorKey, PublicKey, parse_public_key

SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
TYPE = "application/vnd.ancile.recipient.v1"
SEEDS = b"ancile/recipient-key/v1"
MLKEM_SEED, X25519_SEED = 64, 32  # FIPS 203, algorithm 16 (d and z); RFC 7748, section 5
MLKEM_BYTES, X25519_BYTES = 1184, 32  # FIPS 203, table 3; RFC 7748
LARGEST = 1 << 16  # bytes of a recipient's file; it has about 12,000


class Recipient(NamedTuple):
    """Somebody that data can be sealed to, as the author's own signature says."""

    author: PublicKey
    public: MLKEM768X25519PublicKey


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Literal["ancile/recipient/v1"] = "ancile/recipient/v1"
    author: str
    signed: msgspec.Raw


def recipient_file(key: AuthorKey) -> bytes:
    """What others need to seal to this author: both public keys, signed; nothing in it is secret."""
    mlkem, x25519 = _halves(key)
    public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    signed = msgspec.Raw(sign(public, [key], payload_type=TYPE))
    return msgspec.json.encode(_File(author=key.public.text, signed=signed)) + b"\n"


def parse_recipient(data: bytes) -> Recipient:
    """The recipient in a file, whose signature holds; whether the author is known is the caller's to say."""
    try:
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise _no_recipient(str(reason)) from reason
    author = parse_public_key(file.author)
    if author.purpose != "author":
        raise _no_recipient(f"the key of a {author.purpose}")
    found = verify(bytes(file.signed), [author])
    if found.payload_type != TYPE or len(found.payload) != MLKEM_BYTES + X25519_BYTES:
        raise _no_recipient(f"{len(found.payload)} bytes of {found.payload_type}")
    try:
        mlkem = MLKEM768PublicKey.from_public_bytes(found.payload[:MLKEM_BYTES])
    except ValueError as reason:
        raise _no_recipient(str(reason)) from reason
    x25519 = X25519PublicKey.from_public_bytes(found.payload[MLKEM_BYTES:])
    return Recipient(author, MLKEM768X25519PublicKey(mlkem, x25519))


def own_recipient(key: AuthorKey) -> Recipient:
    """The author as recipient of what is sealed here."""
    return Recipient(key.public, _private(key).public_key())


def wrap(secret: bytes, to: Recipient, *, info: bytes) -> bytes:
    """``secret`` for one recipient, bound to ``info``."""
    try:
        return SUITE.encrypt(secret, to.public, info=info)
    except ValueError as reason:  # a point of small order
        raise _no_recipient(str(reason)) from reason


def unwrap(wrapped: bytes, key: AuthorKey, *, info: bytes) -> bytes:
    """The secret; AncileError where it was wrapped for another key or in another place."""
    try:
        return SUITE.decrypt(wrapped, _private(key), info=info)
    except InvalidTag as reason:
        raise AncileError(
            "the sealed file is damaged, or was sealed to another key of this name",
            value=key.public.id[:23],
            remedy="take the file from its source once more",
        ) from reason


def _private(key: AuthorKey) -> MLKEM768X25519PrivateKey:
    return MLKEM768X25519PrivateKey(*_halves(key))


def _halves(key: AuthorKey) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    kdf = HKDF(algorithm=SHA256(), length=MLKEM_SEED + X25519_SEED, salt=None, info=SEEDS)
    seeds = kdf.derive(key.seeds.ed25519 + key.seeds.mldsa)
    return (
        MLKEM768PrivateKey.from_seed_bytes(seeds[:MLKEM_SEED]),
        X25519PrivateKey.from_private_bytes(seeds[MLKEM_SEED:]),
    )


def _no_recipient(why: str) -> AncileError:
    return AncileError(
        "this is no file of a recipient",
        value=plain(why, 100),
        remedy="name a file that `ancile data recipient` wrote",
    )
