"""Keys for OpenSSF bundles, from the PEM files that `openssl` writes: RFC 7468."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.release.openssf_chain import NO_CERTIFICATE, Roots, load_roots

LARGEST = 1 << 20  # bytes: a file with all roots of an operating system has about 250,000
HOW = "make one with `openssl ecparam -name prime256v1 -genkey -noout -out KEY.pem`"


def private_key(pem: bytes, *, name: str, passphrase: Callable[[], bytes]) -> ec.EllipticCurvePrivateKey:
    """The private key in a PEM file.

    name        of the file, for the message
    passphrase  asked for where the file is encrypted
    """
    try:
        key = load_pem_private_key(pem, passphrase() if b"ENCRYPTED" in pem else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as reason:
        raise _no_key(
            name, reason, remedy=f"give a private key in PEM and its passphrase, or {HOW}"
        ) from reason
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _no_key(name, ValueError("not on an elliptic curve"), remedy=HOW)
    return key


def trusted(pem: bytes, *, name: str) -> ec.EllipticCurvePublicKey | Roots:
    """The public key in a PEM file, or the certificates in it as those who vouch for signers."""
    remedy = "give the signer's public key, or the certificates to trust, in PEM"
    if len(pem) > LARGEST:
        raise _no_key(name, ValueError(f"{len(pem)} bytes"), remedy=remedy)
    try:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            return load_roots(pem)
        key = load_pem_public_key(pem)
    except NO_CERTIFICATE as reason:
        raise _no_key(name, reason, remedy=remedy) from reason
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _no_key(name, ValueError("not on an elliptic curve"), remedy=remedy)
    return key


def _no_key(name: str, reason: Exception, *, remedy: str) -> AncileError:
    why = plain(str(reason), 120)
    return AncileError("no key for OpenSSF bundles in the file", value=f"{plain(name)}: {why}", remedy=remedy)
