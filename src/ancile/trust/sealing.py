"""Bodies that may hold personal data: each under a key of its own, so that destroying the key erases it.

AES-256-GCM (NIST SP 800-38D) for the body; its content key is wrapped by AES-256 key wrap (RFC 3394) under
the sealing key. Keep ``wrapped`` apart from ``sealed``: without it, or without the sealing key, ``sealed`` is
noise for good (crypto-shredding).
"""

from __future__ import annotations

import os
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from ancile.core.errors import AncileError

KEY_BYTES = 32
NONCE = bytes(12)  # each content key seals exactly one body
HEADER = b"ancile-sealed/v1\n"


class Sealed(NamedTuple):
    """A sealed body, and the content key that opens it, itself wrapped under a sealing key."""

    sealed: bytes
    wrapped: bytes


def new_sealing_key() -> bytes:
    """32 random bytes."""
    return os.urandom(KEY_BYTES)


def seal(body: bytes, sealing_key: bytes) -> Sealed:
    """``body`` under a new content key."""
    content_key = os.urandom(KEY_BYTES)
    sealed = HEADER + AESGCM(content_key).encrypt(NONCE, body, HEADER)
    return Sealed(sealed, aes_key_wrap(_checked(sealing_key), content_key))


def open_sealed(parts: Sealed, sealing_key: bytes) -> bytes:
    """The body; AncileError when key, wrapping or sealed bytes are not those of one sealing."""
    try:
        content_key = aes_key_unwrap(_checked(sealing_key), parts.wrapped)
        head, sealed = parts.sealed[: len(HEADER)], parts.sealed[len(HEADER) :]
        return AESGCM(content_key).decrypt(NONCE, sealed, head)
    except (InvalidUnwrap, InvalidTag, ValueError) as reason:
        raise AncileError(
            "sealed body cannot be opened",
            value=f"{len(parts.sealed)} bytes",
            remedy="give the two keys that belong to it; a destroyed one is gone for good",
        ) from reason


def _checked(sealing_key: bytes) -> bytes:
    if len(sealing_key) != KEY_BYTES:
        raise AncileError(
            "not a sealing key", value=f"{len(sealing_key)} bytes", remedy=f"give {KEY_BYTES} bytes"
        )
    return sealing_key
