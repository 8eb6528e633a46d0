"""In front of a chat server: what goes through, what is refused, and what is recorded."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from tests.cli.terminal import Place, clear
from tests.serve.answer import Answer
from tests.serve.chat.stub import STREAM, chunk, event, framed, server, streamed, whole
from tests.serve.small import Running, running
from tests.serve.test_command import key, recorded

pytestmark = pytest.mark.slow
HELLO = [{"role": "user", "content": "hello"}]


def ask(gateway: Running, token: str, **more: object) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    body = json.dumps({"model": "m", "messages": HELLO} | more)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with closing(connection):
        connection.request("POST", "/v1/chat/completions", body, headers | {"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())


def test_a_chat_goes_through_whole_and_as_a_stream_and_its_tokens_are_recorded(home: Place) -> None:
    def reply(asked: dict[str, Any]) -> list[bytes]:
        return streamed("he", "llo") if asked.get("stream") else [whole(asked)]

    token = key(home, "alice")
    with (
        server(reply) as chat,
        running(home, "--upstream", f"{chat.url}/v1", "--chat", "--name", "m") as gateway,
    ):
        answer = ask(gateway, token, temperature=0.5)
        assert answer.status == 200
        assert answer.said["choices"][0]["message"]["content"] == "hello"
        answer = ask(gateway, token, stream=True)
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.body.startswith(event("he") + event("llo"))
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert gateway.end() == 0
    assert chat.asked[0]["temperature"] == 0.5
    assert b"accept-encoding: identity" in chat.heads[0].lower()
    assert token.encode() not in b"".join(chat.heads)
    found = [(one.status, one.n, one.tokens_in, one.tokens_out) for one in recorded(home) if one.who]
    assert found == [(200, 1, 3, 2), (200, 1, 0, 0), (200, 0, 3, 2)]


def test_what_may_not_be_asked_is_refused_as_openais_clients_read_it(home: Place) -> None:
    token, monitor = key(home, "alice"), key(home, "probe", "monitor")
    with (
        server(lambda asked: [whole(asked)]) as chat,
        running(home, "--upstream", chat.url, "--chat", "--name", "m") as gateway,
    ):
        for answer, status, kind in (
            (ask(gateway, "nobody"), 401, "authentication_error"),
            (ask(gateway, monitor), 403, "permission_error"),
            (ask(gateway, token, model="secret"), 404, "not_found_error"),
            (ask(gateway, token, messages=[]), 400, "invalid_request_error"),
        ):
            assert answer.status == status
            assert answer.headers["x-should-retry"] == "false"
            assert answer.said["error"]["type"] == kind
        client = gateway.client(token)
        assert [one["id"] for one in client("GET", "/v1/models").said["data"]] == ["m"]
        assert client("GET", "/v1/models/m").said["id"] == "m"
        assert client("GET", "/v1/models/secret").status == 404
        twice = b'{"model":"secret","model":"m","messages":[{"role":"user","content":"x"}]}'
        assert client("POST", "/v1/chat/completions", twice).status == 200
    assert [one["model"] for one in chat.asked] == ["m"]


def test_a_chat_that_a_person_would_have_to_look_at_is_refused(home: Place) -> None:
    config = home.folder / "ancile.toml"
    held = '\n[serve]\nreactions = { rate = "review" }\n[serve.roles.once]\nmay = ["infer"]\nrate = 0.001\nburst = 1\n'
    config.write_text(config.read_text("utf-8") + held, "utf-8")
    token = key(home, "alice", "once")
    with (
        server(lambda asked: [whole(asked)]) as chat,
        running(home, "--upstream", chat.url, "--chat", "--name", "m") as gateway,
    ):
        assert [ask(gateway, token).status for _ in range(3)] == [200, 403, 403]
        assert gateway.end() == 0
    assert len(chat.asked) == 1


def test_an_upstreams_own_refusal_is_told_where_the_client_can_do_something(home: Place) -> None:
    def reply(asked: dict[str, Any]) -> list[bytes]:
        if asked["messages"][0]["content"] == "long":
            return [framed({"error": {"message": "context is full"}}, "400 Bad Request")]
        if asked["messages"][0]["content"] == "busy":
            return [framed({"error": {"message": "later"}}, "429 Too Many", "Retry-After: 7\r\n")]
        return [framed({"error": {"message": "key sk-123 is wrong"}}, "401 Unauthorized")]

    token = key(home, "alice")
    with (
        server(reply) as chat,
        running(home, "--upstream", chat.url, "--chat", "--name", "m") as gateway,
    ):
        answer = ask(gateway, token, messages=[{"role": "user", "content": "long"}])
        assert (answer.status, answer.said["error"]["message"]) == (400, "context is full")
        answer = ask(gateway, token, messages=[{"role": "user", "content": "busy"}])
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
        assert "x-should-retry" not in answer.headers
        answer = ask(gateway, token)
        assert answer.status == 502
        assert "sk-123" not in str(answer.said)


def test_a_stream_that_breaks_off_ends_with_an_event_that_says_so(home: Place) -> None:
    def reply(_: dict[str, Any]) -> Iterator[bytes]:
        yield STREAM
        yield chunk(event("he") + b'data: {"half')
        raise OSError

    token = key(home, "alice")
    with (
        server(reply) as chat,
        running(home, "--upstream", chat.url, "--chat", "--name", "m") as gateway,
    ):
        came = ask(gateway, token, stream=True).body
        assert came.startswith(event("he") + b'data: {"error":')
        assert b"half" not in came
        assert gateway.end() == 0
    assert [(one.status, one.n) for one in recorded(home) if one.who] == [(200, 1), (502, 0)]


def test_half_an_event_that_waits_for_the_record_does_not_end_the_stream(home: Place) -> None:
    """With no age allowed to a record, what comes first waits for the disk: an empty piece would be the end."""
    half, rest = event("hello")[:9], event("hello")[9:]

    def reply(_: dict[str, Any]) -> Iterator[bytes]:
        yield STREAM + chunk(half)
        went.wait(60)
        yield chunk(rest) + b"0\r\n\r\n"

    with (home.folder / "ancile.toml").open("a", encoding="utf-8") as config:
        config.write("[serve]\ndurable_seconds = 0\n")
    token, went = key(home, "alice"), threading.Event()
    with (
        server(reply) as chat,
        running(home, "--upstream", chat.url, "--chat", "--name", "m") as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as client,
    ):
        body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
        client.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        with client.makefile("rb") as came:
            while came.readline().strip():
                pass
            went.set()
            assert came.readline() == b"%x\r\n" % len(event("hello"))


def test_a_client_that_leaves_or_does_not_read_holds_the_upstream_back(home: Place) -> None:
    """What the upstream can send beyond buffers is bounded; when the client leaves its connection ends."""
    sent = [0]
    left = threading.Event()

    def reply(_: dict[str, Any]) -> Iterator[bytes]:
        yield STREAM
        for _number in range(2000):
            yield chunk(event("x" * 60_000))
            sent[0] += 1
        left.set()

    token = key(home, "alice")
    with (
        server(reply) as chat,
        running(home, "--upstream", chat.url, "--chat", "--name", "m") as gateway,
    ):
        body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as slow:
            slow.sendall(head.encode() + body)
            assert slow.recv(100).startswith(b"HTTP/1.1 200")
            assert ask(gateway, token, model="secret").status == 404  # others are served meanwhile
            assert not left.wait(1)
            assert sent[0] < 1000
        assert chat.closed.wait(60)


def test_what_is_no_chat_server_and_a_model_that_it_does_not_have_are_one_line(home: Place) -> None:
    with server(lambda asked: [whole(asked)]) as chat:
        ran = home("serve", "--upstream", chat.url, "--chat", "--name", "other", "--port", "0")
        assert "no such model" in clear(ran)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    assert "does not answer" in clear(
        home("serve", "--upstream", url, "--chat", "--name", "m", "--port", "0")
    )
    assert "either" in clear(home("serve", "line.onnx", "--chat", "--port", "0"))


def test_a_stream_that_runs_when_the_end_is_asked_for_is_answered_whole(home: Place) -> None:
    go_on = threading.Event()

    def reply(_: dict[str, Any]) -> Iterator[bytes]:
        head, first, *rest = streamed("he", "llo")
        yield head + first
        assert go_on.wait(60)
        yield from rest

    token = key(home, "alice")
    with (
        server(reply) as chat,
        running(home, "--upstream", chat.url, "--chat", "--name", "m") as gateway,
    ):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        with closing(connection):
            body = json.dumps({"model": "m", "messages": HELLO, "stream": True})
            connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {token}"})
            with connection.getresponse() as answer:
                assert answer.fp.readline().strip()  # the first event is there
                gateway.process.terminate()
                with suppress(ConnectionRefusedError, ConnectionResetError):  # until nobody new is let in
                    while True:
                        socket.create_connection(("127.0.0.1", gateway.port)).close()
                go_on.set()
                assert b"[DONE]" in answer.fp.read()
        assert gateway.process.wait(60) == 0
