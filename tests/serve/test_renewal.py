"""SIGHUP: policies, roles, certificate and model are read again while the gateway serves."""

from __future__ import annotations

import os
import pty
import re
import signal
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

from ancile.cli.home import need_home
from ancile.cli.ledger import reading
from ancile.serve.segment import KIND, predicate_of
from ancile.trust.leaf import parse_leaf
from tests.cli.terminal import Place
from tests.serve.small import Running, linear, running
from tests.serve.test_command import key, recorded, soon

pytestmark = pytest.mark.slow
NOTHING = "forbid(principal, action, resource);\n"


def hang_up(gateway: Running, says: str) -> None:
    """SIGHUP, and wait for what it says of it."""
    before = len(gateway.said.read_text("utf-8"))
    gateway.process.send_signal(signal.SIGHUP)
    assert soon(lambda: says in gateway.said.read_text("utf-8")[before:]), gateway.said.read_text("utf-8")


def configured(home: Place, table: str) -> None:
    config = home.folder / "ancile.toml"
    config.write_text(config.read_text("utf-8") + table, "utf-8")


def test_policies_and_roles_change_without_a_restart_and_the_record_says_which_were_in_force(
    home: Place,
) -> None:
    alice = key(home, "alice", "analyst")
    policies = home.folder / "mine.cedar"
    policies.write_text((Path(__file__).parents[2] / "src/ancile/serve/policies.cedar").read_text(), "utf-8")
    configured(home, '\n[serve]\npolicies = "mine.cedar"\n')
    with running(home, "line.onnx") as gateway:
        old = gateway.worker()
        assert gateway.client(alice).infer(1.0, 0.33333).said["outputs"][0]["data"] == [1.167, -0.917]
        configured(home, '[serve.roles.analyst]\nmay = ["infer"]\ndigits = 1\n')
        hang_up(gateway, "read again: serving line, sha256:")
        assert gateway.client(alice).infer(1.0, 0.33333).said["outputs"][0]["data"] == [1.2, -0.9]
        assert soon(lambda: not Path(f"/proc/{old}").exists())
        policies.write_text(NOTHING, "utf-8")
        assert gateway.client(alice).infer(1.0, 1.0).status == 200  # until it is asked to read it
        hang_up(gateway, "read again")
        assert gateway.client(alice).infer(1.0, 1.0).status == 403
        assert soon(lambda: len(gateway.workers()) == 1)
        assert gateway.end() == 0
    assert [r.status for r in recorded(home) if r.who == "alice"] == [200, 200, 200, 403]
    assert len(set(policies_of_segments(home))) == 3
    assert home("ledger", "verify").code == 0


def policies_of_segments(home: Place) -> list[str]:
    """Digests of what was in force for each segment of the ledger."""
    with chdir(home.folder):
        named = need_home(Path.cwd())
    with reading(named) as ledger:
        entries = list(ledger.entries(0, ledger.size()))
    bodies = [e.body for e in entries if e.leaf and e.body and parse_leaf(e.leaf).kind == KIND]
    return [str(predicate_of(body)["policy"]) for body in bodies]


def damaged(home: Place) -> None:
    (home.folder / "mine.cedar").write_text("permit(", "utf-8")


def gone(home: Place) -> None:
    (home.folder / "mine.cedar").unlink()


def unreadable(home: Place) -> None:
    configured(home, "\n[serve.roles.analyst\n")


def cut(home: Place) -> None:
    (home.folder / "line.onnx").write_bytes(linear()[:70])


@pytest.mark.parametrize("harm", [damaged, gone, unreadable, cut])
def test_what_cannot_be_read_leaves_all_as_it_was_and_one_line_says_so(
    home: Place, harm: Callable[[Place], None]
) -> None:
    alice = key(home, "alice")
    (home.folder / "mine.cedar").write_text("permit(principal, action, resource);\n", "utf-8")
    configured(home, '\n[serve]\npolicies = "mine.cedar"\n')
    with running(home, "line.onnx") as gateway:
        client, worker = gateway.client(alice), gateway.worker()
        assert client.infer(1.0, 1.0).status == 200
        before = gateway.said.read_text("utf-8")
        harm(home)
        hang_up(gateway, "what is in force stays as it was: ")
        said = gateway.said.read_text("utf-8").removeprefix(before)
        assert len(said.splitlines()) == 1, said
        assert client.infer(1.0, 1.0).status == 200  # over the same connection
        assert gateway.worker() == worker
        assert gateway.end() == 0


def test_a_new_model_takes_over_once_its_evidence_is_looked_at_and_no_request_is_lost(home: Place) -> None:
    alice = key(home, "alice")
    with running(home, "line.onnx", "--workers", "2") as gateway:
        before = set(gateway.workers())
        assert gateway.client(alice).infer(1.0, 1.0).said["outputs"][0]["data"] == [1.5, -0.75]
        other = linear(np.array([[2.0, 0.0], [0.0, 2.0]], dtype=np.float32))
        (home.folder / "new.onnx").write_bytes(other)
        (home.folder / "new.onnx").rename(home.folder / "line.onnx")
        gateway.process.send_signal(signal.SIGHUP)
        answers: list[list[float]] = []
        end = time.monotonic() + 20
        while (not answers or answers[-1] != [2.0, 2.0]) and time.monotonic() < end:
            answer = gateway.client(alice).infer(1.0, 1.0)
            assert answer.status == 200
            answers.append(answer.said["outputs"][0]["data"])
        assert answers[-1] == [2.0, 2.0]
        assert soon(lambda: len(gateway.workers()) == 2 and not before & set(gateway.workers()))
        said = gateway.said.read_text("utf-8")
        assert re.search(r"scanned before it is loaded: entry \d+ of the ledger", said)
        assert "a worker ended" not in said
        assert gateway.end() == 0
    served = [r for r in recorded(home) if r.who == "alice" and r.rows]
    assert len(served) == len(answers) + 1
    assert len(set(policies_of_segments(home))) == 1


def test_a_terminal_that_goes_away_ends_it_in_order(home: Place) -> None:
    """Its end is a SIGHUP as well, to every process of the group."""
    alice = key(home, "alice")
    ours, theirs = pty.openpty()
    process = home.start("serve", "line.onnx", "--port", "0", stderr=theirs)
    os.close(theirs)
    said = b""
    while b"try:" not in said:
        said += os.read(ours, 4096)
    found = re.search(rb"at http://127.0.0.1:(\d+)", said)
    assert found is not None
    gateway = Running(process, int(found[1]), home.folder, [])
    client = gateway.client(alice)
    assert client.infer(1.0, 1.0).status == 200
    client.close()
    os.close(ours)
    for worker in gateway.workers():
        os.kill(worker, signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert [r.status for r in recorded(home) if r.who == "alice"] == [200]
