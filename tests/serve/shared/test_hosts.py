"""Two gateways that share stores are one to whoever asks them."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from ancile.serve.state import open_state
from tests.cli.terminal import Place, clear
from tests.serve.shared.servers import Server
from tests.serve.small import running
from tests.serve.test_command import key, recorded, soon
from tests.serve.test_workers import with_roles

pytestmark = pytest.mark.slow
FEW = '\n[serve.roles.few]\nmay = ["infer"]\nrate = 0.01\nburst = 9\ndaily = {daily}\n'

REVIEWED = '\n[serve]\nreactions = { rate = "review" }\n[serve.roles.slow]\nmay = ["infer"]\nrate = 0.001\nburst = 1\n'


@pytest.fixture
def hosts(home: Place, tmp_path: Path) -> tuple[Place, Place]:
    """Two homes with the same users and keys."""
    with_roles(home, FEW.format(daily=1000))
    (home.folder / "key").write_text(key(home, "alice", "few"), "ascii")
    return home, Place(Path(shutil.copytree(home.folder, tmp_path / "other", symlinks=True)))


def test_a_rate_is_one_over_two_hosts(hosts: tuple[Place, Place], redis: Server) -> None:
    alice = (hosts[0].folder / "key").read_text("ascii")
    with (
        running(hosts[0], "line.onnx", "--window", redis.url) as one,
        running(hosts[1], "line.onnx", "--window", redis.url, "--workers", "2") as other,
    ):
        clients = [one.client(alice), other.client(alice)]
        assert [clients[at % 2].infer(1.0, float(at)).status for at in range(12)] == [200] * 9 + [429] * 3


def test_a_day_is_one_over_two_hosts_and_without_the_database_nobody_is_served(
    hosts: tuple[Place, Place], postgres: Server
) -> None:
    for host in hosts:
        config = host.folder / "ancile.toml"
        config.write_text(config.read_text("utf-8").replace("daily = 1000", "daily = 5"), "utf-8")
    alice = (hosts[0].folder / "key").read_text("ascii")
    with (
        running(hosts[0], "line.onnx", "--state", postgres.url) as one,
        running(hosts[1], "line.onnx", "--state", postgres.url) as other,
    ):
        clients = [one.client(alice), other.client(alice)]
        assert [clients[at % 2].infer(1.0, float(at)).status for at in range(6)] == [200] * 5 + [429]
        bob = one.client(key(hosts[0], "bob", "few"))
        assert soon(lambda: bob("GET", "/v2").status == 403)  # the key is known within a second
        postgres.kill()
        assert soon(lambda: bob.infer(1.0, 1.0).status == 503)
        assert bob.infer(1.0, 1.0).headers["Retry-After"] == "2"
        assert other.end() == 0
        assert one.end() == 0
    assert sum(r.status == 200 for host in hosts for r in recorded(host)) == 5
    assert {r.guard for r in recorded(hosts[0]) if r.status == 503} == {"quota"}


def test_the_verdicts_of_all_hosts_are_in_one_ledger_each_once(
    hosts: tuple[Place, Place], postgres: Server
) -> None:
    """Also of a host whose processes were all killed, and where a crash had a journal passed on twice."""
    alice = (hosts[0].folder / "key").read_text("ascii")
    journal = hosts[1].folder / ".ancile" / "serve" / "journal"
    away = ("line.onnx", "--state", postgres.url, "--ledger-elsewhere")
    with running(hosts[1], *away) as other:
        assert [other.client(alice).infer(1.0, float(at)).status for at in range(3)] == [200] * 3
        kept = {path.name: path.read_bytes() for path in journal.iterdir()}
        worker = Path(f"/proc/{other.worker()}")
        os.kill(other.process.pid, signal.SIGKILL)
        assert soon(lambda: not worker.exists())  # it ends with the process that started it
    with running(hosts[0], "line.onnx", "--state", postgres.url) as one:
        assert one.client(alice).infer(2.0, 2.0).status == 200
        for _ in range(2):
            with running(hosts[1], *away) as other:
                assert other.end() == 0
            for name, data in kept.items():
                (journal / name).write_bytes(data)
        assert soon(lambda: len([r for r in recorded(hosts[0]) if r.who]) >= 3)
        assert one.end() == 0
    with running(hosts[0], "line.onnx", "--state", postgres.url) as one:
        assert one.end() == 0
    assert sum(r.status == 200 for r in recorded(hosts[0])) == 4
    assert recorded(hosts[1]) == []
    assert hosts[0]("ledger", "verify").code == 0


def test_who_is_suspected_on_one_host_is_answered_less_precisely_on_the_other(
    hosts: tuple[Place, Place], postgres: Server
) -> None:
    """Evidence of before the other host was asked, read when it first is."""
    for host in hosts:
        config = host.folder / "ancile.toml"
        config.write_text(config.read_text("utf-8") + "\n[serve.ladder]\ndegrade = 0.5\n", "utf-8")
    alice = (hosts[0].folder / "key").read_text("ascii")
    with closing(open_state(hosts[0].folder / ".ancile" / "serve")) as db:
        db.execute("INSERT INTO evidence VALUES ('alice', ?, '{\"search\":9.0}')", (time.time(),))
    shared = ("line.onnx", "--state", postgres.url)
    with running(hosts[0], *shared) as one, running(hosts[1], *shared) as other:
        assert [gateway.client(alice).infer(1.0, 1.0).status for gateway in (one, other)] == [200, 200]
        assert (other.end(), one.end()) == (0, 0)
    for host in hosts:
        assert [(r.said, r.guard) for r in recorded(host) if r.who == "alice"] == [("degrade", "evidence")]


def test_what_is_no_store_is_told_in_one_line(home: Place) -> None:
    url = "postgresql://ancile:secret@127.0.0.1/x"
    ended = home("serve", "line.onnx", "--port", "0", "--state", url)
    assert "a password is no part of a URL" in clear(ended)
    assert "secret" not in ended.err
    assert "PGPASSFILE" in ended.err
    assert "does not answer" in clear(
        home("serve", "line.onnx", "--port", "0", "--window", "redis://127.0.0.1:1")
    )


def test_a_key_given_out_on_one_host_lets_in_on_the_other_until_it_is_taken_back(
    home: Place, tmp_path: Path, postgres: Server
) -> None:
    """Also what a person decides, wherever it was held; and without the database nobody new is believed."""
    with_roles(home, REVIEWED)
    other = Place(Path(shutil.copytree(home.folder, tmp_path / "other", symlinks=True)))
    key(home, "carol")  # makes the pepper, and a user that the other host does not have yet
    shared = ("line.onnx", "--state", postgres.url)
    with running(home, *shared) as one:
        ended = other("serve", "line.onnx", "--port", "0", "--state", postgres.url)
        assert "another pepper" in clear(ended)
        (other.folder / ".ancile" / "serve").mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(other.folder / ".ancile" / "serve")
        (other.folder / ".ancile" / "serve").mkdir(mode=0o700)
        shutil.copy(home.folder / ".ancile/serve/pepper", other.folder / ".ancile/serve/pepper")
        with running(other, *shared) as two:
            alice = key(other, "alice", "slow")
            assert [line.split()[0] for line in home("user", "list").out.splitlines()] == ["alice", "carol"]
            assert soon(lambda: one.client(alice).infer(1.0, 1.0).status != 401)
            held = one.client(alice).infer(1.0, 2.0)
            assert (held.status, held.said["state"]) == (202, "pending")
            assert soon(lambda: held.said["review"] in other("review", "list").out)
            assert other("review", "approve", held.said["review"]).code == 0
            assert soon(lambda: one.client(alice).infer(1.0, 2.0).status == 200)
            assert home("user", "revoke", "alice").code == 0
            assert soon(lambda: two.client(alice).infer(1.0, 1.0).status == 401)
            postgres.kill()
            assert "does not answer" in clear(other("user", "add", "bob", "--role", "slow"))
            revoked = other("user", "revoke", "carol")
            assert (revoked.code, "others hear of" in revoked.err) == (0, True)
            assert two.end() == 0
        assert one.end() == 0
