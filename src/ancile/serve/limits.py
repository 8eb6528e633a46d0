"""What one connection may cost before anybody knows who it is; sizes in bytes, times in seconds."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Checked before memory is taken; the times by one sweep a second, so up to a second late.

    header_bytes    request line and header fields together
    body_bytes      of one request, before anything of it is kept
    head_seconds    from the first byte of a head, or from connecting, to its end: a slow loris ends here
    body_seconds    from the end of the head to the end of the body
    idle_seconds    between two requests of a connection
    answer_seconds  that the model, or the upstream, has
    connections     at a time, from all addresses and from one
    """

    header_bytes: int = 16 << 10
    body_bytes: int = 8 << 20
    head_seconds: float = 5.0
    body_seconds: float = 20.0
    idle_seconds: float = 75.0
    answer_seconds: float = 30.0
    connections: int = 4096
    connections_per_address: int = 1024
