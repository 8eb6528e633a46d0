"""The log's side of C2SP tlog-witness: a witness is asked to cosign a checkpoint.

The only part of this room that talks to the network, and only to the URL it is given: the host is resolved
once, link-local and metadata addresses are refused, no redirect is followed.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.checkpoint import parse_head
from ancile.trust.merkle import DECIMAL
from ancile.trust.note import open_note, parse_note, parse_signatures
from ancile.trust.witness import SIZE, Answer, Request, write_request

MAX_ANSWER_BYTES = 256 * 1024
METADATA = frozenset({"fd00:ec2::254", "100.100.100.200", "192.0.0.192"})  # AWS IPv6, Alibaba, Oracle


class _Place(NamedTuple):
    """Where a URL leads, resolved once."""

    scheme: str
    host: str
    address: str
    port: int
    path: str


def cosigned(
    note: str,
    url: str,
    *,
    prove: Callable[[int], Sequence[bytes]],
    vkeys: Sequence[str],
    old: int = 0,
    timeout_seconds: float = 30.0,
) -> str:
    """The checkpoint with the cosignatures of the witness at ``url`` added, each verified.

    url    the witness's submission prefix
    prove  consistency proof from a smaller size to the checkpoint's, as ``Ledger.consistency_proof`` gives
    vkeys  the witness's trusted keys; lines by other keys are dropped
    old    size that the witness is thought to have; it is asked once more with the one it answers
    AncileError: unreachable, refused, an answer that is no cosignature by these keys.
    """
    place = _resolved(url)
    head = parse_head(parse_note(note).text)
    answer = _post(place, _request(note, old, prove), timeout_seconds)
    if answer.status == 409 and answer.content_type == SIZE:
        size = answer.body.removesuffix("\n")
        if not DECIMAL.fullmatch(size) or int(size) > head.size:
            raise _refused(url, f"it has seen size {plain(size, 30)}, the checkpoint has {head.size}")
        answer = _post(place, _request(note, int(size), prove), timeout_seconds)
    if answer.status != 200:
        raise _refused(url, f"status {answer.status}: {plain(answer.body, 100)}")
    return _joined(note, answer.body, vkeys)


def _request(note: str, old: int, prove: Callable[[int], Sequence[bytes]]) -> bytes:
    return write_request(Request(old, tuple(prove(old)) if old else (), note))


def _joined(note: str, lines: str, vkeys: Sequence[str]) -> str:
    """The note with those lines that trusted keys signed, and that it did not have."""
    parsed, answered = parse_note(note), parse_signatures(lines)
    opened = open_note(f"{parsed.text}\n" + "".join(s.line for s in answered), vkeys)
    wanted = {(s.vkey.name, s.vkey.id) for s in opened.signed} - {(s.name, s.id) for s in parsed.signatures}
    return note + "".join(s.line for s in answered if (s.name, s.id) in wanted)


def _resolved(url: str) -> _Place:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(parts.hostname or "", port, type=socket.SOCK_STREAM)
    except (ValueError, OSError) as reason:
        raise _refused(url, plain(str(reason))) from reason
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
        raise _refused(url, "it is not a plain http or https URL")
    address = str(found[0][4][0])
    if _is_off_limits(address):
        raise _refused(url, f"{address} is an address that no witness has")
    return _Place(parts.scheme, parts.hostname, address, port, parts.path.rstrip("/") + "/add-checkpoint")


def _is_off_limits(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    judged = mapped or found
    special = judged.is_link_local or judged.is_multicast or judged.is_unspecified
    return special or str(judged) in METADATA


def _post(place: _Place, body: bytes, timeout_seconds: float) -> Answer:
    connection = http.client.HTTPConnection(place.host, place.port)
    try:
        raw = socket.create_connection((place.address, place.port), timeout=timeout_seconds)
        connection.sock = raw  # connected to the address that was judged, not resolved again
        if place.scheme == "https":
            connection.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=place.host)
        connection.request("POST", place.path, body, {"Content-Type": "text/plain; charset=utf-8"})
        answer = connection.getresponse()
        text = answer.read(MAX_ANSWER_BYTES).decode("utf-8", "replace")
        return Answer(answer.status, text, answer.headers.get("Content-Type", ""))
    except (OSError, http.client.HTTPException) as reason:
        raise _refused(place.host, plain(str(reason))) from reason
    finally:
        connection.close()


def _refused(url: str, why: str) -> AncileError:
    return AncileError(
        "the witness gave no cosignature",
        value=f"{plain(url)}: {why}",
        remedy="check its URL, and that it knows this log and its keys",
    )
