"""An upstream is told of the trace that its answer belongs to, and of nothing where there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from tests.cli.terminal import Place
from tests.loopback import web
from tests.serve.small import running
from tests.serve.telemetry.test_running import PARENT, collector, configured
from tests.serve.test_command import key

SPEC = {"name": "x", "datatype": "FP32", "shape": [-1, 2]}
ANSWER = {"outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [0.5]}]}


@contextmanager
def upstream() -> Iterator[tuple[str, list[str]]]:
    """A model server's URL, and the traceparent of each inference, empty without one."""
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._say({"name": "m", "inputs": [SPEC], "outputs": [SPEC | {"name": "y", "shape": [-1, 1]}]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            came.append(self.headers.get("traceparent", ""))
            self._say(ANSWER)

        def _say(self, document: object) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with web(Handler) as url:
        yield url, came


@pytest.mark.slow
def test_an_upstream_gets_the_trace_of_its_request_and_its_own_parent(home: Place) -> None:
    alice = key(home, "alice")
    with collector() as (collected, _), upstream() as (url, came):
        configured(home, traces=collected, sample=0.0)
        with running(home, "--upstream", url, "--name", "m") as gateway:
            client = gateway.client(alice)
            body = json.dumps({"inputs": [SPEC | {"shape": [1, 2], "data": [1.0, 2.0]}]}).encode()
            for headers in ({"traceparent": PARENT}, {}, {"traceparent": "00-forged\r"[:9]}):
                assert client("POST", "/v2/models/m/infer", body, **headers).status == 200
            assert gateway.end() == 0
    assert came[0][:36] == PARENT[:36]
    assert came[0][36:52] != PARENT[36:52]
    assert came[1:] == ["", ""]
