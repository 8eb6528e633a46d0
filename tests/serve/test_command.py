"""The whole gateway as a process: what it answers, what it records, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

from ancile.cli.home import need_home
from ancile.cli.ledger import reading
from ancile.serve.record import VerdictRecord
from ancile.serve.segment import KIND, records_of, waiting
from ancile.trust.leaf import parse_leaf
from tests.cli.terminal import Place, clear
from tests.serve.small import linear, running

pytestmark = pytest.mark.slow


def key(place: Place, name: str, role: str = "service") -> str:
    ended = place("user", "add", name, "--role", role)
    assert ended.code == 0, ended
    return ended.out.strip()


def recorded(place: Place) -> list[VerdictRecord]:
    """Every verdict in the ledger."""
    with chdir(place.folder):
        home = need_home(Path.cwd())
    with reading(home) as ledger:
        entries = list(ledger.entries(0, ledger.size()))
    bodies = [e.body for e in entries if e.leaf and e.body and parse_leaf(e.leaf).kind == KIND]
    return [record for body in bodies for record in records_of(body)]


def test_a_request_is_answered_rounded_and_recorded(home: Place) -> None:
    alice, bob = key(home, "alice", "analyst"), key(home, "bob", "monitor")
    with running(home, "line.onnx") as gateway:
        client = gateway.client(alice)
        answer = client.infer(1.0, 0.33333)
        assert answer.status == 200
        assert answer.said["outputs"][0]["data"] == [1.167, -0.917]
        assert client("GET", "/v2/models/line").said["inputs"] == [
            {"name": "x", "datatype": "FP32", "shape": [-1, 2]}
        ]
        assert client.infer(float("1e39"), 0.0).status == 400
        assert client.infer(1.0).status == 400
        assert client.infer(1.0, 2.0, model="other").status == 404
        assert gateway.client(bob).infer(1.0, 1.0).status == 403
        assert gateway.client().infer(1.0, 1.0).status == 401
        assert gateway.client(alice[:-1] + ("1" if alice[-1] == "0" else "0")).infer(1.0, 1.0).status == 401
        assert gateway.end() == 0
    found = [(r.who, r.said, r.guard, r.status, r.n) for r in recorded(home)]
    assert ("alice", "allow", "", 200, 1) in found
    assert found.count(("alice", "deny", "schema", 400, 1)) == 2
    assert ("alice", "deny", "route", 404, 1) in found
    assert ("bob", "deny", "permission", 403, 1) in found
    assert ("", "deny", "identity", 401, 3) in found or ("", "deny", "identity", 401, 1) in found
    assert home("ledger", "verify").code == 0
    listed = home("ledger", "log", "--kind", "verdict", "--format", "json").out.splitlines()
    assert [json.loads(line)["status"] for line in listed] == [r.status for r in recorded(home)]
    assert json.loads(home("ledger", "show", "5").out)["statement"]["predicate"]["stream"] == "verdicts"


def test_keys_change_while_it_serves(home: Place) -> None:
    with running(home, "line.onnx") as gateway:
        assert "nobody has a key yet" in gateway.said.read_text("utf-8")
        late = gateway.client(key(home, "late"))
        assert soon(lambda: late.infer(1.0, 1.0).status == 200)
        assert home("user", "revoke", "late").code == 0
        assert soon(lambda: late.infer(1.0, 1.0).status == 401)


def soon(fact: Callable[[], bool]) -> bool:
    """Whether something comes true within a minute: a machine may have much else to do."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if fact():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("victim", ["worker", "both"])
