"""Alerts arrive signed at targets that were allowed, and nowhere else."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from ancile.core.errors import AncileError
from ancile.serve.incidents.config import Alerts, Mail, Webhook
from ancile.serve.incidents.sender import Told, place_for, tell
from tests.loopback import web

DOCUMENT = {
    "id": "inc-000000000001", "rule": "flood", "title": "one asks too much", "severity": "medium",
    "first": "2026-01-01", "last": "2026-01-02", "count": 7, "advice": "ask", "who": [{"name": "a", "count": 7}],
}  # fmt: skip
SECRET = "0123456789abcdef0123456789abcdef"


class Hook(NamedTuple):
    """Where a server listens, and what it was sent."""

    url: str
    came: list[tuple[dict[str, str], bytes]]


@contextmanager
def hooked(*statuses: int) -> Iterator[Hook]:
    """A server that answers with these statuses in turn, the last for ever."""
    left, came = list(statuses), list[tuple[dict[str, str], bytes]]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.send_header("Location", "http://169.254.169.254/")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with web(Handler) as url:
        yield Hook(f"{url}/alerts", came)


def alerts(*, url: str = "", networks: tuple[str, ...] = ("127.0.0.0/8",), **changed: Any) -> Alerts:
    webhooks = (Webhook(url=url, secret_variable="HOOK"),) if url else ()
    return Alerts(hosts=("127.0.0.1", "localhost"), networks=networks, webhooks=webhooks, **changed)


def told(
    target: Webhook | Mail, of: Alerts, environment: Mapping[str, str] | None = None
) -> tuple[Told, list[float]]:
    waits: list[float] = []
    given = {"HOOK": SECRET} if environment is None else environment
    return tell(target, DOCUMENT, of, environment=given, wait=waits.append), waits


def test_a_webhook_gets_the_incident_signed_with_its_time() -> None:
    with hooked(204) as hook:
        to = alerts(url=hook.url)
        assert told(to.webhooks[0], to)[0] == Told(id="inc-000000000001", target="127.0.0.1")
    ((headers, body),) = hook.came
    assert json.loads(body) == DOCUMENT
    wanted = hmac.new(SECRET.encode(), f"{headers['Ancile-Timestamp']}.".encode() + body, hashlib.sha256)
    assert headers["Ancile-Signature"] == f"v1={wanted.hexdigest()}"
    assert headers["Ancile-Delivery"] == DOCUMENT["id"]


@pytest.mark.parametrize(
    ("statuses", "tries", "failed"),
    [((503, 429, 200), 3, ""), ((500,), 4, "500, after 4 attempts"), ((403,), 1, "403"), ((302,), 1, "302")],
)
def test_it_is_tried_again_where_that_may_help_and_no_redirect_is_followed(
    statuses: tuple[int, ...], tries: int, failed: str
) -> None:
    with hooked(*statuses) as hook:
        to = alerts(url=hook.url)
        found, waits = told(to.webhooks[0], to)
    assert len(hook.came) == tries
    assert waits == [1.0, 2.0, 4.0][: tries - 1]
    assert failed in found.failed if failed else not found.failed


def test_a_target_that_is_not_there_is_given_up() -> None:
    with hooked(200) as hook:
        url = hook.url
    to = alerts(url=url, attempts=2)
    assert "after 2 attempts" in told(to.webhooks[0], to)[0].failed


def test_a_name_without_an_address_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nowhere(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror(-3, "temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    hook = Webhook(url="https://hooks.example/", secret_variable="HOOK")
    to = Alerts(hosts=("hooks.example",), webhooks=(hook,))
    assert "no address" in told(hook, to)[0].failed
    assert asked == ["hooks.example"] * 4


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/x", "http://[fd00:ec2::254]/x", "http://100.100.100.200/"]
)
def test_metadata_services_are_never_asked_whatever_the_networks_say(url: str) -> None:
    with pytest.raises(AncileError, match="not to be asked"):
        place_for(url, Alerts(networks=("0.0.0.0/0", "::/0")))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "[::1]",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]",
        "[2002:a00:1::]",
        "100.64.0.1",
    ],
)
def test_addresses_that_are_not_public_are_asked_only_where_their_network_is_named(host: str) -> None:
    with pytest.raises(AncileError, match="not public"):
        place_for(f"https://{host}/x", Alerts())
    assert place_for(f"https://{host}/x", Alerts(networks=("0.0.0.0/0", "::/0"))).path == "/x"


def test_nothing_travels_in_the_clear_beyond_this_machine() -> None:
    with pytest.raises(AncileError, match="in the clear"):
        place_for("http://10.0.0.1/x", Alerts(networks=("10.0.0.0/8",)))


@pytest.mark.parametrize(("environment", "said"), [({}, "is empty"), ({"HOOK": "short"}, "too short")])
def test_without_a_good_secret_nothing_is_sent(environment: dict[str, str], said: str) -> None:
    with hooked(200) as hook:
        to = alerts(url=hook.url)
        assert said in told(to.webhooks[0], to, environment)[0].failed
    assert hook.came == []


def test_a_secret_in_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n", "utf-8")
    path.chmod(0o600)
    with hooked(200) as hook:
        target = Webhook(url=hook.url, secret_file=str(path))
        of = Alerts(hosts=("127.0.0.1",), networks=("127.0.0.0/8",), webhooks=(target,))
        assert not told(target, of, {})[0].failed
        path.chmod(0o644)
        assert "read" in told(target, of, {})[0].failed
    assert len(hook.came) == 1


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"webhooks": [{"url": "https://other.example/", "secret_variable": "A"}]}, "not to other.example"),
        ({"mail": [{"host": "x", "sender": "a@b", "to": ["c@d"]}]}, "not to x"),
        ({"webhooks": [{"url": "https://h/", "secret_variable": "A", "secret_file": "f"}]}, "secret_file or"),
        ({"webhooks": [{"url": "https://h/"}]}, "secret_file or"),
        ({"webhooks": [{"url": "http://[", "secret_variable": "A"}]}, "Invalid"),
        ({"mail": [{"host": "h", "sender": "a@b\n", "to": ["c@d"]}]}, "not an address"),
        ({"mail": [{"host": "h", "sender": "a@b", "to": []}]}, "recipients"),
        ({"mail": [{"host": "h", "sender": "a@b", "to": ["c@d"], "user": "u"}]}, "password"),
        ({"networks": ["x"]}, "does not appear"),
        ({"attempts": 0}, "attempts"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(table: dict[str, object], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert({"hosts": ["h"]} | table, Alerts)


class Box:
    """Keeps mails; of one subject in four it wants to hear later."""

    def __init__(self, *codes: str) -> None:
        self.codes, self.mails = list(codes), list[tuple[list[str], bytes]]()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.mails.append((envelope.rcpt_tos, envelope.content))
        return self.codes.pop(0) if self.codes else "250 kept"


@contextmanager
def box(*codes: str, **options: Any) -> Iterator[tuple[Box, int]]:
    kept, loop = Box(*codes), asyncio.new_event_loop()
    server = loop.run_until_complete(
        loop.create_server(lambda: SMTP(kept, loop=loop, hostname="box.example", **options), "127.0.0.1", 0)
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield kept, server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(_over(loop))
        loop.close()


async def _over(loop: asyncio.AbstractEventLoop) -> None:
    """What handles connections comes to its end."""
    others = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def test_a_mail_arrives_once_and_shows_nothing_that_a_terminal_obeys() -> None:
    with box("451 later", "250 kept") as (kept, port):
        target = Mail(
            host="127.0.0.1", port=port, tls="none", sender="gateway@example.org", to=("ops@example.org",)
        )
        found, waits = told(target, alerts())
    assert (found.failed, waits) == ("", [1.0])
    recipients, content = kept.mails[-1]
    mail = message_from_bytes(content)
    assert recipients == ["ops@example.org"]
    assert mail["Subject"] == "ancile: medium: one asks too much"
    assert "ancile incident show inc-000000000001" in mail.get_payload()


def test_a_mail_server_that_refuses_or_has_no_tls_gets_no_second_try() -> None:
    with box("550 no") as (kept, port):
        target = Mail(host="127.0.0.1", port=port, tls="none", sender="g@example.org", to=("o@example.org",))
        assert "550" in told(target, alerts())[0].failed
        plain = msgspec.structs.replace(target, tls="starttls")
        assert "NotSupported" in told(plain, alerts())[0].failed
    assert len(kept.mails) == 1


def test_a_mail_server_gets_the_password_of_its_user() -> None:
    def right(*arguments: Any) -> AuthResult:
        given = arguments[-1]
        assert isinstance(given, LoginPassword)
        return AuthResult(success=given.password == b"right", handled=False)

    with box(authenticator=right, auth_require_tls=False) as (kept, port):
        target = Mail(
            host="127.0.0.1", port=port, tls="none", sender="g@example.org", to=("o@example.org",),
            user="g", password_variable="WORD",
        )  # fmt: skip
        assert not told(target, alerts(), {"WORD": "right"})[0].failed
        assert "535" in told(target, alerts(), {"WORD": "wrong"})[0].failed
    assert len(kept.mails) == 1
