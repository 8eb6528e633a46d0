"""Several workers are one gateway: every identity has one of them, and what it may is exact."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cli.terminal import Place
from tests.serve.loop import all_of
from tests.serve.small import Running, row, running
from tests.serve.test_command import key, recorded

pytestmark = pytest.mark.slow

FEW = '\n[serve.roles.few]\nmay = ["infer"]\nrate = 0.01\nburst = 7\n'
NAMES = ("alice", "bob", "carol", "dave")


def with_roles(home: Place, text: str) -> None:
    path = home.folder / "ancile.toml"
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def test_limits_are_exact_over_many_connections_and_workers(home: Place) -> None:
    """Of each identity exactly its burst is answered, however many connections it opens at a time."""
    with_roles(home, FEW)
    keys = [key(home, name, "few") for name in NAMES]
    with running(home, "line.onnx", "--workers", "3") as gateway:
        assert len(gateway.workers()) == 3

        def ask(number: int) -> tuple[int, int]:
            return number % 4, gateway.client(keys[number % 4]).infer(1.0, float(number)).status

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(ask, range(60)))
        assert gateway.client().infer(1.0, 1.0).status == 401
        assert gateway.end() == 0
    assert [found.count((one, 200)) for one in range(4)] == [7] * 4
    assert len(found) - 28 == sum(status == 429 for _, status in found)
    assert sum(r.status == 200 for r in recorded(home)) == 28
    assert home("ledger", "verify").code == 0


def test_one_connection_serves_several_identities_in_turn_each_where_it_belongs(home: Place) -> None:
    """As a proxy in front asks: the connection moves, whole bodies and those that come late with it."""
    keys = [key(home, name) for name in NAMES]
    with running(home, "line.onnx", "--workers", "3") as gateway, socket.socket() as client:
        client.connect(("127.0.0.1", gateway.port))
        for number in range(24):
            head, body = message(keys[number % 4], padding=70_000 if number % 3 == 0 else 0)
            if number % 2:
                client.sendall(head + body)
            else:
                client.sendall(head[:50])
                time.sleep(0.01)
                client.sendall(head[50:] + body[:20])
                client.sendall(body[20:])
            assert data_of(client) == [1.0, -1.0]
        client.sendall(b"GET /v2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert all_of(client).startswith(b"HTTP/1.1 401 ")
        assert gateway.end() == 0
    answered = [r.who for r in recorded(home) if r.status == 200]
    assert sorted(answered) == sorted(NAMES * 6)


def message(key: str, *, padding: int = 0) -> tuple[bytes, bytes]:
    body = row(1.0, 0.0) + b" " * padding
    head = (
        "POST /v2/models/line/infer HTTP/1.1\r\nHost: h\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


def data_of(client: socket.socket) -> Any:
    answer = http.client.HTTPResponse(client)
    answer.begin()
    said = json.loads(answer.read())
    return said["outputs"][0]["data"]


def test_a_worker_that_is_killed_is_replaced_and_loses_no_verdict(home: Place) -> None:
    """With kill -9 of each in turn, under load: what was answered is recorded once, and all are served again."""
    keys = [key(home, name) for name in NAMES]
    with running(home, "line.onnx", "--workers", "2") as gateway:
        first = gateway.workers()

        def ask(number: int) -> int:
            return answered(gateway, keys[number % 4], float(number))

        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask, number) for number in range(200)]
            for pid in first:
                os.kill(pid, signal.SIGKILL)
                time.sleep(0.1)
            found = [one.result() for one in asked]
        assert [answered(gateway, one, -1.0) for one in keys] == [200] * 4
        assert set(first).isdisjoint(gateway.workers())
        assert gateway.said.read_text("utf-8").count("another takes its place") == 2
        assert gateway.end() == 0
    count = found.count(200) + 4
    served = [r for r in recorded(home) if r.status == 200]
    assert count <= len(served) <= count + found.count(0)
    assert home("ledger", "verify").code == 0


def answered(gateway: Running, key: str, value: float) -> int:
    """The status; 0 where the connection ended with the worker that had it."""
    client = gateway.client(key)
    try:
        return client.infer(value, 0.0).status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        client.close()
