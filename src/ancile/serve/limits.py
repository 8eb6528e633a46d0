"""What one connection may cost before anybody knows who it is; sizes in bytes, times in seconds."""

from __future__ import annotations

import resource

import msgspec

OWN = 512  # descriptors that are no client's: of the upstream, of files, of what is handed over
LEAST = 16  # connections, however few descriptors there are


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Checked before memory is taken; the times by one sweep a second, so up to a second late.

    header_bytes    request line and header fields together
    body_bytes      of one request, before anything of it is kept
    head_seconds    from the first byte of a head, or from connecting, to its end: a slow loris ends here
    body_seconds    from the end of the head to the end of the body
    idle_seconds    between two requests of a connection
    answer_seconds  that the model, or the upstream, has
    connections     at a time, from all addresses and from one (IPv6: from one /64)
    """

    header_bytes: int = 16 << 10
    body_bytes: int = 8 << 20
    head_seconds: float = 5.0
    body_seconds: float = 20.0
    idle_seconds: float = 75.0
    answer_seconds: float = 30.0
    connections: int = 4096
    connections_per_address: int = 1024


def within_descriptors(limits: Limits) -> Limits:
    """The same, with no more connections than this process may have open, as many as the system lets it have.

    Without, whoever opens as many as there are keeps everybody out, and the gateway from its own files.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + OWN
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        room = max(LEAST, soft - OWN, soft // 4)
        if room < limits.connections:
            each = min(limits.connections_per_address, max(1, room // 4))
            return msgspec.structs.replace(limits, connections=room, connections_per_address=each)
    return limits
