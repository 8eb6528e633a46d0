"""A connection goes to another worker with what was read of it, plain or under TLS; a full inbox is told."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ancile.serve.door import Door
from ancile.serve.framing import Connection
from ancile.serve.handover import Elsewhere, Siblings, inboxes
from ancile.serve.limits import Limits
from ancile.serve.refusal import Refused
from ancile.serve.tls import Tls
from ancile.serve.tls_config import TlsConfig
from tests.serve.loop import Echo, all_of


def sends_away(_: Connection) -> Refused | None:
    raise Elsewhere(1)


def certified(folder: Path) -> tuple[Tls, ssl.SSLContext]:
    """A door's and a client's, with a certificate for loopback."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(pem)
    )
    tls = Tls(TlsConfig(certificate=str(path), key=str(path)))
    return tls, ssl.create_default_context(cafile=str(path))


class Two:
    """Two doors in one loop: the first sends every request to the second."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tls: Tls | None) -> None:
        self.pairs = inboxes(2)
        numbers = [[one.fileno() for one in pair] for pair in self.pairs]
        self.siblings = [
            Siblings(
                index, [socket.dup(write) for write, _ in numbers], socket.dup(numbers[index][1]), loop=loop
            )
            for index in range(2)
        ]
        self.first, self.second = Echo(sends_away), Echo()
        self.doors = [
            Door(one, limits=Limits(), loop=loop, tick=lambda _: None, tls=tls, siblings=siblings)
            for one, siblings in zip((self.first, self.second), self.siblings, strict=True)
        ]
        self.listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.address = self.listening[0].getsockname()

    async def close(self) -> None:
        for siblings, door in zip(self.siblings, self.doors, strict=True):
            siblings.close()
            await door.drain()
        for pair in self.pairs:
            for one in pair:
                one.close()


@contextmanager
def two(tls: Tls | None = None) -> Iterator[tuple[asyncio.Runner, Two]]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        made = Two(runner.get_loop(), tls)
        yield runner, made
        runner.run(made.close())


def request(body: bytes) -> bytes:
    return b"POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


@pytest.mark.parametrize("size", [10, 60_000, 3_000_000])
@pytest.mark.parametrize("secure", [False, True])
def test_a_request_is_answered_by_the_other_worker(tmp_path: Path, size: int, secure: bool) -> None:
    tls, asks = certified(tmp_path) if secure else (None, None)
    body = bytes(range(256)) * (size // 256 + 1)

    def ask(address: tuple[str, int]) -> bytes:
        with socket.create_connection(address, timeout=60) as plain:
            client = asks.wrap_socket(plain, server_hostname="127.0.0.1") if asks else plain
            with client:
                client.sendall(request(body))
                return all_of(client)

    async def story(doors: Two) -> None:
        await doors.doors[1].open(doors.listening[1])
        loop = asyncio.get_running_loop()
        await doors.doors[0].open(doors.listening[0])
        answer = await loop.run_in_executor(None, ask, doors.address)
        assert answer.partition(b"\r\n\r\n")[2] == body
        assert doors.first.served == []
        assert [one[2] for one in doors.second.served] == [body]
        assert doors.first.left == doors.second.left == 0
        assert doors.doors[0].busy == 0

    with two(tls) as (runner, doors):
        runner.run(story(doors))


def test_where_the_inbox_is_full_the_client_is_told_when_to_come_again() -> None:
    def ask(address: tuple[str, int]) -> bytes:
        with socket.create_connection(address, timeout=60) as client:
            client.sendall(request(b"x" * 20_000))
            return all_of(client)

    async def story(doors: Two) -> None:
        await doors.doors[0].open(doors.listening[0])  # and nobody reads the other's inbox
        loop = asyncio.get_running_loop()
        asking = [loop.run_in_executor(many, ask, doors.address) for _ in range(40)]
        done, waiting = await asyncio.wait(asking, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        answer = done.pop().result()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1\r\n" in answer
        await doors.doors[1].open(doors.listening[1])
        for one in await asyncio.gather(*waiting):
            assert one.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 "))

    with ThreadPoolExecutor(40) as many, two() as (runner, doors):
        runner.run(story(doors))
