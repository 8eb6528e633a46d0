"""Stock clients against the gateway, each in its environment (bench/clients.txt, bench/mlserver.txt).

Without these environments what they send is replayed as it was captured.
"""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import Place
from tests.serve.chat.stub import server, streamed, whole
from tests.serve.loop import all_of
from tests.serve.small import Running, row, running
from tests.serve.test_command import key

BENCH = Path(__file__).parents[2] / "bench"
ENVIRONMENTS = {
    "triton": "clients",
    "triton-aio": "clients",
    "kserve": "clients",
    "openai": "clients",
    "mlserver": "mlserver",
}
SCORES = [[2.0, -0.5]]  # of the row (1, 2)
pytestmark = pytest.mark.slow


def client(name: str, gateway: Running, token: str) -> list[Any]:
    """What a client says that it got; skips where its environment was never made."""
    home = BENCH / f".{ENVIRONMENTS[name]}"
    if not (home / ".ready").exists():
        pytest.skip(f"no environment: python bench/environments.py {home.name[1:]} makes it")
    command = [str(home / "bin" / "python"), str(BENCH / "serve_clients.py"), name, str(gateway.port), token]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    found: list[Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


@pytest.mark.peers
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("triton", ["FP32", SCORES, SCORES, SCORES, SCORES, "404"]),
        ("triton-aio", [SCORES, SCORES]),
        ("kserve", [SCORES, SCORES]),
        ("mlserver", [SCORES[0]]),
    ],
)
def test_clients_of_the_open_inference_protocol_work_unchanged(
    home: Place, name: str, wanted: list[Any]
) -> None:
    token = key(home, "alice")
    with running(home, "line.onnx") as gateway:
        assert client(name, gateway, token) == wanted


@pytest.mark.peers
def test_openais_client_works_unchanged(home: Place) -> None:
    def reply(asked: dict[str, Any]) -> list[bytes]:
        return streamed("he", "llo") if asked.get("stream") else [whole(asked)]

    token = key(home, "alice")
    with (
        server(reply) as chat,
        running(home, "--upstream", chat.url, "--chat", "--name", "m") as gateway,
    ):
        found = client("openai", gateway, token)
    assert found == [["m"], "hello", 5, "hello", "no such model here", 401]


def raw(gateway: Running, head: str, body: bytes, token: str) -> bytes:
    """The answer to a request as some client frames it: head and body in writes of their own."""
    lines = f"{head}\r\nHost: h\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as made:
        made.sendall(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode())
        made.sendall(body)
        return all_of(made)


def test_what_stock_clients_were_seen_to_send_is_answered(home: Place) -> None:
    """tritonclient: no Content-Type, and a binary answer to JSON; its aio form and KServe: lower-case names."""
    token, infer = key(home, "alice"), "POST /v2/models/line/infer HTTP/1.1"
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    asked = {"id": "7", "inputs": [tensor], "parameters": {"binary_data_output": True}}
    written = json.dumps(asked).encode()
    binary = written + b"\x00\x00\x80\x3f\x00\x00\x00\x40"
    length = f"Inference-Header-Content-Length: {len(written)}"
    with running(home, "line.onnx") as gateway:
        answer = raw(gateway, f"{infer}\r\nUser-Agent: python/gevent-http-client\r\n{length}", binary, token)
        assert answer.endswith(b"\x00\x00\x00\x40\x00\x00\x00\xbf")
        kserve = json.loads(row(1.0, 2.0)) | {"model_name": "line", "id": "8"}
        answer = raw(
            gateway, f"{infer}\r\ncontent-type: application/json", json.dumps(kserve).encode(), token
        )
        assert b'"data":[2.0,-0.5]' in answer
        answer = raw(gateway, f"{infer}\r\n{length.lower()}\r\naccept-encoding: gzip, br", binary, token)
        assert answer.startswith(b"HTTP/1.1 200 ")
        stale = raw(gateway, f"{infer}\r\n{length}", row(1.0, 2.0), token)  # of a headers dict used again
        assert stale.startswith(b"HTTP/1.1 400 ")
