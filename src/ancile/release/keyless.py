"""Sigstore without keys: whom to trust, and what a bundle says that somebody signed under a name.

A certificate of minutes binds a one-time key to a name that an identity provider vouched for (Fulcio), and a
public log (Rekor) says that the signature was made within those minutes. Verified by the `sigstore` library,
offline: https://docs.sigstore.dev/about/security/ and the client specification of Sigstore, section 4.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.subject import digest_of
from ancile.core.text import plain
from ancile.trust.dsse import IN_TOTO

if TYPE_CHECKING:
    from sigstore.models import Bundle, ClientTrustConfig, TrustedRoot
    from sigstore.verify.policy import VerificationPolicy

EXTRA = "sigstore"
LARGEST_CONFIG = 1 << 20  # bytes: the public instance's has about 12,000
KEPT = "the cache folder (XDG_CACHE_HOME), where the library keeps it"
OWN_CONFIG = "name a client trust configuration or a trusted root of Sigstore, in JSON: --trust-config FILE"
# The extension in which a certificate names the identity provider: fulcio/docs/oid-info.md
ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
UNREADABLE = (  # what the library and its parsers raise for bytes that are no good ones
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class Keyless(NamedTuple):
    """Whose signature is asked for: the name in the certificate, who vouched for it, and whose word counts.

    identity  e-mail address, or URI of a workflow, exactly
    issuer    URL of the identity provider, exactly
    root      certificates of authorities and keys of logs
    config    digest of the file that named them; empty for the public instance's
    """

    identity: str
    issuer: str
    root: TrustedRoot
    config: str = ""


class Attested(NamedTuple):
    """What was signed, and what authorities and log say of it.

    identity  name in the certificate, with the issuer that vouched for it
    stranger  why that is not who was asked for; empty where it is
    time      when the log took it in; of a log that gives no time, when the certificate began
    """

    payload: bytes
    key: ec.EllipticCurvePublicKey
    identity: str
    issuer: str
    stranger: str
    time: datetime
    log: str
    entry: int


def expected(identity: str, issuer: str, config: Path | None) -> Keyless:
    """Whose signature is asked for; ``config`` as for ``trusted_root``."""
    return Keyless(identity, issuer, trusted_root(config), digest_of(_read(config)) if config else "")


def trusted_root(config: Path | None) -> TrustedRoot:
    """The authorities and logs to trust; AncileError where the file names none.

    config  client trust configuration or trusted root, in JSON; without it the public instance's, as the
            library knows it: its own copy, or a newer one that it fetched when something was signed
    """
    models = needs("sigstore.models", EXTRA)
    data = None if config is None else _read(config)
    try:
        if config is not None and data is not None and b"clienttrustconfig" not in data:
            root: TrustedRoot = models.TrustedRoot.from_file(str(config))
        else:
            root = _instance(data, offline=True).trusted_root
        root.get_fulcio_certs()
    except (needs("sigstore.errors", EXTRA).Error, *UNREADABLE, OSError) as reason:
        raise _no_config(config, reason, look_at=KEPT) from reason
    return root


def instance(config: Path | None) -> ClientTrustConfig:
    """The instance of Sigstore to sign with; without a file the public one, whose keys are fetched."""
    data = None if config is None else _read(config)
    try:
        return _instance(data, offline=False)
    except (needs("sigstore.errors", EXTRA).Error, *UNREADABLE, OSError) as reason:
        raise _no_config(config, reason, look_at="the network") from reason


def _instance(data: bytes | None, *, offline: bool) -> ClientTrustConfig:
    logging.getLogger("sigstore").addHandler(logging.NullHandler())  # else it writes beside our one line
    config = needs("sigstore.models", EXTRA).ClientTrustConfig
    found: ClientTrustConfig = (
        config.production(offline=offline) if data is None else config.from_json(data.decode("utf-8"))
    )
    return found


class _Whose:
    """The library's policy for a name and an issuer, which remembers a refusal: a stranger can sign well."""

    def __init__(self, wanted: Keyless) -> None:
        policy = needs("sigstore.verify.policy", EXTRA)
        self._policy: VerificationPolicy = policy.Identity(identity=wanted.identity, issuer=wanted.issuer)
        self._error: type[Exception] = needs("sigstore.errors", EXTRA).VerificationError
        self.refused = "nobody was asked for"

    def verify(self, cert: x509.Certificate) -> None:
        """Look at the certificate; the library calls it once everything else about it holds."""
        try:
            self._policy.verify(cert)
        except self._error as reason:
            self.refused = plain(str(reason), 200)
        else:
            self.refused = ""


