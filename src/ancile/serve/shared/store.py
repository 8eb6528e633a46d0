"""What a store of several hosts does, and URLs of them that hold no password."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.serve.budgets import Cells


class Store(Protocol):
    """Where hosts count together; every method may raise OSError or TimeoutError: it does not answer."""

    async def take(self, who: str, day: int, *, limit: int) -> int:
        """A block of a day's requests, or 0."""

    async def give(self, who: str, day: int, *, unspent: int) -> None:
        """Take the rest of a block back."""

    async def cells(self, who: str, *, rate: float, burst: int, want: int) -> Cells:
        """Requests of a rate, at most ``want``."""

    async def ping(self) -> None:
        """Whether it answers."""

    async def close(self) -> None:
        """End the connections."""


def without_password(url: str, *, schemes: tuple[str, ...], remedy: str) -> str:
    """The URL, once it is one of these schemes and names nobody's password: flags are seen by everybody."""
    try:
        parts = urlsplit(url)
        has_password = parts.password is not None or "password" in parts.query.lower()
    except ValueError as reason:
        raise AncileError("not a URL", value=plain(str(reason)), remedy=remedy) from reason
    if parts.scheme not in schemes or not (parts.hostname or parts.query):
        raise AncileError(
            "not a URL of such a server",
            value=plain(parts.scheme),
            remedy=f"give it like {schemes[0]}://host/name",
        )
    if has_password:
        raise AncileError("a password is no part of a URL here", value=parts.hostname or "", remedy=remedy)
    return url
