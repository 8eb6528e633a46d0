"""What ``[serve]`` says of identities that are no API keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"
]

URI = re.compile(r"[a-z][a-z0-9+.-]*://[^/*\s]+(/[^/*\s]+)*(/\*)?")


class Oidc(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tokens of one issuer (OpenID Connect Core 1.0, RFC 9068, RFC 7519).

    issuer         exactly as tokens have it in ``iss``
    audience       that must be in ``aud``
    jwks           file or URL of the issuer's keys; empty: where its discovery document says
    algorithms     that signatures may have; none with a shared secret can be named
    name           claim that names the identity
    role           claim with a role or groups, dots between levels: ``realm_access.roles``
    roles          value of that claim to role; the first of these that the token has
    default_role   of a token with none of them; empty: it may nothing
    leeway_seconds by which clocks may differ
    fresh_seconds  after which keys are fetched anew
    stale_seconds  for how long keys count that could not be fetched anew
    """

    issuer: str
    audience: str
    jwks: str = ""
    algorithms: tuple[Algorithm, ...] = ("RS256", "ES256")
    name: str = "sub"
    role: str = "roles"
    roles: dict[str, str] = {}
    default_role: str = ""
    leeway_seconds: int = 30
    fresh_seconds: float = 3600.0
    stale_seconds: float = 86400.0

    def __post_init__(self) -> None:
        if not (self.issuer and self.audience and self.algorithms and self.name):
            raise ValueError("oidc has an issuer, an audience, an algorithm and a claim for the name")
        if not 0 <= self.leeway_seconds <= 300:
            raise ValueError("leeway_seconds are 0 to 300")
        if not 60 <= self.fresh_seconds <= self.stale_seconds <= 30 * 86400:
            raise ValueError("fresh_seconds are at least 60, stale_seconds no fewer and at most 30 days")


class Identities(NamedTuple):
    """Who else is known than the holders of API keys, and what all of them may.

    certificates  URI in the certificate of a client to role; one that ends with ``/*`` is for all below it
    policies      in Cedar; None for those that come with ancile
    """

    oidc: Oidc | None = None
    certificates: Mapping[str, str] = MappingProxyType({})
    policies: str | None = None


def faults_of(oidc: Oidc | None, certificates: Mapping[str, str], roles: Iterable[str]) -> str:
    """What is wrong with roles that identities are given, in words; empty where nothing is."""
    known = set(roles)
    given = [*certificates.values()]
    if oidc is not None:
        given += [*oidc.roles.values(), *([oidc.default_role] if oidc.default_role else [])]
    if strange := sorted(set(given) - known):
        return f"no such role: {strange[0]}; there are {', '.join(sorted(known))}"
    if wrong := [uri for uri in certificates if not URI.fullmatch(uri)]:
        return f"not a URI as a certificate has it, with /* at its end or without: {wrong[0]}"
    return ""


def role_of(uri: str, certificates: Mapping[str, str]) -> str | None:
    """The role of a certificate's URI: its own, else of the nearest ``/*`` above; None for a stranger."""
    role, above = certificates.get(uri), uri
    while role is None and "/" in above:
        above = above.rpartition("/")[0]
        role = certificates.get(f"{above}/*")
    return role


def placed(oidc: Oidc | None, folder: Path) -> Oidc | None:
    """The same, a file of keys found from ``folder``."""
    if oidc is None or not oidc.jwks or "://" in oidc.jwks:
        return oidc
    return msgspec.structs.replace(oidc, jwks=str(folder / oidc.jwks))
