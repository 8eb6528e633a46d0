"""A signed token of the issuer, read as strictly as RFC 8725 (best current practices for JWT) asks.

The header chooses nothing: the algorithm must be one that the configuration names and that suits the key, and
the key one of the issuer's by its id. A header that brings a key, or says where one is, is refused for it.
"""

from __future__ import annotations

import json
import math
import warnings
from base64 import urlsafe_b64decode
from binascii import Error
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.extras import needs
from ancile.serve.identity.config import Oidc
from ancile.serve.identity.jwks import Key
from ancile.serve.keys import Identity

if TYPE_CHECKING:
    from joserfc import errors as jose_errors
    from joserfc import jws
else:
    jws = needs("joserfc.jws", "serve")
    jose_errors = needs("joserfc.errors", "serve")

LARGEST = 8192  # bytes of a token
LONGEST_NAME = 255  # characters of a subject: OpenID Connect Core 1.0, section 2
HEADER = frozenset(("alg", "kid", "typ", "x5t", "x5t#S256"))  # no jwk, jku, x5u, x5c, crit, b64, zip
TYPES = frozenset(("jwt", "at+jwt", "application/at+jwt"))


class Rejected(Exception):  # noqa: N818 - a decision, never told to whoever sent the token
    """A token that lets nobody in, and why."""


class UnknownKey(Rejected):
    """It names a key that the issuer is not known to have: it may have a new one."""


class Accepted(NamedTuple):
    """Whose token it is, and the Unix time until which it is."""

    identity: Identity
    until: float


def accepted(token: bytes, keys: Mapping[str, Key], oidc: Oidc, *, now: float) -> Accepted:
    """Who sent a token; Rejected where it does not hold. Cost: a signature check, 40 to 130 us.

    now  Unix time
    """
    if len(token) > LARGEST or token.count(b".") != 2:
        raise Rejected("no signed token of a usual size")
    header = _object(token.partition(b".")[0])
    algorithm, key = _algorithm(header, oidc), _key(header, keys)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that RFC 9864 calls EdDSA Ed25519 now is no user's to mend
            found = jws.deserialize_compact(token, key, algorithms=[algorithm])
    except (jose_errors.JoseError, ValueError, TypeError) as reason:
        raise Rejected("the signature does not hold") from reason
    claims = _parsed(found.payload)
    until = _in_time(claims, oidc, now=now)
    if claims.get("iss") != oidc.issuer:
        raise Rejected("of another issuer")
    audience = claims.get("aud")
    if oidc.audience not in (audience if isinstance(audience, list) else [audience]):
        raise Rejected("for another audience")
    return Accepted(Identity(f"oidc:{_name(claims, oidc)}", _role(claims, oidc), "oidc"), until)


def _object(part: bytes) -> dict[str, object]:
    try:
        data = urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (Error, ValueError) as reason:
        raise Rejected("a part is not base64url") from reason
    return _parsed(data)


def _parsed(data: bytes) -> dict[str, object]:
    """A JSON object whose names come once: two readers must not see two values."""
    try:
        document = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as reason:
        raise Rejected("a part is not JSON") from reason
    if not isinstance(document, dict):
        raise Rejected("a part is no object")
    return document


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _algorithm(header: Mapping[str, object], oidc: Oidc) -> str:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in oidc.algorithms:
        raise Rejected("the algorithm is none of those that are pinned")
    if not set(header) <= HEADER:
        raise Rejected("its header brings or asks for something else")
    if str(header.get("typ", "jwt")).lower() not in TYPES:
        raise Rejected("it is another kind of token")
    return algorithm


def _key(header: Mapping[str, object], keys: Mapping[str, Key]) -> Key:
    name = header.get("kid")
    if name is None and len(keys) == 1:
        return next(iter(keys.values()))
    if not isinstance(name, str) or name not in keys:
        raise UnknownKey("its key is none of the issuer's")
    return keys[name]


def _in_time(claims: Mapping[str, object], oidc: Oidc, *, now: float) -> float:
    ends = _time(claims, "exp") + oidc.leeway_seconds
    if now >= ends:
        raise Rejected("expired")
    for name in ("nbf", "iat"):
        if name in claims and _time(claims, name) > now + oidc.leeway_seconds:
            raise Rejected("not valid yet")
    return ends


def _time(claims: Mapping[str, object], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected(f"{name} is no time")
    try:
        found = float(value)
    except OverflowError as reason:  # an integer beyond all doubles
        raise Rejected(f"{name} is no time") from reason
    if not math.isfinite(found):
        raise Rejected(f"{name} is no time")
    return found


def _name(claims: Mapping[str, object], oidc: Oidc) -> str:
    name = claims.get(oidc.name)
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise Rejected("it names nobody")
    if not (name.isascii() and name.isprintable()):
        raise Rejected("its name is not printable ASCII")
    return name


def _role(claims: Mapping[str, object], oidc: Oidc) -> str:
    value: object = claims
    for step in oidc.role.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    has = value if isinstance(value, list) else [value]
    return next((role for said, role in oidc.roles.items() if said in has), oidc.default_role)
