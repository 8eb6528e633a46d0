"""Secrets under a passphrase: Argon2id (RFC 9106) makes a key, AES-256-GCM (NIST SP 800-38D) seals."""

from __future__ import annotations

import os
from typing import Annotated, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from ancile.core.errors import AncileError

SALT_BYTES = 16  # RFC 9106, section 3.1
NONCE_BYTES = 12  # SP 800-38D, section 8.2; the key is new for every sealing, as its salt is
KEY_BYTES = 32


class Stretching(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of Argon2id, within caps that a hostile file cannot pass: 256 MiB and 16 passes at most.

    The default is the second recommended option of RFC 9106, section 4: 3 passes, 4 lanes, 64 MiB.
    """

    iterations: Annotated[int, msgspec.Meta(ge=1, le=16)] = 3
    lanes: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4
    memory_kib: Annotated[int, msgspec.Meta(ge=128, le=1 << 18)] = 1 << 16


class Protection(NamedTuple):
    """How a new secret is kept: the passphrase, None for in the open, and what trying one costs."""

    passphrase: bytes | None
    stretching: Stretching = Stretching()


class Lockbox(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="protection",
    tag="argon2id-aes-256-gcm",
):
    """A sealed secret with all that is needed to open it but the passphrase."""

    stretching: Stretching
    salt: bytes
    nonce: bytes
    sealed: bytes


def lock(secret: bytes, passphrase: bytes, *, header: bytes, stretching: Stretching) -> Lockbox:
    """``secret`` under the passphrase, bound to ``header``, which stays readable beside it."""
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    key = _stretched(passphrase, salt, stretching)
    sealed = AESGCM(key).encrypt(nonce, secret, _bound(header, stretching, salt))
    return Lockbox(stretching=stretching, salt=salt, nonce=nonce, sealed=sealed)


def unlock(box: Lockbox, passphrase: bytes, *, header: bytes) -> bytes:
    """The secret; a wrong passphrase and a changed box or header cannot be told apart."""
    if len(box.salt) != SALT_BYTES or len(box.nonce) != NONCE_BYTES:
        raise AncileError(
            "sealed file is damaged",
            value=f"salt of {len(box.salt)}, nonce of {len(box.nonce)} bytes",
            remedy="restore it from a backup",
        )
    key = _stretched(passphrase, box.salt, box.stretching)
    try:
        return AESGCM(key).decrypt(box.nonce, box.sealed, _bound(header, box.stretching, box.salt))
    except InvalidTag as reason:
        raise AncileError(
            "wrong passphrase, or the file was changed",
            value="",
            remedy="try once more; a damaged file comes back from a backup",
        ) from reason


def _stretched(passphrase: bytes, salt: bytes, stretching: Stretching) -> bytes:
    return Argon2id(
        salt=salt,
        length=KEY_BYTES,
        iterations=stretching.iterations,
        lanes=stretching.lanes,
        memory_cost=stretching.memory_kib,
    ).derive(passphrase)


def _bound(header: bytes, stretching: Stretching, salt: bytes) -> bytes:
    return header + b"\0" + msgspec.json.encode((stretching, salt))
