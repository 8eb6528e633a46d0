"""Over TLS: what is spoken, who comes in, and what a handshake may cost."""

from __future__ import annotations

import shutil
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.serve.framing import Connection
from ancile.serve.refusal import JSON
from ancile.serve.tls import Tls
from ancile.serve.tls_config import TlsConfig
from tests.serve.loop import Echo, Opened, all_of, opened
from tests.serve.pki import Authority

ASK = b"POST /v2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"


class Who(Echo):
    """Answers with the URI of the client's certificate."""

    def serve(self, exchange: Connection) -> None:
        exchange.answer(200, JSON, exchange.certificate.encode())


def client(ca: Path, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


def ask(door: Opened, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", door.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as made,
    ):
        made.sendall(ASK)
        return all_of(made)


def config(pair: tuple[Path, Path], ca: Path | None = None, **limits: float) -> TlsConfig:
    return TlsConfig(
        certificate=str(pair[0]),
        key=str(pair[1]),
        client_ca="" if ca is None else str(ca),
        handshake_burst=int(limits.get("burst", 200)),
        handshakes=limits.get("rate", 20.0),
    )


def test_a_request_over_tls_is_answered(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    with opened(Echo(), tls=Tls(config(ca.issue("gateway")))) as door:
        assert ask(door, client(ca.file)).endswith(b"\r\n\r\nhi")


def test_what_is_older_than_tls_1_2_is_not_spoken(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    context = client(ca.file)
    context.set_ciphers("ALL:@SECLEVEL=0")  # or OpenSSL would not even offer it
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        opened(Echo(), tls=Tls(config(ca.issue("gateway")))) as door,
        pytest.raises(ssl.SSLError, match=r"(?i)alert|eof"),
    ):
        ask(door, context)


def test_a_request_in_the_clear_gets_no_answer_from_a_listener_with_tls(tmp_path: Path) -> None:
    ca, echo = Authority(tmp_path), Echo()
    with opened(echo, tls=Tls(config(ca.issue("gateway")))) as door:
        assert b"HTTP" not in door.ask(ASK)
    assert not echo.served


def test_a_client_is_known_by_the_uri_in_its_verified_certificate(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    with opened(Who(), tls=Tls(config(ca.issue("gateway"), ca.file))) as door:
        named = client(ca.file, ca.issue("robot", "spiffe://plant/robot"))
        assert ask(door, named).endswith(b"\r\n\r\nspiffe://plant/robot")
        of_two = client(ca.file, ca.issue("two", "spiffe://plant/a", "spiffe://plant/b"))
        assert ask(door, of_two).endswith(b"\r\n\r\n")


def test_without_a_certificate_of_the_right_authority_nobody_comes_in(tmp_path: Path) -> None:
    ca, other, who = Authority(tmp_path), Authority(tmp_path, "other"), Who()
    with opened(who, tls=Tls(config(ca.issue("gateway"), ca.file))) as door:
        for context in (client(ca.file), client(ca.file, other.issue("forged", "spiffe://plant/robot"))):
            came = b""
            with suppress(OSError):  # TLS 1.3 tells it with the first read, or ends
                came = ask(door, context)
            assert came == b""
    assert not who.served


def test_a_new_certificate_is_taken_over_while_the_listener_runs(tmp_path: Path) -> None:
    old, new = Authority(tmp_path), Authority(tmp_path, "new")
    files = old.issue("gateway")
    tls = Tls(config(files))
    with opened(Echo(), tls=tls) as door:
        for made, given in zip(new.issue("renewed"), files, strict=True):
            shutil.copy(made, given)
        door.loop.call_soon_threadsafe(tls.tick, 0.0)
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(door, client(old.file))
        assert ask(door, client(new.file)).endswith(b"hi")


def test_half_a_change_leaves_the_old_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ca = Authority(tmp_path)
    files = ca.issue("gateway")
    tls = Tls(config(files))
    before = tls.context
    shutil.copy(ca.issue("renewed")[0], files[0])
    tls.tick(0.0)
    assert tls.context is before
    assert "stays as it was" in capsys.readouterr().err


def test_an_address_has_so_many_handshakes_and_then_waits(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    tls = Tls(config(ca.issue("gateway"), burst=3, rate=1.0))
    assert [tls.admits("10.0.0.1", 100.0) for _ in range(4)] == [True, True, True, False]
    assert tls.admits("10.0.0.2", 100.0)
    assert tls.admits("10.0.0.1", 101.0)
    assert [tls.admits(f"2001:db8::{n}", 100.0) for n in range(4)] == [True, True, True, False]
    tls.tick(1000.0)
    assert not tls._arrivals


def test_over_its_handshakes_an_address_is_not_served(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    with opened(Echo(), tls=Tls(config(ca.issue("gateway"), burst=1, rate=0.01))) as door:
        assert ask(door, client(ca.file)).endswith(b"hi")
        with pytest.raises(OSError, match=r"(?i)reset|eof"):
            ask(door, client(ca.file))


def test_files_that_are_no_certificate_end_it_before_it_serves(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    certificate, key = ca.issue("gateway")
    for pair in ((certificate, ca.issue("other")[1]), (key, certificate), (certificate, tmp_path / "none")):
        with pytest.raises(AncileError, match="certificate of the listener"):
            Tls(config(pair))
