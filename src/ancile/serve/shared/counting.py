"""Where a gateway counts, and has its users from: on this host alone, or in stores that several share."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ancile.serve.shared.passing import Passing
from ancile.serve.shared.sharing import Call, Rows
from ancile.serve.shared.store import Store


class Counting(NamedTuple):
    """How workers come to their budgets.

    lend     makes the socket that a worker asks at; None where it counts on this host
    rates    whether requests a second are counted there as well
    passing  takes journals to the host that keeps the ledger, where there is a state
    shared   the database of users and reviews, and what waits for its answers, likewise
    """

    lend: Callable[[], socket.socket] | None = None
    rates: bool = False
    passing: Passing | None = None
    shared: tuple[Rows, Call] | None = None


@contextmanager
def counting(state: str | None, window: str | None, say: Callable[[str], None]) -> Iterator[Counting]:
    """The stores of these URLs, asked for the workers; AncileError for one that cannot be used.

    state   postgresql://…: days
    window  redis://…: requests a second, and days where there is no state
    """
    if state is None and window is None:
        yield Counting()
        return
    from ancile.serve.shared.broker import Broker  # noqa: PLC0415 - a gateway on one host needs none of it

    with Broker(say) as broker:
        days: Store | None = None
        rates: Store | None = None
        passing = users = None
        if window is not None:
            from ancile.serve.shared import redis  # noqa: PLC0415 - nor this of one without a window

            days = rates = broker.call(redis.opened(window))
        if state is not None:
            from ancile.serve.shared import postgres  # noqa: PLC0415 - nor this of one without a state

            database = broker.call(postgres.opened(state))
            passing, users = Passing(database, broker.call), (database, broker.call)
            days = database
        if days is not None:
            broker.use(days=days, rates=rates)
        yield Counting(broker.channel, rates is not None, passing, users)
