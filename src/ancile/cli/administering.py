"""The administration beside ``ancile serve``, where a port for it is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import structs

from ancile.cli.home import Home
from ancile.cli.output import talk
from ancile.serve.config import ServeConfig


@contextmanager
def administering(
    home: Home, config: ServeConfig, *, port: int | None, profile: str, policies: str | None, digest: str
) -> Iterator[None]:
    """The administration, while the block lasts; nothing without a port."""
    if port is None:
        yield
        return
    from ancile.cli.serve import FOLDER  # noqa: PLC0415 - a circle
    from ancile.serve.admin.order import AdminOrder  # noqa: PLC0415 - where it is asked for
    from ancile.serve.admin.process import administration, hosts_of  # noqa: PLC0415 - likewise
    from ancile.serve.supervise import listening  # noqa: PLC0415 - likewise

    below, listener = home.config_file.parent, config.admin
    if listener.certificate:
        listener = structs.replace(
            listener, certificate=str(below / listener.certificate), key=str(below / listener.key)
        )
    bound = listening(listener.host, port)
    port = int(bound.getsockname()[1])
    order = AdminOrder(
        home=str(home.folder),
        folder=str(home.folder / FOLDER),
        socket=bound.fileno(),
        port=port,
        hosts=hosts_of(listener, port),
        config=structs.replace(config, admin=listener),
        profile=profile,
        policies=policies,
        digest=digest,
    )
    with administration(order, bound, say=talk) as running:
        talk(f"administration at {running.url}")
        if not running.people:
            talk("nobody may log in there yet: ancile user add NAME --admin")
        yield
