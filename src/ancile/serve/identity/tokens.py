"""Tokens that were verified once, and the issuer whose keys they were verified with."""

from __future__ import annotations

import time
from collections import Counter

from ancile.serve.identity.config import Oidc
from ancile.serve.identity.jwks import Issuer
from ancile.serve.identity.token import Accepted, Rejected, UnknownKey, accepted
from ancile.serve.keys import Identity
from ancile.serve.refusal import Refused

MOST_KNOWN = 10_000  # only somebody with a token that holds makes one more
MOST_TRIES = 50  # of one address that did not hold, a second: checking one costs up to 130 us
LATER = Refused(429, "too many tokens that do not hold came from there", retry_after=1)


class Tokens:
    """Who sends a token: verified once, then known by its keyed hash until it ends or the keys change."""

    def __init__(self, oidc: Oidc, issuer: Issuer | None = None) -> None:
        self._oidc = oidc
        self._issuer = issuer or Issuer(oidc, now=time.monotonic())
        self._known: dict[bytes, Accepted] = {}
        self._failed: Counter[str] = Counter()

    def of(self, token: bytes, hashed: bytes, address: str) -> Identity | Refused | None:
        """The identity, nobody, or an answer for an address that tries too often."""
        now = time.time()
        known = self._known.get(hashed)
        if known is not None:
            if now < known.until:
                return known.identity
            del self._known[hashed]
        if self._failed[address] >= MOST_TRIES:
            return LATER
        try:
            found = accepted(token, self._issuer.keys, self._oidc, now=now)
        except Rejected as reason:
            self._failed[address] += 1
            self._issuer.wanted |= isinstance(reason, UnknownKey)
            return None
        if len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[hashed] = found
        return found.identity

    def tick(self) -> None:
        """Once a second: keys that came, and addresses that may try again."""
        self._failed.clear()
        if self._issuer.tick(time.monotonic()):
            self._known.clear()
