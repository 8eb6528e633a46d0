"""An issuer's public keys: RFC 7517, from a file or a URL, fetched beside the requests and never in one.

Shared secrets and RSA below 2048 bits are not taken. Keys that cannot be fetched anew count for a bounded
time; an unknown key id has them fetched, at most once a minute.
"""

from __future__ import annotations

import http.client
import json
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.place import connection_to, place_of, within
from ancile.core.text import plain
from ancile.serve.identity.config import Oidc

if TYPE_CHECKING:
    from joserfc import errors as jose_errors
    from joserfc import jwk
    from joserfc.jwk import ECKey, OKPKey, RSAKey
else:
    jwk = needs("joserfc.jwk", "serve")
    jose_errors = needs("joserfc.errors", "serve")

Key: TypeAlias = "ECKey | OKPKey | RSAKey"

LARGEST = 1 << 20  # bytes of a set of keys, or of a discovery document
MOST_KEYS = 100
LEAST_RSA_BITS = 2048  # NIST SP 800-131A revision 2
KINDS = ("RSA", "EC", "OKP")
SECONDS = 5.0  # for one answer of an issuer
AGAIN_SECONDS = 60.0  # between two fetches, whatever is asked for
DISCOVERY = "/.well-known/openid-configuration"
FORM = "https://issuer.example/keys, or a file"


class Issuer:
    """The keys of an issuer, by their ids; ``""`` is the id of one that has none."""

    def __init__(self, oidc: Oidc, *, now: float, fetch: Callable[[Oidc], bytes] | None = None) -> None:
        self._oidc, self._fetch = oidc, fetch or fetched
        self.keys: dict[str, Key] = keys_of(self._fetch(oidc))
        self.wanted = False
        self._good = self._tried = now
        self._thread: threading.Thread | None = None
        self._came: dict[str, Key] | None = None

    def tick(self, now: float) -> bool:
        """Whether the keys are others than before; fetches them where they are due.

        now  seconds of a monotone clock
        """
        changed = False
        if self._thread is not None and not self._thread.is_alive():
            self._thread = None
            if self._came is not None:
                changed = {k: v.thumbprint() for k, v in self._came.items()} != {
                    k: v.thumbprint() for k, v in self.keys.items()
                }
                self.keys, self._good, self._came = self._came, now, None
        if self.keys and now - self._good > self._oidc.stale_seconds:
            self.keys, changed = {}, True
        age = now - self._tried
        if self._thread is None and age >= AGAIN_SECONDS and (self.wanted or age >= self._oidc.fresh_seconds):
            self.wanted, self._tried = False, now
            self._thread = threading.Thread(target=self._load, daemon=True)
            self._thread.start()
        return changed

    def _load(self) -> None:
        try:
            self._came = keys_of(self._fetch(self._oidc))
        except AncileError:
            self._came = None  # the keys before count on, until they are stale


def keys_of(data: bytes) -> dict[str, Key]:
    """The usable public keys of a JSON Web Key Set; AncileError where there is none."""
    listed = _document(data).get("keys")
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise _unusable(f"a set of at most {MOST_KEYS} keys is asked for")
    found: dict[str, Key] = {}
    for one in listed:
        key = _key_of(one)
        if key is not None:
            name = one.get("kid", "")
            if name in found:
                raise _unusable(f"two keys are called {plain(name, 60)}")
            found[name] = key
    if not found:
        raise _unusable("it has no key that signatures can be checked with")
    return found


def _key_of(one: object) -> Key | None:
    if not isinstance(one, dict) or one.get("use", "sig") != "sig":
        return None
    if not isinstance(one.get("kid", ""), str) or one.get("kty") not in KINDS:
        return None
    values: dict[str, str | list[str]] = {n: value for n, value in one.items() if isinstance(value, str)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a key is short: what follows does not take it
            key = jwk.import_key(values)
    except (jose_errors.JoseError, ValueError, TypeError):  # a key that we cannot use is as good as absent
        return None
    if isinstance(key, jwk.RSAKey):
        return key if key.public_key.key_size >= LEAST_RSA_BITS else None
    return key if isinstance(key, jwk.ECKey | jwk.OKPKey) else None


def fetched(oidc: Oidc) -> bytes:
    """The set of keys, from where the configuration or the issuer says."""
    if not oidc.jwks:
        return _got(_discovered(oidc))
    if "://" in oidc.jwks:
        return _got(oidc.jwks)
    try:
        with Path(oidc.jwks).open("rb") as file:
            return file.read(LARGEST)
    except OSError as reason:
        raise AncileError(
            "the issuer's keys cannot be read",
            value=plain(f"{oidc.jwks}: {reason.strerror}"),
            remedy="set [serve.oidc] jwks to a file that is there, or to a URL",
        ) from reason


def _discovered(oidc: Oidc) -> str:
    """OpenID Connect Discovery 1.0, section 4: the issuer in the document must be the one that was asked."""
    said = _document(_got(oidc.issuer.rstrip("/") + DISCOVERY))
    if said.get("issuer") != oidc.issuer:
        raise AncileError(
            "the issuer calls itself by another name",
            value=plain(str(said.get("issuer"))),
            remedy="set [serve.oidc] issuer exactly as its discovery document has it",
        )
    return str(said.get("jwks_uri", ""))


def _document(data: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as reason:
        raise _unusable(plain(str(reason))) from reason
    if not isinstance(document, dict):
        raise _unusable("an object is asked for")
    return document


def _got(url: str) -> bytes:
    """One GET, without a redirect; over TLS, or of this machine."""
    place = place_of(url, form=FORM)
    if place.scheme != "https" and not all(address.is_loopback for address in place.addresses):
        raise AncileError(
            "an issuer's keys come over https", value=place.url(), remedy="name an https URL, or a file"
        )
    try:
        connection = connection_to(place, connect_seconds=SECONDS, seconds=SECONDS)
        try:
            with within(connection, SECONDS):
                connection.request("GET", place.path or "/", headers={"Host": place.authority()})
                with connection.getresponse() as answer:
                    body = answer.read(LARGEST + 1)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as reason:
        raise _not_had(place.url(), plain(str(reason)) or type(reason).__name__) from reason
    if answer.status != http.HTTPStatus.OK or len(body) > LARGEST:
        raise _not_had(place.url(), f"status {answer.status}, {len(body)} bytes")
    return body


def _not_had(url: str, told: str) -> AncileError:
    return AncileError(
        "the issuer's keys cannot be fetched",
        value=plain(f"{url}: {told}"),
        remedy="see that it answers, or set [serve.oidc] jwks to a file",
    )


def _unusable(told: str) -> AncileError:
    return AncileError(
        "the issuer's keys cannot be used", value=told, remedy="[serve.oidc] jwks names a JSON Web Key Set"
    )
