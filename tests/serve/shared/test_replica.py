"""Files of several hosts become alike over a real PostgreSQL, and what was taken back stays so on all of them."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it comes without types
import pytest

from ancile.core.errors import AncileError
from ancile.serve.history import evidence_replica
from ancile.serve.keys import Identity, Users
from ancile.serve.ladder import Ladder
from ancile.serve.review.store import Asked, Reviews, Said
from ancile.serve.shared import replica as module
from ancile.serve.shared.sharing import Sharing, connected
from ancile.serve.state import open_state
from ancile.serve.users_db import PEPPER
from tests.serve.shared.servers import Server

pytestmark = pytest.mark.slow
NOW = datetime(2026, 1, 2, tzinfo=UTC)
LADDER = Ladder()


class Host:
    """Users and reviews of one host, and its way to the others."""

    def __init__(self, folder: Path, url: str, stack: ExitStack, *, pepper: Path | None = None) -> None:
        if pepper is not None:
            folder.mkdir(mode=0o700)
            shutil.copy(pepper / PEPPER, folder / PEPPER)
        self.folder, self.url = folder, url
        self.users = stack.enter_context(Users(folder))
        self.reviews = Reviews(folder, key=bytes(32))
        stack.callback(self.reviews.close)
        self.state = stack.enter_context(closing(open_state(folder)))
        places = {
            "users": self.users.replica(),
            "reviews": self.reviews.replica(),
            "evidence": evidence_replica(self.state, LADDER),
        }
        self.sharing = Sharing(*stack.enter_context(connected(url)), places, seal=self.users.hash(b"seal"))

    def exchange(self) -> None:
        self.sharing.exchange()

    def known(self, key: str, now: datetime = NOW) -> Identity | None:
        return self.users.identities(now).get(self.users.hash(key.encode()))

    def against(self, who: str, at: float, **sums: float) -> None:
        row = (who, at, json.dumps(sums))
        with self.state:
            self.state.execute("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?)", row)

    def evidence(self) -> list[tuple[str, float, dict[str, float]]]:
        rows = self.state.execute("SELECT who, at, sums FROM evidence ORDER BY who")
        return [(who, at, json.loads(sums)) for who, at, sums in rows]

    def held(self, who: str = "eve", at: float = 1000.0) -> str:
        asked = Asked(who, "r", "m", "trigger", "why", {}, "0" * 32, b"{}")
        found = self.reviews.hold(asked, now=at, until=at + 100, pending=100, each=100)
        assert found is not None
        return found


def told(url: str, query: str, *values: object) -> object:
    """What a query of somebody who can write to the database finds."""

    async def ask() -> object:
        db = await asyncpg.connect(url)
        try:
            return await db.fetchval(query, *values)
        finally:
            await db.close()

    return asyncio.run(ask())


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def hosts(tmp_path: Path, postgres: Server, stack: ExitStack) -> tuple[Host, Host]:
    """Two that have joined, with the same pepper."""
    one = Host(tmp_path / "one", postgres.url, stack)
    other = Host(tmp_path / "other", postgres.url, stack, pepper=tmp_path / "one")
    for host in (one, other):
        host.sharing.join(postgres.url)
    return one, other


def test_who_is_added_on_one_host_is_known_on_the_other_until_taken_back_on_either(
    hosts: tuple[Host, Host],
) -> None:
    one, other = hosts
    key = one.users.add("alice", role="analyst", now=NOW)
    one.users.block("oidc:mallory", now=NOW)
    assert other.known(key) is None
    for host in hosts:
        host.exchange()
    assert other.known(key) == Identity("alice", "analyst")
    assert other.users.blocked() == {"oidc:mallory"}
    other.users.set_role("alice", "service", now=NOW)
    assert other.users.admit("oidc:mallory", now=NOW)
    for host in (other, one):
        host.exchange()
    assert one.known(key) == Identity("alice", "service")
    assert one.users.blocked() == frozenset()
    assert other.users.revoke("alice", now=NOW) == 1
    for host in (other, one):
        host.exchange()
    assert one.known(key) is None


def test_a_key_taken_back_on_one_host_stays_so_whatever_another_does_at_the_same_time(
    hosts: tuple[Host, Host],
) -> None:
    one, other = hosts
    key = one.users.add("alice", role="analyst", now=NOW)
    for host in hosts:
        host.exchange()
    one.users.revoke("alice", now=NOW)
    second = other.users.rotate("alice", grace=timedelta(days=9), now=NOW)
    other.users.set_role("alice", "service", now=NOW)
    for host in (one, other, one, other):
        host.exchange()
    assert [host.known(key) for host in hosts] == [None, None]
    assert [host.known(second) for host in hosts] == [Identity("alice", "service")] * 2


def test_who_can_write_to_the_database_brings_no_key_back(hosts: tuple[Host, Host]) -> None:
    """An earlier state of all rows, put in anew."""
    one = hosts[0]
    key = one.users.add("alice", role="analyst", now=NOW)
    one.exchange()

    told(one.url, "CREATE TABLE ancile.before AS SELECT * FROM ancile.rows")
    one.users.revoke("alice", now=NOW)
    for host in hosts:
        host.exchange()
    told(
        one.url,
        "UPDATE ancile.rows r SET body = b.body, at = 100 + b.at FROM ancile.before b WHERE r.key = b.key",
    )
    told(one.url, "UPDATE ancile.places SET at = 1000")
    for host in hosts:
        host.exchange()
    assert [host.known(key) for host in hosts] == [None, None]


def test_what_was_there_before_a_host_joined_is_everybodys_and_nobodys_after_it_left_changes(
    tmp_path: Path, postgres: Server, stack: ExitStack
) -> None:
    one = Host(tmp_path / "one", postgres.url, stack)
    other = Host(tmp_path / "other", postgres.url, stack, pepper=tmp_path / "one")
    keys = one.users.add("alice", role="analyst", now=NOW), other.users.add("bob", role="service", now=NOW)
    for host in (one, other):
        host.sharing.join(postgres.url)
    one.exchange()
    assert [[host.known(key) is not None for key in keys] for host in (one, other)] == [[True, True]] * 2
    other.users.replica().leave()
    third = other.users.add("carol", role="analyst", now=NOW)
    other.users.revoke("alice", now=NOW)
    one.exchange()
    assert one.known(third) is None
    other.sharing.join(postgres.url)
    one.exchange()
    assert one.known(third) is not None
    assert one.known(keys[0]) is None


def test_more_rows_than_one_exchange_has_come_all(
    hosts: tuple[Host, Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = hosts
    keys = [one.users.add(f"user-{n}", role="analyst", now=NOW) for n in range(module.AT_ONCE // 2 + 60)]
    extra = other.users.add("bob", role="analyst", now=NOW)
    for host in (one, other, one):
        host.exchange()
    assert all(other.known(key) is not None for key in keys)
    assert one.known(extra) is not None
    version = other.users.version
    with pytest.raises(AncileError, match="not known"):
        version()  # nobody said that the database was heard


def test_a_request_held_on_one_host_is_decided_on_the_other(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    held, second = one.held(), one.held("bob")
    for host in hosts:
        host.exchange()
    assert other.reviews.body(held) == b"{}"
    other.reviews.decide(held, Said("approved", "benign", "ours"), now=1001.0, until=2000.0)
    one.reviews.decide(second, Said("approved", "benign"), now=1001.0, until=2000.0)
    other.reviews.decide(second, Said("rejected", "attack"), now=1001.0, until=2000.0)
    for host in (one, other, one):
        host.exchange()
    for host in hosts:
        assert [(one.state, one.entry) for one in host.reviews.list()] == [("approved", None)] * 2
    with pytest.raises(AncileError, match="cannot be decided"):
        one.reviews.decide(held, Said("rejected", "attack"), now=1002.0, until=2000.0)


def test_one_process_of_a_host_exchanges_a_file_at_a_time(hosts: tuple[Host, Host]) -> None:
    """Else what the gateway has heard undoes what a command heard after it, and somebody decided then."""
    one, _ = hosts
    with Reviews(one.folder, key=bytes(32)) as again:
        with one.reviews.replica().alone():
            with pytest.raises(AncileError, match="does not end"), again.replica().alone(seconds=0.05):
                pass
            with one.users.replica().alone():  # another file
                pass
        with again.replica().alone(seconds=0):
            pass


def test_what_one_host_forgets_is_in_the_database_no_more(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    one.held()
    for host in hosts:
        host.exchange()
    one.reviews.purge(now=1e6, keep_seconds=1.0)
    for host in hosts:
        host.exchange()

    assert told(one.url, "SELECT count(*) FROM ancile.rows WHERE place = 'reviews'") == 0
    assert (len(one.reviews.list()), len(other.reviews.list())) == (0, 1)


def test_a_database_that_was_set_back_gets_what_it_lost(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    key = one.users.add("alice", role="analyst", now=NOW)
    one.exchange()
    told(one.url, "DELETE FROM ancile.rows")
    told(one.url, "UPDATE ancile.places SET at = 0")
    for host in (one, other):
        host.exchange()
    assert other.known(key) is not None


def test_evidence_of_both_hosts_is_the_larger_of_what_is_left_of_it(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    one.against("eve", 1000.0, sequence=8.0, search=1.0)
    other.against("eve", 1000.0 + LADDER.half_seconds, sequence=2.0, search=3.0)
    one.against("bob", 5.0, outlier=1.0)
    for host in (one, other, one):
        host.exchange()
    expected = [
        ("bob", 5.0, {"outlier": 1.0}),
        ("eve", 1000.0 + LADDER.half_seconds, {"sequence": 4.0, "search": 3.0}),
    ]
    assert [host.evidence() for host in hosts] == [expected] * 2


def test_what_no_ancile_wrote_is_told_and_nothing_of_it_is_taken(hosts: tuple[Host, Host]) -> None:
    one, other = hosts
    key = one.users.add("alice", role="analyst", now=NOW)
    one.against("eve", 1000.0, sequence=8.0)
    other.against("eve", 1000.0, sequence=8.0)
    one.exchange()

    for body in (b"", b"\xc1", b"\x90", b"\x01", b"\xa3abc"):
        told(one.url, "UPDATE ancile.rows SET body = $1", body)
        with pytest.raises(AncileError):
            other.exchange()
    assert other.known(key) is None


def test_a_host_with_another_pepper_is_told_so(
    tmp_path: Path, hosts: tuple[Host, Host], stack: ExitStack
) -> None:
    stranger = Host(tmp_path / "stranger", hosts[0].url, stack)
    with pytest.raises(AncileError, match="another pepper"):
        stranger.sharing.join(hosts[0].url)
    assert stranger.users.replica().url() == ""


def test_a_database_that_ends_is_told_and_what_was_changed_meanwhile_comes_when_it_is_back(
    hosts: tuple[Host, Host], postgres: Server
) -> None:
    one, other = hosts
    postgres.kill()
    key = one.users.add("alice", role="analyst", now=NOW)
    with pytest.raises(AncileError, match="does not answer"):
        one.exchange()
    again = postgres.again()
    try:
        for host in hosts:
            with suppress(AncileError):  # a connection of before, whose end is seen when it is used
                host.exchange()
            host.exchange()
        assert other.known(key) is not None
    finally:
        again.kill()