def test_no_verdict_that_was_answered_is_lost_when_it_is_killed(home: Place, victim: str) -> None:
    """With kill -9 in the middle of requests: what was answered is in the ledger, once."""
    alice = key(home, "alice")
    answered = []
    with running(home, "line.onnx") as gateway:
        client, worker = gateway.client(alice), gateway.worker()
        try:
            for number in range(3000):
                if number == 150:
                    if victim == "both":
                        os.kill(gateway.process.pid, signal.SIGKILL)
                    os.kill(worker, signal.SIGKILL)
                answer = client.infer(float(number), 0.0)
                answered.append(answer.status)
        except (OSError, http.client.HTTPException):
            client.close()
        if victim == "worker":
            assert gateway.client(alice).infer(-1.0, 0.0).status == 200  # of the worker in its place
            assert "a worker ended: signal 9; another takes its place" in gateway.said.read_text("utf-8")
            assert gateway.end() == 0
            answered.append(200)
    assert 100 <= len(answered) < 3000
    if victim == "both":
        with running(home, "line.onnx") as again:
            assert "of a run before are now in the ledger" in again.said.read_text("utf-8")
            assert again.end() == 0
    served = [r for r in recorded(home) if r.who == "alice" and r.rows]
    assert len(answered) <= len(served) <= len(answered) + 1  # one may have been recorded and not answered
    assert len({r.input for r in served}) == len(served)
    assert home("ledger", "verify").code == 0
    assert waiting(home.folder / ".ancile" / "serve" / "journal", dead=True) == []


def test_a_segment_that_was_sealed_before_a_crash_is_not_sealed_again(home: Place) -> None:
    alice = key(home, "alice")
    journal = home.folder / ".ancile" / "serve" / "journal"
    with running(home, "line.onnx") as gateway:
        gateway.client(alice).infer(1.0, 1.0)
        (path,) = journal.glob("*.open")
        data = path.read_bytes()
        assert gateway.end() == 0
    before = [r for r in recorded(home) if r.who]
    (journal / path.name).write_bytes(data)  # as if the ledger had it and the file was still there
    with running(home, "line.onnx") as gateway:
        assert gateway.end() == 0
    assert [r for r in recorded(home) if r.who] == before


def test_a_damaged_journal_is_told_and_kept(home: Place) -> None:
    journal = home.folder / ".ancile" / "serve" / "journal"
    journal.mkdir(parents=True, mode=0o700)
    (home.folder / ".ancile" / "serve").chmod(0o700)
    (journal / "1-1-1.whole").write_bytes(b"no record\n")
    assert "a journal of verdicts was changed" in clear(home("serve", "line.onnx", "--port", "0"))
    assert (journal / "1-1-1.whole").exists()


def test_the_full_profile_throttles_and_watch_never_acts(home: Place) -> None:
    config = home.folder / "ancile.toml"
    role = '\n[serve.roles.few]\nmay = ["infer"]\nrate = 0.01\nburst = 2\n'
    config.write_text(config.read_text("utf-8") + role, "utf-8")
    alice = key(home, "alice", "few")
    for profile, wanted in (("watch", [200] * 4), ("full", [200, 200, 429, 429])):
        with running(home, "line.onnx", "--profile", profile) as gateway:
            client = gateway.client(alice)
            answers = [client.infer(1.0, 1.0) for _ in range(4)]
            assert [answer.status for answer in answers] == wanted
            assert gateway.end() == 0
    assert int(answers[-1].headers["Retry-After"]) in range(90, 102)
    said = [(r.said, r.guard, r.n) for r in recorded(home)]
    assert said.count(("flag", "rate", 1)) == 2
    assert sum(n for reaction, guard, n in said if (reaction, guard) == ("throttle", "rate")) == 2


def test_binary_tensors_are_answered_in_kind(home: Place) -> None:
    alice = key(home, "alice")
    head = json.dumps(
        {
            "inputs": [
                {"name": "x", "shape": [3, 2], "datatype": "FP32", "parameters": {"binary_data_size": 24}}
            ],
            "parameters": {"binary_data_output": True},
            "id": "seven",
        }
    ).encode()
    x = np.arange(6, dtype="<f4").reshape(3, 2)
    with running(home, "line.onnx") as gateway:
        answer = gateway.client(alice)(
            "POST",
            "/v2/models/line/infer",
            head + x.tobytes(),
            Inference_Header_Content_Length=str(len(head)),
        )
    cut = int(answer.headers["Inference-Header-Content-Length"])
    assert json.loads(answer.body[:cut])["id"] == "seven"
    found = np.frombuffer(answer.body[cut:], "<f4").reshape(3, 2)
    assert np.allclose(found, x @ np.array([[1.0, -1.0], [0.5, 0.25]]))


