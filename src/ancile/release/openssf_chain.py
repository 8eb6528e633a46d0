"""The signer in a bundle that carries certificates: RFC 5280 paths to a root that the reader trusts.

As OpenSSF model signing has it, the chain is judged at the first instant of the signer's certificate: a
bundle says nothing of when it was made. Who relies on it is told until when the certificate was good.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.release.openssf_form import Chain, Material
from ancile.trust.encoding import unb64

LARGEST = 1 << 16  # bytes of a certificate; real ones have one or two thousand
DEEPEST = 8  # certificates between the signer's and the root
# Critical extensions that are judged here or by the path: any other must refuse a certificate (RFC 5280, 4.2)
JUDGED = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectAlternativeName)

NO_CERTIFICATE = (  # what the library raises for bytes that are no good ones
    ValueError,
    VerificationError,
    UnsupportedAlgorithm,
    CryptographyDeprecationWarning,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class Roots(NamedTuple):
    """Certificates that the reader trusts to vouch for signers."""

    certificates: tuple[x509.Certificate, ...]


class Signer(NamedTuple):
    """A signer whom a trusted certificate vouches for, and until when."""

    key: ec.EllipticCurvePublicKey
    until: datetime


def vouched(material: Material, roots: Roots) -> Signer:
    """The signer in the material; AncileError where no root vouches for it or it is no signing key."""
    if material.x509_certificate_chain is None:
        raise AncileError(
            "the bundle carries no chain of certificates",
            value="it is signed with a plain key, or without one (keyless)",
            remedy="give the signer's public key instead, or the name that signed: --identity and --issuer",
        )
    try:
        with _strictly():
            return _signer(material.x509_certificate_chain, roots)
    except NO_CERTIFICATE as reason:
        raise _refused(str(reason)) from reason


def _signer(chain: Chain, roots: Roots) -> Signer:
    first, *others = [_certificate(one.raw_bytes) for one in chain.certificates]
    found = (
        PolicyBuilder()
        .store(Store(list(roots.certificates)))
        .time(first.not_valid_before_utc)
        .max_chain_depth(DEEPEST)
        .extension_policies(ca_policy=_authority(), ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
        .verify(first, others)
    )
    for one in found.chain:
        _require_judged(one)
    key = first.public_key()
    if not _may_sign(first.extensions) or not isinstance(key, ec.EllipticCurvePublicKey):
        raise _refused("it is not made for signatures, or its key is not on an elliptic curve")
    return Signer(key, first.not_valid_after_utc)


def load_roots(pem: bytes) -> Roots:
    """The certificates in a PEM text; one of NO_CERTIFICATE where they are none."""
    with _strictly():
        return Roots(tuple(x509.load_pem_x509_certificates(pem)))


@contextmanager
def _strictly() -> Iterator[None]:
    """What the library only warns of, since RFC 5280 forbids it, refuses a certificate."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        yield


def _certificate(text: str) -> x509.Certificate:
    der = unb64(text, name="certificate of the bundle", url_safe=True)
    if len(der) > LARGEST:
        raise _refused(f"a certificate of {len(der)} bytes")
    return x509.load_der_x509_certificate(der)


def _authority() -> ExtensionPolicy:
    """What an issuer must be; its place in the path and how many may follow are judged by the path."""
    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs_certificates)
    )


def _signs_certificates(_: Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("an issuer may not sign certificates")


def _require_judged(certificate: x509.Certificate) -> None:
    for one in certificate.extensions:
        if one.critical and not isinstance(one.value, JUDGED):
            raise ValueError(f"a critical extension that is not known here: {one.oid.dotted_string}")


def _may_sign(extensions: x509.Extensions) -> bool:
    """By key usage, or where that does not say so by its extension for signing code."""
    try:
        if extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
            return True
    except x509.ExtensionNotFound:
        pass
    try:
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.CODE_SIGNING in purposes


def _refused(why: str) -> AncileError:
    return AncileError(
        "no trusted certificate vouches for the signer",
        value=plain(why),
        remedy="give the root certificate of the signer's organisation, or its public key",
    )