def attested(data: bytes, wanted: Keyless) -> Attested:
    """What somebody has signed, once certificate, log and signature hold, and whether it is who is wanted.

    AncileError where any of the three does not.
    """
    verifier, whose = needs("sigstore.verify", EXTRA).Verifier, _Whose(wanted)
    try:
        bundle: Bundle = needs("sigstore.models", EXTRA).Bundle.from_json(data)
        kind, payload = verifier(trusted_root=wanted.root).verify_dsse(bundle, whose)
        identity, issuer = named(bundle.signing_certificate)
        key = bundle.signing_certificate.public_key()
        entry = json.loads(bundle.to_json())["verificationMaterial"]["tlogEntries"][0]
        log, _, _ = str(entry["inclusionProof"]["checkpoint"]["envelope"]).partition("\n")
        time = _time(entry, bundle.signing_certificate)
    except (needs("sigstore.errors", EXTRA).Error, *UNREADABLE, OSError) as reason:
        raise _broken(str(reason) or type(reason).__name__) from reason
    if kind != IN_TOTO or not isinstance(key, ec.EllipticCurvePublicKey):
        raise _broken(f"a payload of type {kind}, by a key of type {type(key).__name__}")
    return Attested(
        payload, key, identity, issuer, whose.refused, time, plain(log, 80), int(entry["logIndex"])
    )


def named(certificate: x509.Certificate) -> tuple[str, str]:
    """Name and issuer that a certificate of Fulcio states; ValueError or TypeError where it does not."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    issuer = certificate.extensions.get_extension_for_oid(ISSUER).value
    [name] = [one.value for one in names]
    if not isinstance(issuer, x509.UnrecognizedExtension):
        raise TypeError("the certificate does not state its issuer as text")
    return name.decode("utf-8") if isinstance(name, bytes) else str(name), issuer.value.decode("utf-8")


def _time(entry: dict[str, str], certificate: x509.Certificate) -> datetime:
    """A time that was verified; where it is an authority's, the minutes of the certificate bound it."""
    if entry.get("integratedTime") and entry.get("inclusionPromise"):
        return datetime.fromtimestamp(int(entry["integratedTime"]), UTC)
    return certificate.not_valid_before_utc


def _read(config: Path) -> bytes:
    try:
        if not config.is_file():
            raise FileNotFoundError(2, "no file", str(config))
        with config.open("rb") as file:
            data = file.read(LARGEST_CONFIG + 1)
    except OSError as reason:
        raise AncileError(
            "file cannot be read", value=f"{plain(str(config))}: {reason.strerror}", remedy=OWN_CONFIG
        ) from reason
    if len(data) > LARGEST_CONFIG:
        raise _no_config(config, ValueError(f"over {LARGEST_CONFIG} bytes"), look_at=KEPT)
    return data


def _no_config(config: Path | None, reason: Exception, *, look_at: str) -> AncileError:
    source = "of the public instance" if config is None else plain(str(config))
    found = dict.fromkeys(str(one) or type(one).__name__ for one in (reason, reason.__cause__) if one)
    return AncileError(
        "there is no trust configuration of Sigstore",
        value=f"{source}: {plain(', '.join(found), 200)}",
        remedy=OWN_CONFIG if config else f"look at {look_at}; or {OWN_CONFIG}",
    )


def _broken(why: str) -> AncileError:
    return AncileError(
        "the keyless signature does not hold",
        value=plain(why, 200),
        remedy="take the bundle from its source once more; look at --identity, --issuer and --trust-config",
    )
