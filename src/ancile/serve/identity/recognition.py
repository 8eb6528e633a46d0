"""Who asks: by API key, by a token of the issuer, or by the certificate of the connection.

A header that names somebody goes before a certificate; what it says must hold, or nobody is known.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from ancile.core.errors import AncileError
from ancile.serve.identity.config import Identities, role_of
from ancile.serve.keys import PREFIX, Identity, Users
from ancile.serve.refusal import Refused
from ancile.serve.users_db import Unheard

if TYPE_CHECKING:
    from ancile.serve.identity.tokens import Tokens

BEARER = b"Bearer "
UNREADABLE_SECONDS = 60.0  # for which a change of users may stay unseen; then nobody is known
OWN = PREFIX.encode("ascii")
STRANGER = Refused(401, "an API key is asked for: Authorization: Bearer ancile_…")


class Asking(Protocol):
    """What of a request tells who sends it.

    certificate  URI in the certificate of the client that TLS has verified; empty without one
    proof        the header that was looked at last, and the hash of its token: of the next request the same
    """

    proof: tuple[bytes, bytes]

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Of the request, names in lower case."""

    @property
    def address(self) -> str:
        """Of the peer."""

    @property
    def certificate(self) -> str:
        """Of the connection."""


class Recognition:
    """The identities of those who ask; what is known of them changes while it runs."""

    def __init__(self, users: Users, known: Identities) -> None:
        self._users, self._certificates = users, known.certificates
        self._keys: dict[bytes, Identity] = {}
        self._blocked: frozenset[str] = frozenset()
        self._version, self._read, self._trusted = -1, 0.0, False
        self._ends: datetime | None = None
        self._tokens: Tokens | None = None
        if known.oidc is not None:
            from ancile.serve.identity.tokens import Tokens  # noqa: PLC0415 - joserfc, where tokens are taken

            self._tokens = Tokens(known.oidc)
        with suppress(Unheard):  # and nobody is known until it is
            self._take_over()

    def of(self, asking: Asking) -> Identity | Refused:
        """Who asks, or the answer to somebody who is nobody. Cost: about 1 us once known."""
        given = asking.headers.get(b"authorization")
        if given is None:
            return (self._certificates and self._admitted(self._certified(asking.certificate))) or STRANGER
        last, hashed = asking.proof
        if given is not last:
            if not given.startswith(BEARER):
                return STRANGER
            hashed = self._users.hash(given[len(BEARER) :])
            asking.proof = given, hashed
        found = self._keys.get(hashed)
        if found is not None:
            return found
        token = given[len(BEARER) :]
        if self._tokens is None or token.startswith(OWN):
            return STRANGER
        return self._admitted(self._tokens.of(token, hashed, asking.address)) or STRANGER

    def _admitted(self, found: Identity | Refused | None) -> Identity | Refused | None:
        """Nobody where the identity was blocked here, or that cannot be told, whoever vouches for it."""
        is_out = isinstance(found, Identity) and (found.name in self._blocked or not self._trusted)
        return None if is_out else found

    def _certified(self, uri: str) -> Identity | None:
        role = role_of(uri, self._certificates)
        return None if role is None else Identity(f"cert:{uri}", role, "certificate")

    def tick(self) -> None:
        """Take over what changed or ended; users that cannot be read for a minute are users no more."""
        try:
            self._take_over()
        except AncileError:
            if time.monotonic() - self._read > UNREADABLE_SECONDS:
                self._keys, self._version, self._trusted = {}, -1, False
        if self._tokens is not None:
            self._tokens.tick()

    def _take_over(self) -> None:
        version, now = self._users.version(), datetime.now(UTC)
        if version != self._version or (self._ends is not None and now >= self._ends):
            keys, ends, blocked = (
                self._users.identities(now),
                self._users.next_end(now),
                self._users.blocked(),
            )
            self._keys, self._ends, self._blocked, self._version = keys, ends, blocked, version
        self._read, self._trusted = time.monotonic(), True
