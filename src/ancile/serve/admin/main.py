"""The process of the administration: without keys of the home; the parent puts its changes into the ledger.

Its order comes on stdin, whose end ends it; its word that it is ready, or why not, goes to stdout.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from pathlib import Path

import msgspec

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.serve.admin.config import AdminConfig
from ancile.serve.admin.order import AdminOrder, Ready
from ancile.serve.child import Failed, leave_signals
from ancile.serve.config import policy_of

MOST_AT_ONCE = 32  # connections
HEAD_BYTES = 16 << 10
IDLE_SECONDS = 10


def main() -> int:
    """Serve until stdin ends or SIGTERM."""
    leave_signals()
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=AdminOrder)
    try:
        asyncio.run(_serve(order))
    except AncileError as error:
        _say(Failed(what=error.what, value=error.value, remedy=error.remedy))
        return 2
    return 0


async def _serve(order: AdminOrder) -> None:
    from ancile.serve.admin.app import application  # noqa: PLC0415 - a missing extra is told by main
    from ancile.serve.admin.state import AdminState  # noqa: PLC0415 - likewise
    from ancile.serve.identity.people import People  # noqa: PLC0415 - likewise
    from ancile.serve.identity.permissions import shipped  # noqa: PLC0415 - likewise
    from ancile.serve.identity.sessions import Sessions  # noqa: PLC0415 - likewise
    from ancile.serve.keys import Users  # noqa: PLC0415 - likewise
    from ancile.serve.review.page import routes as reviewing  # noqa: PLC0415 - likewise
    from ancile.serve.review.store import DAY_SECONDS, KEY_OF, Reviews  # noqa: PLC0415 - likewise

    uvicorn, listener = needs("uvicorn", "admin"), order.config.admin
    _require_usable(listener)
    scheme = "https" if listener.certificate else "http"
    with (
        Users(Path(order.folder)) as users,
        Reviews(Path(order.folder), key=users.hash(KEY_OF)) as reviews,
    ):
        people = People(users)
        people.refuse_weak()
        state = AdminState(
            home=Path(order.home),
            users=users,
            people=people,
            sessions=Sessions(users),
            policy=policy_of(order.config, profile=order.profile),
            policies=shipped() if order.policies is None else order.policies,
            digest=order.digest,
            origins=tuple(f"{scheme}://{host}" for host in order.hosts),
            secure=bool(listener.certificate),
        )
        server = uvicorn.Server(
            uvicorn.Config(
                application(
                    state,
                    hosts=order.hosts,
                    others=reviewing(
                        state, reviews, keep_seconds=order.config.review.keep_days * DAY_SECONDS
                    ),
                ),
                http="h11",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MOST_AT_ONCE,
                h11_max_incomplete_event_size=HEAD_BYTES,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=IDLE_SECONDS,
                ssl_certfile=listener.certificate or None,
                ssl_keyfile=listener.key or None,
            )
        )

        def end() -> None:
            server.should_exit = True

        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), end)
        _say(Ready(people=len(people.list())))
        await server.serve(sockets=[socket.socket(fileno=order.socket)])


def _require_usable(listener: AdminConfig) -> None:
    """Certificate and key belong together and can be read."""
    if not listener.certificate:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(listener.certificate, listener.key, "")
    except OSError as reason:  # ssl.SSLError is one
        raise AncileError(
            "the certificate of the administration cannot be used",
            value=plain(f"{listener.certificate}, {listener.key}: {reason.strerror or reason}"),
            remedy="set [serve.admin] certificate and key to PEM files of one pair, the key unencrypted",
        ) from reason


def _say(word: Ready | Failed) -> None:
    os.write(1, msgspec.json.encode(word) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
