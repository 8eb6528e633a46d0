"""The administration beside ``ancile serve``, where a port for it is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from msgspec import structs

from ancile.cli.home import Home
from ancile.cli.in_force import FOLDER, Effective
from ancile.cli.output import talk

if TYPE_CHECKING:
    from ancile.serve.admin.order import AdminOrder


Renew = Callable[[Effective], None]


@contextmanager
def administering(home: Home, found: Effective, *, port: int | None) -> Iterator[Renew]:
    """The administration, while the block lasts, and what has it show what is in force then.

    port  nothing is administered without one
    """
    if port is None:
        yield lambda _: None
        return
    from ancile.serve.admin.process import Administration  # noqa: PLC0415 - where it is asked for
    from ancile.serve.supervise import listening  # noqa: PLC0415 - likewise

    bound = listening(found.config.admin.host, port)
    at, number = int(bound.getsockname()[1]), bound.fileno()
    with closing(bound), closing(Administration(_order(home, found, at, number), bound, say=talk)) as running:
        talk(f"administration at {running.url}")
        if not running.people:
            talk("nobody may log in there yet: ancile user add NAME --admin")
        yield lambda changed: running.renew(_order(home, changed, at, number))


def _order(home: Home, found: Effective, port: int, socket: int) -> AdminOrder:
    from ancile.serve.admin.order import AdminOrder  # noqa: PLC0415 - where it is asked for
    from ancile.serve.admin.process import hosts_of  # noqa: PLC0415 - likewise

    below, listener = home.config_file.parent, found.config.admin
    if listener.certificate:
        listener = structs.replace(
            listener, certificate=str(below / listener.certificate), key=str(below / listener.key)
        )
    return AdminOrder(
        home=str(home.folder),
        folder=str(home.folder / FOLDER),
        socket=socket,
        port=port,
        hosts=hosts_of(listener, port),
        config=structs.replace(found.config, admin=listener),
        profile=found.policy.profile,
        policies=found.policies,
        digest=found.digest,
    )
