"""Where a URL leads: every address judged, none looked up twice, the judged one connected to."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from ancile.core.errors import AncileError
from ancile.core.place import Place, connection_to, forbidden, place_of, within

LOOPBACK = ipaddress.ip_address("127.0.0.1")


def entry(address: str) -> tuple[int, int, int, str, tuple[str, int]]:
    return (2, 1, 6, "", (address, 80))


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::ffff:100.100.100.200",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "192.0.0.192",
        "0.0.0.0",  # noqa: S104 - refused, not bound
        "224.0.0.1",
        "::",
    ],
)
def test_link_local_and_metadata_addresses_are_forbidden_in_every_spelling(address: str) -> None:
    assert forbidden(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "192.168.0.9", "::1", "2001:db8::1", "8.8.8.8", "64:ff9b::808:808"]
)
def test_ordinary_addresses_are_allowed(address: str) -> None:
    assert not forbidden(ipaddress.ip_address(address))


@pytest.mark.parametrize("last", ["169.254.1.1", "fe80::1%eth0", "100.100.100.200"])
def test_one_forbidden_address_among_several_refuses_the_host(
    monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [entry("192.0.2.1"), entry(last)])
    with pytest.raises(AncileError, match="not to be asked"):
        place_of("http://rebinding.example/a", form="")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://127.0.0.1/", "not a URL"),
        ("http://", "not a URL"),
        ("http://[", "not a URL"),
        ("http://name:secret@host:99999/", "not a URL"),
        ("http://user:secret@127.0.0.1/", "more than a place"),
        ("http://127.0.0.1/?token=secret", "more than a place"),
        ("http://127.0.0.1/#secret", "more than a place"),
        ("http://127.0.0.1/a b", "not a URL"),
        ("http://127.0.0.1/ä", "not a URL"),
        ("http://no-such-host.invalid/", "no address"),
    ],
)
def test_what_is_no_plain_url_is_refused_and_its_secrets_are_not_shown(url: str, words: str) -> None:
    with pytest.raises(AncileError, match=words) as caught:
        place_of(url, form="a form")
    assert "secret" not in str(caught.value)


def test_a_place_is_written_as_its_url() -> None:
    place = place_of("https://[::1]/v2/", form="")
    assert (place.url(), place.authority(), place.port) == ("https://[::1]:443/v2", "[::1]:443", 443)
    assert place_of("http://127.0.0.1:80", form="").addresses == (LOOPBACK,)


@pytest.fixture
def listening() -> Iterator[int]:
    """A port that greets each connection in a way that is no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            try:
                while True:
                    taken, _ = server.accept()
                    with taken:
                        taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            except OSError:
                return

        thread = threading.Thread(target=greet)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_the_judged_addresses_are_tried_in_turn_and_the_name_never_again(
    listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the first of them nobody listens."""
    real = socket.getaddrinfo

    def by_number(host: str, *rest: object, **more: object) -> object:
        ipaddress.ip_address(host)  # a name here is a second look-up
        return real(host, *rest, **more)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(socket, "getaddrinfo", by_number)
    place = Place("http", "twice.example", listening, "", (ipaddress.ip_address("127.0.0.2"), LOOPBACK))
    with closing(connection_to(place, connect_seconds=5, seconds=5)) as connection:
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.read() == b"hi"
    with pytest.raises(OSError, match="refused"):
        connection_to(
            place._replace(addresses=(ipaddress.ip_address("127.0.0.2"),)), connect_seconds=5, seconds=5
        )


def test_a_server_without_tls_is_an_error_where_tls_is_asked_for(listening: int) -> None:
    place = Place("https", "twice.example", listening, "", (LOOPBACK,))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connection_to(place, connect_seconds=5, seconds=5)


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    ],
)
def test_an_answer_that_comes_a_byte_at_a_time_ends_in_time(head: bytes, more: bytes) -> None:
    """Each piece comes within the socket's timeout; the whole does not."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        done = threading.Event()

        def drip() -> None:
            with server.accept()[0] as one, suppress(OSError):
                one.sendall(head)
                while not done.wait(0.01):
                    one.sendall(more)

        thread = threading.Thread(target=drip)
        thread.start()
        place = place_of(f"http://127.0.0.1:{server.getsockname()[1]}/v2", form="")
        connection = connection_to(place, connect_seconds=30, seconds=30)
        late = pytest.raises(TimeoutError, match=r"no whole answer in 0\.3 seconds")
        with closing(connection), late:
            exchange(connection)
        done.set()
        thread.join()


def exchange(connection: http.client.HTTPConnection) -> bytes:
    with within(connection, 0.3):
        connection.request("GET", "/v2")
        return connection.getresponse().read()
