"""Signing without a key of one's own, by the `sigstore` library, which asks services on the network.

An identity provider says who is there, a certificate authority binds a key of minutes to that name, and a
public log takes the signature in, with the name, for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.release.keyless import EXTRA, Keyless, attested, named

if TYPE_CHECKING:
    from sigstore.models import Bundle, ClientTrustConfig
    from sigstore.oidc import IdentityToken

TOKEN, TOKEN_FILE = "ANCILE_OIDC_TOKEN", "ANCILE_OIDC_TOKEN_FILE"
LARGEST_TOKEN = 1 << 16  # bytes; real ones have one or two thousand
LIBRARIES = ("sigstore", "requests", "urllib3", "tuf", "id", "jwt")  # whose errors are about the services
PATIENCE_SECONDS = 120.0  # for authority, time stamps and log together; a log of the second kind takes some
FAULTS = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OSError,
)  # over an answer that is not as it should be


class Services(NamedTuple):
    """To whom signing talks: URLs of certificate authority, log and time stamps."""

    authority: str
    log: str
    stamps: tuple[str, ...]


class SignedKeyless(NamedTuple):
    """A bundle, and the name and the issuer with which it verifies."""

    data: bytes
    identity: str
    issuer: str


def services(config: ClientTrustConfig) -> Services:
    """Who is asked, for the user to know."""
    try:
        signing = config.signing_config
        log = getattr(signing.get_tlogs()[0], "url", "")  # its two kinds have one, their common type has not
        return Services(signing.get_fulcio().url, log, tuple(one.url for one in signing.get_tsas()))
    except (needs("sigstore.errors", EXTRA).Error, ValueError) as reason:
        raise AncileError(
            "the instance of Sigstore names no service to sign with",
            value=plain(str(reason), 200),
            remedy="give a client trust configuration with a signing configuration: --trust-config FILE",
        ) from reason


def identity_token(config: ClientTrustConfig, environ: Mapping[str, str], *, ask: bool) -> IdentityToken:
    """Who is signing: by a variable or a file, by the machine that runs the job, else asked for in a browser.

    environ  may hold ANCILE_OIDC_TOKEN, or ANCILE_OIDC_TOKEN_FILE with a file's name
    ask      whether somebody is there to be asked
    """
    oidc = needs("sigstore.oidc", EXTRA)
    with _telling("no identity was given"):
        given = _given(environ) or oidc.detect_credential()
        if given:
            found: IdentityToken = oidc.IdentityToken(given)
        elif ask:
            found = oidc.Issuer(config.signing_config.get_oidc_url()).identity_token()
        else:
            raise AncileError(
                "nobody says who is signing",
                value=f"no {TOKEN}, no identity of a job, no terminal to ask at",
                remedy=f"set {TOKEN_FILE} to a file with your identity provider's token, audience sigstore",
            )
    return found


def sign_keyless(payload: bytes, token: IdentityToken, config: ClientTrustConfig) -> SignedKeyless:
    """A Sigstore bundle around an in-toto statement, verified as whoever gets it will.

    AncileError where a service refuses, cannot be reached or does not answer, or what it gave does not hold.
    """
    context = needs("sigstore.sign", EXTRA).SigningContext
    statement = needs("sigstore.dsse", EXTRA).Statement

    def sign() -> Bundle:
        with context.from_trust_config(config).signer(token) as signer:
            made: Bundle = signer.sign_dsse(statement(payload))
            return made

    with _telling("keyless signing failed"):
        bundle = _within(PATIENCE_SECONDS, sign)
        identity, issuer = named(bundle.signing_certificate)
        root = config.trusted_root
    data = bundle.to_json().encode()
    attested(data, Keyless(identity, issuer, root))
    return SignedKeyless(data, identity, issuer)


def _given(environ: Mapping[str, str]) -> str:
    if environ.get(TOKEN):
        return environ[TOKEN].strip()
    if not environ.get(TOKEN_FILE):
        return ""
    with Path(environ[TOKEN_FILE]).open("rb") as file:
        return file.read(LARGEST_TOKEN).decode("ascii").strip()


def _within(seconds: float, work: Callable[[], Bundle]) -> Bundle:
    """What the work gives; TimeoutError where that takes longer, since the library would wait for ever."""
    found: list[Bundle | Exception] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as reason:  # noqa: BLE001 - raised below, where it is waited for
            found.append(reason)

    thread = threading.Thread(target=run, name="ancile-keyless", daemon=True)  # a blocked one ends with us
    thread.start()
    thread.join(seconds)
    if not found:
        raise TimeoutError(f"no answer within {seconds:g} s")
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """What the library and its services refuse inside as one line; a fault of our own stays what it is."""
    try:
        yield
    except AncileError:
        raise
    except Exception as reason:  # the errors of its clients have no public name
        if not (isinstance(reason, FAULTS) or type(reason).__module__.partition(".")[0] in LIBRARIES):
            raise
        said = (str(one) for one in (reason, reason.__cause__) if one is not None)
        why = next((text for text in said if text), type(reason).__name__)
        raise AncileError(
            what,
            value=plain(why, 200),
            remedy=f"look at the network, at {TOKEN} and its expiry, at --trust-config; then sign again",
        ) from reason
