"""Users and reviews that several hosts have alike: joined by ``ancile serve --state``, asked by commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ancile.cli.output import talk
from ancile.core.errors import AncileError
from ancile.serve.keys import Users
from ancile.serve.review.store import Reviews
from ancile.serve.shared.counting import Counting
from ancile.serve.shared.replica import Replica

SEAL_OF = b"hosts that share a state"  # what the pepper's hash of is alike on all of them
USERS, REVIEWS, EVIDENCE = "users", "reviews", "evidence"  # places in the database


def joined(
    shared: Counting,
    state: str | None,
    *,
    folder: Path,
    users: Users,
    reviews: Reviews,
    evidence: Replica,
) -> Callable[[], None]:
    """What the gateway calls once in a while to hear of other hosts, which it has joined; or has left.

    AncileError where they have another pepper.
    """
    places = {USERS: users.replica(), REVIEWS: reviews.replica(), EVIDENCE: evidence}
    if shared.shared is None or state is None:
        for one in places.values():
            one.leave()
        return lambda: None
    from ancile.serve.shared.sharing import Sharing, Watching  # noqa: PLC0415 - a gateway on one host needs none of it

    sharing = Sharing(*shared.shared, places, seal=users.hash(SEAL_OF))
    sharing.join(state)
    return Watching(sharing, folder, talk).tick


@contextmanager
def exchanging(users: Users, reviews: Reviews | None = None, *, needed: bool = True) -> Iterator[None]:
    """Know what other hosts changed, and tell them at the end what was changed here.

    needed  False: without an answer of the database it is changed here alone, and they hear of it later
    """
    place, replica = (USERS, users.replica()) if reviews is None else (REVIEWS, reviews.replica())
    url = replica.url()
    if not url:
        yield
        return
    from ancile.serve.shared.sharing import Sharing, connected  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        try:
            sharing = Sharing(
                *stack.enter_context(connected(url)), {place: replica}, seal=users.hash(SEAL_OF)
            )
            sharing.exchange()
        except AncileError as error:
            if needed:
                raise
            talk(
                f"only this host is asked, others hear of changes once their state database answers: {error}"
            )
            yield
            return
        yield
        sharing.exchange()
