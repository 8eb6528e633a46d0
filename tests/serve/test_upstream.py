"""In front of a server: what is sent on, what comes back, and what a bad or dead one can do."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from ancile.serve.admission import MOST_RUNNING
from tests.cli.terminal import Place, clear
from tests.loopback import Listener
from tests.serve.small import running
from tests.serve.test_command import key, recorded

pytestmark = pytest.mark.slow

METADATA = {
    "name": "m",
    "platform": "stub",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 1]}],
}
ANSWER = {
    "model_name": "m",
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [0.123456]}],
}
Reply = Callable[[bytes], bytes | None]


def framed(document: object, status: str = "200 OK") -> bytes:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Server:
    """A server whose answers to POST are a function of the request; it keeps what it was sent."""

    def __init__(self, reply: Reply) -> None:
        self.reply, self.asked, self.closed = reply, list[bytes](), threading.Event()
        self._listener = Listener(self._serve)
        self.url, self.close = self._listener.url, self._listener.close

    def _serve(self, made: socket.socket) -> None:
        waiting = b""
        while True:
            try:
                piece = made.recv(1 << 16)
            except OSError:
                piece = b""
            if not piece:
                self.closed.set()
                return
            waiting += piece
            head, end, rest = waiting.partition(b"\r\n\r\n")
            length = int((re.search(rb"Content-Length: (\d+)", head) or [0, 0])[1])
            if not end or len(rest) < length:
                continue
            if head.startswith(b"POST"):
                self.asked.append(waiting)
            waiting = b""
            answer = self.reply(rest) if head.startswith(b"POST") else framed(METADATA)
            if answer is None:
                return
            made.sendall(answer)


@contextmanager
def server(reply: Reply) -> Iterator[Server]:
    with closing(Server(reply)) as one:
        yield one


def serving(one: Server) -> tuple[str, ...]:
    return ("--upstream", one.url, "--name", "m")


def test_only_what_was_read_is_sent_on_and_only_what_was_asked_comes_back(home: Place) -> None:
    alice = key(home, "alice", "analyst")
    with (
        server(lambda _: framed(ANSWER | {"secret": 1})) as upstream,
        running(home, *serving(upstream)) as gateway,
    ):
        client = gateway.client(alice)
        body = b'{"inputs":[{"name":"evil","shape":[1],"datatype":"FP32","data":[9]}],'
        body += b'"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}],"id":"7"}'
        answer = client("POST", "/v2/models/m/infer", body, X_Forwarded_For="1.2.3.4", Cookie="a=b")
        assert answer.said == {
            "model_name": "m",
            "id": "7",
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [0.123]}],
        }
        assert client.infer(1.0, 2.0, model="other").status == 404
    (sent,) = upstream.asked
    head = sent.partition(b"\r\n\r\n")[0].lower()
    assert b"evil" not in sent
    assert not any(name in head for name in (b"authorization", b"cookie", b"forwarded", b"ancile_"))


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (framed({"error": "no"}, "400 Bad Request"), 400),
        (framed({"error": "no"}, "500 Oops"), 502),
        (framed({"error": "no"}, "302 Found"), 502),
        (framed({"outputs": 1}), 502),
        (framed({"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [1]}]}), 502),
        (b"SSH-2.0-server\r\n", 502),
        (None, 502),
    ],
)
def test_what_the_upstream_does_wrong_is_told_in_our_words(
    home: Place, answer: bytes | None, status: int
) -> None:
    alice = key(home, "alice")
    with server(lambda _: answer) as upstream, running(home, *serving(upstream)) as gateway:
        told = gateway.client(alice).infer(1.0, 2.0, model="m")
        assert told.status == status
        assert b"no" not in told.body.split(b'"')
        assert gateway.end() == 0
    assert [r.status for r in recorded(home) if r.who == "alice"] == [status]


def test_an_upstream_that_hangs_is_given_up_and_a_client_that_leaves_frees_it(home: Place) -> None:
    config = home.folder / "ancile.toml"
    config.write_text(config.read_text("utf-8") + "\n[serve]\nanswer_seconds = 2.0\n", "utf-8")
    alice, held = key(home, "alice"), threading.Event()

    def hang(_: bytes) -> bytes:
        held.wait(30)
        return framed(ANSWER)

    with server(hang) as upstream, running(home, *serving(upstream)) as gateway:
        leaving = gateway.client(alice)
        leaving._connection.request("POST", "/v2/models/m/infer", ROW, {"Authorization": f"Bearer {alice}"})
        while not upstream.asked:
            time.sleep(0.01)
        leaving.close()
        assert gateway.client(alice).infer(1.0, 2.0, model="m").status == 504
        held.set()
        assert gateway.end() == 0
    assert sorted(r.status for r in recorded(home) if r.who == "alice") == [499, 504]


ROW = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}).encode()


def test_a_dead_upstream_is_left_alone_for_a_while(home: Place) -> None:
    alice = key(home, "alice")
    with server(lambda _: framed(ANSWER)) as upstream, running(home, *serving(upstream)) as gateway:
        client = gateway.client(alice)
        assert client.infer(1.0, 2.0, model="m").status == 200
        upstream.close()
        statuses = [client.infer(1.0, 2.0, model="m").status for _ in range(10)]
    assert statuses[0] == 502
    assert statuses[-1] == 503
    assert set(statuses) == {502, 503}


@pytest.mark.parametrize("metadata", [b"<html>", b"[]", b'{"inputs":[]}', b'{"inputs":1,"outputs":[]}'])
def test_a_server_of_another_protocol_is_refused_at_the_start(home: Place, metadata: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (
        len(metadata),
        metadata,
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"

        def once() -> None:
            made, _ = listening.accept()
            with made:
                made.recv(4096)
                made.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        said = clear(home("serve", "--upstream", url, "--name", "m", "--port", "0"))
        thread.join()
    assert "Open Inference Protocol" in said or "datatype" in said


def test_one_identitys_slow_requests_hold_up_nobody_else(home: Place) -> None:
    """64 of one identity may run; what it asks beyond them is 429, and others are answered meanwhile."""
    alice, bob, held = key(home, "alice"), key(home, "bob"), threading.Event()

    def reply(body: bytes) -> bytes:
        if b"9" in body:
            held.wait(30)
        return framed(ANSWER)

    slow = ROW.replace(b"[1, 2]}", b"[9, 9]}")
    with server(reply) as upstream, running(home, *serving(upstream)) as gateway:
        for _ in range(MOST_RUNNING):
            waiting = gateway.client(alice)
            waiting._connection.request(
                "POST", "/v2/models/m/infer", slow, {"Authorization": f"Bearer {alice}"}
            )
        while len(upstream.asked) < MOST_RUNNING:
            time.sleep(0.01)
        assert gateway.client(alice).infer(1.0, 2.0, model="m").status == 429
        assert gateway.client(bob).infer(1.0, 2.0, model="m").status == 200
        held.set()
        assert gateway.end() == 0
    assert [r.status for r in recorded(home) if r.who == "alice" and r.n == 1].count(200) == MOST_RUNNING


def test_the_fuller_the_upstream_the_less_of_it_has_one_identity(home: Place) -> None:
    """Three identities take 192 of 256 places; a fourth gets half of those that are left, not all."""
    names, held = [key(home, f"u{number}") for number in range(4)], threading.Event()

    def reply(_: bytes) -> bytes:
        held.wait(30)
        return framed(ANSWER)

    with server(reply) as upstream, running(home, *serving(upstream)) as gateway:
        for number, token in enumerate(names):
            for _ in range(MOST_RUNNING if number < 3 else MOST_RUNNING // 2):
                waiting = gateway.client(token)
                waiting._connection.request(
                    "POST", "/v2/models/m/infer", ROW, {"Authorization": f"Bearer {token}"}
                )
        while len(upstream.asked) < 7 * MOST_RUNNING // 2:
            time.sleep(0.01)
        assert gateway.client(names[3]).infer(1.0, 2.0, model="m").status == 429
        held.set()
        assert gateway.end() == 0
