"""DSSE envelopes: the Dead Simple Signing Envelope, v1.0.2, with two signatures for each signer.

A signer is one id with an Ed25519 and an ML-DSA-65 key. Both sign the same plain pre-authentication encoding
with an empty context, both are required, and a threshold counts signers, never keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.encoding import b64, unb64
from ancile.trust.key import AuthorKey, PublicKey

IN_TOTO = "application/vnd.in-toto+json"
LARGEST = 32 << 20  # bytes of an envelope; base64 twice makes 200 pictures of 64 KiB about 23 MB
MOST_SIGNATURES = 16  # of an envelope: 8 signers, and a bound on the work of a hostile one
LONGEST_TYPE = 1024  # characters of a payload type
ED25519_SIGNATURE = 64  # bytes: RFC 8032, section 5.1.6
MLDSA65_SIGNATURE = 3309  # bytes: FIPS 204, table 2


class Signature(msgspec.Struct, frozen=True):
    """One signature of one key; ``keyid`` only says which to try first."""

    sig: str
    keyid: str = ""


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """An envelope as it stands in a file: nothing in it is verified."""

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...]


class Verified(NamedTuple):
    """The exact bytes that were verified, their type, and the ids of the signers that hold."""

    payload: bytes
    payload_type: str
    signers: tuple[str, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: what every key signs."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, keys: Sequence[AuthorKey], *, payload_type: str = IN_TOTO) -> bytes:
    """An envelope around ``payload``, signed with both keys of each signer; eight signers at most."""
    if not 1 <= 2 * len(keys) <= MOST_SIGNATURES:
        raise AncileError(
            "no signer, or too many",
            value=f"{len(keys)}",
            remedy=f"sign with 1 to {MOST_SIGNATURES // 2} keys",
        )
    message = pae(payload_type, payload)
    signatures = [
        Signature(sig=b64(signature), keyid=key.public.id)
        for key in keys
        for signature in (key.ed25519.sign(message), key.mldsa.sign(message))
    ]
    return msgspec.json.encode(
        Envelope(payload=b64(payload), payload_type=payload_type, signatures=tuple(signatures))
    )


def verify(data: bytes, signers: Iterable[PublicKey], *, threshold: int = 1) -> Verified:
    """What ``data`` carries, once ``threshold`` of the signers have signed it with both keys.

    A signer of whom only one key has signed refuses the envelope: a part was stripped or altered. Signatures
    by anyone else are ignored; the same signer counts once, however often it signed.
    """
    parts = _read(data)
    message = pae(parts.payload_type, parts.payload)
    found = {key.id: _signed(message, key, parts.signatures) for key in _unique(signers)}
    for id_, (ed25519, mldsa) in found.items():
        if ed25519 != mldsa:
            raise AncileError(
                f"the {'Ed25519' if mldsa else 'ML-DSA-65'} signature of a signer is missing or wrong",
                value=f"signer {id_}",
                remedy="both signatures are required: take the envelope from its source once more",
            )
    valid = tuple(sorted(id_ for id_, (ed25519, mldsa) in found.items() if ed25519 and mldsa))
    if len(valid) < max(threshold, 1):
        raise AncileError(
            "envelope is not signed by enough known signers",
            value=f"{len(valid)} of {max(threshold, 1)}, {len(found)} known",
            remedy="check that the author's key is known and the envelope unchanged",
        )
    return Verified(parts.payload, parts.payload_type, valid)


def unverified(data: bytes) -> Verified:
    """What an envelope carries, without signers: nobody's signature was looked at."""
    parts = _read(data)
    return Verified(parts.payload, parts.payload_type, ())


class _Parts(NamedTuple):
    payload: bytes
    payload_type: str
    signatures: tuple[tuple[str, bytes], ...]


def _read(data: bytes) -> _Parts:
    if len(data) > LARGEST:
        raise AncileError("envelope is too large", value=f"{len(data)} bytes", remedy=f"at most {LARGEST}")
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise AncileError(
            "not a DSSE envelope",
            value=plain(str(reason)),
            remedy="take it from its source once more",
        ) from reason
    if len(envelope.signatures) > MOST_SIGNATURES or len(envelope.payload_type) > LONGEST_TYPE:
        raise AncileError(
            "envelope has too many signatures or too long a type",
            value=f"{len(envelope.signatures)} signatures, a type of {len(envelope.payload_type)} characters",
            remedy=f"at most {MOST_SIGNATURES} signatures and {LONGEST_TYPE} characters are read",
        )
    return _Parts(
        unb64(envelope.payload, name="payload of the envelope", url_safe=True),
        envelope.payload_type,
        tuple((s.keyid, unb64(s.sig, name="signature", url_safe=True)) for s in envelope.signatures),
    )


def _unique(signers: Iterable[PublicKey]) -> list[PublicKey]:
    """Each signer once; one key under two ids would let one holder count twice."""
    unique = list({key.id: key for key in signers}.values())
    parts = [part for key in unique for part in (key.ed25519, key.mldsa)]
    if len(set(parts)) != len(parts) or any(key.purpose != "author" for key in unique):
        raise AncileError(
            "one key stands under two signers, or is no author's",
            value=", ".join(key.id[:23] for key in unique),
            remedy="list each author's key once",
        )
    return unique


def _signed(message: bytes, key: PublicKey, signatures: Sequence[tuple[str, bytes]]) -> tuple[bool, bool]:
    """Whether the Ed25519 and whether the ML-DSA-65 key has signed; signatures with its hint come first."""
    ordered = [sig for _, sig in sorted(signatures, key=lambda pair: pair[0] != key.id)]
    ed25519 = Ed25519PublicKey.from_public_bytes(key.ed25519)
    mldsa = MLDSA65PublicKey.from_public_bytes(key.mldsa)
    return (
        any(_holds(ed25519, sig, message) for sig in ordered if len(sig) == ED25519_SIGNATURE),
        any(_holds(mldsa, sig, message) for sig in ordered if len(sig) == MLDSA65_SIGNATURE),
    )


def _holds(key: Ed25519PublicKey | MLDSA65PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
