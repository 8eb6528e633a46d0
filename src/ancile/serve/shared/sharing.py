"""Users, and what waits for a person, alike on several hosts, through a database that they share."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.serve.shared.replica import Replica, Row
from ancile.serve.users_db import HEARD

AGAIN_SECONDS = 2.0  # after it did not
Call = Callable[[Coroutine[Any, Any, Any]], Any]


class Exchanged(NamedTuple):
    """What a database knows.

    at    up to where these are what others changed
    rows  in the order in which they were
    """

    at: int
    rows: list[Row]


class Rows(Protocol):
    """A database between hosts; every method may raise OSError or TimeoutError."""

    async def settle(self, place: str, seal: bytes) -> bytes:
        """The seal of a place: this one, where it has none yet."""

    async def latest(self, place: str) -> int:
        """Number of the last change."""

    async def exchange(
        self,
        place: str,
        *,
        since: int,
        ours: Sequence[Row],
        merged: Callable[[Row, bytes | None], Row],
        forgets: bool,
    ) -> Exchanged:
        """Put in what was changed here, in one transaction, and hear what was changed elsewhere."""


class Sharing:
    """One host's side of it.

    call    waits for what the database answers
    places  name to the tables that are shared under it
    seal    that all hosts have alike: it follows from the pepper
    """

    def __init__(self, rows: Rows, call: Call, places: dict[str, Replica], *, seal: bytes) -> None:
        self._rows, self._call, self._places, self._seal = rows, call, places, seal

    def join(self, url: str) -> None:
        """Share from now on; AncileError where another pepper is in use there."""
        for place, replica in self._places.items():
            found = self._asked(self._rows.settle(place, self._seal))
            if found != self._seal:
                raise AncileError(
                    "the hosts of this state database have another pepper: no key would be known here",
                    value=plain(url),
                    remedy="copy .ancile/serve/pepper from one of them, in place of the one here",
                )
            replica.join(url)
        self.exchange()

    def exchange(self) -> None:
        """Tell what was changed here, and take over what was changed elsewhere."""
        for place, replica in self._places.items():
            with replica.alone():
                while self._exchanged(place, replica):
                    pass

    def _exchanged(self, place: str, replica: Replica) -> bool:
        """Whether there may be more."""
        since, (upto, ours) = replica.since(), replica.changes()
        latest = self._asked(self._rows.latest(place))
        if latest < since:  # it was set back to a backup
            replica.begin_anew()
            return True
        if not ours and latest == since:
            return False
        try:
            found: Exchanged = self._asked(
                self._rows.exchange(
                    place, since=since, ours=ours, merged=replica.merged, forgets=replica.forgets
                )
            )
            replica.take(found.rows, at=found.at, upto=upto)
        except sqlite3.Error as reason:
            raise AncileError(
                "what other hosts changed cannot be written",
                value=plain(f"{place}: {reason}"),
                remedy="free the file or the disk; it is tried again",
            ) from reason
        except (msgspec.MsgspecError, ValueError, TypeError, IndexError, KeyError) as reason:
            raise AncileError(
                "the state database holds what no ancile wrote",
                value=plain(f"{place}: {reason}"),
                remedy="see who can write to it, and restore it from a backup",
            ) from reason
        return True

    def _asked(self, what: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self._call(what)
        except (OSError, TimeoutError) as reason:
            raise AncileError(
                "the state database does not answer",
                value=plain(str(reason) or type(reason).__name__),
                remedy="see that it runs; what was changed on other hosts is not known here until it does",
            ) from reason


class Watching:
    """What ``ancile serve`` does once in a while: exchange, and say whether that can be done.

    folder  in which workers see since when it could not
    """

    def __init__(self, sharing: Sharing, folder: Path, say: Callable[[str], None]) -> None:
        self._sharing, self._heard, self._say = sharing, folder / HEARD, say
        self._failed, self._next = "", 0.0
        self._heard.touch(mode=0o600)

    def tick(self) -> None:
        """Exchange; never raises."""
        if time.monotonic() < self._next:
            return
        try:
            self._sharing.exchange()
            self._heard.touch()
        except (AncileError, OSError, sqlite3.Error) as error:
            if not self._failed:
                self._say(f"users and reviews of other hosts are not known: {error}")
            self._failed, self._next = str(error), time.monotonic() + AGAIN_SECONDS
        else:
            self._failed = ""


@contextmanager
def connected(url: str) -> Iterator[tuple[Rows, Call]]:
    """The database of a command, which asks it a few times; AncileError where it does not answer."""
    from ancile.serve.shared import postgres  # noqa: PLC0415 - a home that shares nothing needs none of it

    with asyncio.Runner() as runner:
        database = runner.run(postgres.opened(url))
        try:
            yield database, runner.run
        finally:
            runner.run(database.close())
