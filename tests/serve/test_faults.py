"""What goes wrong around the gateway has one answer each, and nothing that was answered is lost by it."""

from __future__ import annotations

import os
import resource
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.terminal import Place
from tests.serve.loop import all_of
from tests.serve.small import row, running
from tests.serve.test_command import key, recorded, soon

pytestmark = pytest.mark.slow
ROOM = 400_000  # bytes that a file may have
TRICKS = (
    "/v2/models/line/../line/infer",
    "/v2//models/line/infer",
    "/v2/models/%6cine/infer",
    "/v2/models/line/infer/",
    "/v2/models/line/infer?x=1",
    "/v2/models/line%2finfer",
    "/V2/models/line/infer",
    "/v2/models/..%2f/infer",
    "/v2/models/line;a/infer",
    "/v2/repository/index",
    "/v2/systemsharedmemory/status",
)


def limit_files() -> None:
    """Of the child alone: what would be written beyond fails, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


def test_with_a_full_disk_nothing_is_served_without_its_record(home: Place) -> None:
    """Refused with 503 from then on; what was answered before is in the ledger after the next start."""
    config = home.folder / "ancile.toml"
    more = f"\n[serve]\nsegment_seconds = 3600.0\nsegment_records = 100000\n[serve.roles.{'x' * 900}]\n"
    role = 'may = ["infer"]\nrate = 1e6\nburst = 1000000\ndaily = 1000000\n'
    config.write_text(config.read_text("utf-8") + more + role, "utf-8")
    alice = key(home, "alice", "x" * 900)
    answered = 0
    with running(home, "line.onnx", before=limit_files) as gateway:
        client = gateway.client(alice)
        while (answer := client.infer(float(answered), 0.0)).status == 200:
            answered += 1
            assert answered * 900 < 2 * ROOM
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert client.infer(1.0, 1.0).status == 503
        assert gateway.end() in (0, 2)  # the ledger may have had no room either, which is told
    with running(home, "line.onnx") as gateway:
        assert gateway.client(alice).infer(-1.0, 0.0).status == 200
        assert gateway.end() == 0
    served = [r for r in recorded(home) if r.status == 200]
    assert len(served) == answered + 1
    assert len({r.input for r in served}) == answered + 1
    assert home("ledger", "verify").code == 0


def test_a_body_of_ten_megabytes_is_refused_unread_and_others_are_served_meanwhile(home: Place) -> None:
    alice, bob = key(home, "alice"), key(home, "bob")
    with running(home, "line.onnx") as gateway, socket.socket() as client:
        client.connect(("127.0.0.1", gateway.port))
        head = f"POST /v2/models/line/infer HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {alice}\r\n"
        client.sendall(f"{head}Content-Length: {10 << 20}\r\n\r\n".encode())
        with suppress(ConnectionError):
            client.sendall(b"[" * (1 << 20))
        assert gateway.client(bob).infer(1.0, 1.0).status == 200
        assert all_of(client).startswith(b"HTTP/1.1 413 ")


def test_no_other_spelling_of_a_path_is_served(home: Place) -> None:
    alice = key(home, "alice")
    with running(home, "line.onnx") as gateway:
        client = gateway.client(alice)
        for target in TRICKS:
            assert client("POST", target, row(1.0, 1.0)).status == 404, target
        assert client.infer(1.0, 1.0).status == 200


def test_two_gateways_of_one_home_lose_nothing_of_each_other(home: Place) -> None:
    alice, asked = key(home, "alice"), iter(range(100))
    with running(home, "line.onnx") as first:
        answers = [first.client(alice).infer(float(next(asked)), 0.0)]
        with running(home, "line.onnx") as second:
            answers += [one.client(alice).infer(float(next(asked)), 0.0) for one in (first, second, first)]
            assert second.end() == 0
        answers.append(first.client(alice).infer(float(next(asked)), 0.0))
        assert first.end() == 0
    assert {answer.status for answer in answers} == {200}
    assert len([one for one in recorded(home) if one.who == "alice"]) == len(answers)


def test_a_worker_that_cannot_be_replaced_ends_the_gateway_with_one_line(home: Place) -> None:
    """Its model was changed meanwhile: what is not the model that was looked at is not loaded."""
    with running(home, "line.onnx") as gateway:
        (home.folder / "line.onnx").write_bytes(b"no model")
        worker = Path(f"/proc/{gateway.worker()}")
        os.kill(gateway.worker(), signal.SIGKILL)
        assert soon(lambda: not worker.exists())
        assert gateway.process.wait(30) == 2
        said = gateway.said.read_text("utf-8")
    assert "another takes its place" in said
    assert said.count("ancile: error: ") == 1