def test_what_cannot_be_served_is_told_in_one_line(home: Place, tmp_path: Path) -> None:
    assert "either a model or an upstream" in clear(home("serve"))
    assert "either a model or an upstream" in clear(
        home("serve", "line.onnx", "--upstream", "http://127.0.0.1:1")
    )
    assert "no such profile" in clear(home("serve", "line.onnx", "--profile", "none"))
    clear(home("serve", "absent.onnx", "--port", "0"))
    (home.folder / "broken.onnx").write_bytes(linear()[:50])
    clear(home("serve", "broken.onnx", "--port", "0"))
    (home.folder / "text.onnx").write_bytes(b"not a model")
    clear(home("serve", "text.onnx", "--port", "0"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "port cannot be listened at" in clear(home("serve", "line.onnx", "--port", port))
        url = f"http://127.0.0.1:{port}"
        assert "which models" in clear(home("serve", "--upstream", url, "--port", "0"))
    assert "does not answer" in clear(home("serve", "--upstream", url, "--name", "m", "--port", "0"))
    assert "not to be asked" in clear(
        home("serve", "--upstream", "http://169.254.169.254", "--name", "m", "--port", "0")
    )
    assert "no such role" in clear(home("user", "add", "alice", "--role", "admin"))
    away = Place(tmp_path / "away")
    away.folder.mkdir()
    assert "no .ancile here" in clear(away("serve", "line.onnx"))


def test_a_walk_is_seen_silently_and_answered_less_precisely_once_that_is_sure(home: Place) -> None:
    """With a reference set: a bisection and small steps at its end, as attacks on a boundary begin."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 2)).astype(np.float32)
    np.savez(home.folder / "reference.npz", x=x, y=np.arange(1200) % 2)
    steps = [(0.5**k, -(0.5**k)) for k in range(30)] + [tuple(1e-3 * rng.normal(size=2)) for _ in range(30)]
    alice, bob = key(home, "alice"), key(home, "bob")
    for profile in ("standard", "full"):
        with running(home, "line.onnx", "--reference", "reference.npz", "--profile", profile) as gateway:
            walker, other = gateway.client(alice), gateway.client(bob)
            assert {walker.infer(float(a), float(b)).status for a, b in steps} == {200}
            assert {other.infer(float(a), float(b)).status for a, b in x[:60]} == {200}
            assert other.infer(100.0, 0.0).status == 400
            assert gateway.end() == 0
    found = recorded(home)
    assert {r.said for r in found if r.guard == "sequence" and r.who == "alice"} == {"flag"}
    assert "degrade" in {r.said for r in found if r.who == "alice"}
    assert not [r for r in found if r.guard in ("sequence", "search") and r.who == "bob"]


def test_with_no_time_allowed_every_answer_is_on_the_disk(home: Place) -> None:
    config = home.folder / "ancile.toml"
    changed = '\n[serve]\ndurable_seconds = 0.0\ninputs = "none"\n'
    config.write_text(config.read_text("utf-8") + changed, "utf-8")
    alice = key(home, "alice")
    with running(home, "line.onnx") as gateway:
        client = gateway.client(alice)
        assert [client.infer(1.0, 1.0).status for _ in range(20)] == [200] * 20
        assert gateway.end() == 0
    served = [r for r in recorded(home) if r.status == 200]
    assert len(served) == 20
    assert {r.input for r in served} == {""}


def test_a_day_goes_on_after_a_restart_and_after_a_kill(home: Place) -> None:
    config = home.folder / "ancile.toml"
    role = '\n[serve.roles.few]\nmay = ["infer"]\nrate = 1000.0\nburst = 100\ndaily = 6\n'
    config.write_text(config.read_text("utf-8") + role, "utf-8")
    alice = key(home, "alice", "few")
    with running(home, "line.onnx") as gateway:
        assert [gateway.client(alice).infer(1.0, 1.0).status for _ in range(3)] == [200] * 3
        assert gateway.end() == 0
    with running(home, "line.onnx") as gateway:
        client = gateway.client(alice)
        assert [client.infer(1.0, 1.0).status for _ in range(5)] == [200] * 3 + [429] * 2
