"""The process that tells of incidents: it has the secrets of the targets, and no key of the home.

Its order comes on stdin; what became of it goes to stdout, one line of JSON each. It ends when all is told or
given up.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from ancile.core.errors import AncileError
from ancile.core.place import Address, Place, carried, place_of
from ancile.core.text import plain
from ancile.serve.incidents.config import Alerts, Mail, Webhook
from ancile.serve.incidents.mail import send
from ancile.serve.incidents.webhook import Again, post
from ancile.trust.private_file import read_private

FIRST_WAIT_SECONDS = 1.0  # doubled after each attempt
LARGEST_SECRET = 4096
SHORTEST_SECRET = 16  # bytes; a shorter one can be tried out from one alert that was overheard


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts to be told, and where."""

    alerts: Alerts
    documents: tuple[dict[str, object], ...]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one alert at one target; ``failed`` is empty where it arrived."""

    id: str
    target: str
    failed: str = ""


def main() -> int:
    """Tell all targets of all alerts."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    for document in order.documents:
        for target in order.alerts.targets:
            told = tell(target, document, order.alerts, environment=os.environ, wait=time.sleep)
            os.write(1, msgspec.json.encode(told) + b"\n")
    return 0


def tell(
    target: Webhook | Mail,
    document: Mapping[str, object],
    alerts: Alerts,
    *,
    environment: Mapping[str, str],
    wait: Callable[[float], None],
) -> Told:
    """Send to one target, again while there is hope, and say what became of it."""
    said = ""
    for attempt in range(alerts.attempts):
        if attempt:
            wait(FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
        try:
            _send(target, document, alerts, environment=environment)
        except Again as reason:
            said = f"{reason}, after {attempt + 1} attempts"
        except AncileError as error:
            said = str(error)
            if not isinstance(error.__cause__, socket.gaierror):  # a name may have an address again
                break
        else:
            return Told(id=str(document["id"]), target=target.host)
    return Told(id=str(document["id"]), target=target.host, failed=plain(said, 300))


def _send(
    target: Webhook | Mail, document: Mapping[str, object], alerts: Alerts, *, environment: Mapping[str, str]
) -> None:
    if isinstance(target, Mail):
        place = place_for(
            f"{'http' if target.tls == 'none' else 'https'}://{_bracketed(target.host)}:{target.port}", alerts
        )
        password = (
            _secret(target.password_file, target.password_variable, environment) if target.user else b""
        )
        send(target, place, document, password=password.decode("utf-8", "replace"))
        return
    secret = _secret(target.secret_file, target.secret_variable, environment)
    if len(secret) < SHORTEST_SECRET:
        raise AncileError(
            "the secret of a webhook is too short",
            value=f"{len(secret)} bytes for {target.host}",
            remedy=f"make one of at least {SHORTEST_SECRET}: openssl rand -hex 32",
        )
    body = msgspec.json.encode(document)
    post(place_for(target.url, alerts), body, secret=secret, id_=str(document["id"]), time=int(time.time()))


def place_for(url: str, alerts: Alerts) -> Place:
    """Where a target leads, resolved now; AncileError for an address that alerts must not go to."""
    place = place_of(url, form="give it like https://hooks.example.org/ancile")
    networks = [ipaddress.ip_network(one) for one in alerts.networks]
    for address in place.addresses:
        inner = carried(address) or address
        if not (_is_public(inner) or any(inner in network for network in networks)):
            raise AncileError(
                "alerts do not go to an address that is not public",
                value=f"{place.host}: {address}",
                remedy="add its network to [serve.alerts] networks, where that is meant",
            )
        if place.scheme == "http" and not inner.is_loopback:
            raise AncileError(
                "an alert would travel in the clear", value=place.url(), remedy="use https, or TLS for mail"
            )
    return place


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _secret(file: str, variable: str, environment: Mapping[str, str]) -> bytes:
    """The secret, without the end of its line."""
    if file:
        return read_private(Path(file), limit=LARGEST_SECRET).strip()
    found = environment.get(variable, "").strip()
    if not found:
        raise AncileError(
            "the variable with a secret is empty", value=variable, remedy="set it where `ancile serve` starts"
        )
    return found.encode("utf-8", "surrogateescape")


if __name__ == "__main__":
    sys.exit(main())
