"""Hosts count together in a real PostgreSQL and a real Redis, and nobody gets more than there is."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it comes without types
import pytest
from redis import asyncio as aioredis

from ancile.core.errors import AncileError
from ancile.serve.budgets import Counts, Unavailable
from ancile.serve.caller import Caller
from ancile.serve.config import Role
from ancile.serve.guards.rate import rate
from ancile.serve.keys import Identity
from ancile.serve.shared import postgres as postgres_store
from ancile.serve.shared import redis as redis_store
from ancile.serve.shared.broker import STORE_SECONDS
from ancile.serve.shared.counting import counting
from ancile.serve.shared.leases import Leases
from ancile.serve.shared.store import Store
from tests.loopback import free_port
from tests.serve.shared.servers import Server

pytestmark = pytest.mark.slow
DAY = 20_000


@pytest.fixture(params=["redis", "postgres"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Server)
    return found


async def opened(server: Server) -> Store:
    if server.url.startswith("redis"):
        return await redis_store.opened(server.url)
    return await postgres_store.opened(server.url)


def told(server: Server, story: Callable[[Store], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        store = await opened(server)
        try:
            await story(store)
        finally:
            await store.close()

    asyncio.run(whole())


@contextmanager
def leases(server: Server, said: list[str]) -> Iterator[Leases]:
    """As a worker on a host has them."""
    state, window = (None, server.url) if server.url.startswith("redis") else (server.url, None)
    with counting(state, window, said.append) as found:
        assert found.lend is not None
        one = Leases(found.lend())
        yield one
        one.close()


def test_a_day_is_given_out_in_the_same_blocks_as_on_one_host(server: Server) -> None:
    """Differential: take and give in turn, over days and limits, as the count in memory has it."""

    async def story(store: Store) -> None:
        counts = Counts()
        for number in range(120):
            day, limit = DAY + number // 40 - (number % 7 == 0), 7 if number % 2 else 3210
            for who in ("alice", "bob"):
                granted = await store.take(who, day, limit=limit)
                assert granted == counts.take(who, day, limit=limit)
                if number % 5 == 0:
                    counts.give(who, day, unspent=granted // 2)
                    await store.give(who, day, unspent=granted // 2)

    told(server, story)


def test_many_that_take_at_once_take_no_more_than_there_is(server: Server) -> None:
    async def story(store: Store) -> None:
        other = await opened(server)
        asked = (one.take("alice", DAY, limit=777) for _ in range(60) for one in (store, other))
        assert sum(await asyncio.gather(*asked)) == 777
        await other.close()

    told(server, story)


def test_a_rate_over_hosts_is_the_role_s_and_at_most_a_block_of_each_more(redis: Server) -> None:
    """Two hosts as fast as they can for half a second and more: burst, what flows, and two blocks."""
    role, said = Role(may=("infer",), rate=100.0, burst=20), list[str]()
    with leases(redis, said) as one, leases(redis, said) as other:
        hosts = [(Caller(Identity("alice", "r"), role), found) for found in (one, other)]
        start, passed = time.monotonic(), 0
        while (now := time.monotonic()) < start + 0.5 or (passed < 60 and now < start + 60):
            passed += sum(rate(caller, now, found).reaction == "allow" for caller, found in hosts)
        seconds = time.monotonic() - start
    assert 60 <= passed <= 20 + 100 * seconds + 2 * 5 + 1
    assert not said


def test_a_refusal_of_the_shared_rate_is_remembered_and_not_asked_again(redis: Server) -> None:
    with leases(redis, []) as found:
        asked = []
        cells = found.cells

        class Counted:
            def cells(self, who: str, *, rate: float, burst: int, want: int) -> Any:
                asked.append(who)
                return cells(who, rate=rate, burst=burst, want=want)

        role = Role(may=("infer",), rate=0.01, burst=1)
        first, second = (Caller(Identity("alice", "r"), role) for _ in range(2))
        assert rate(first, 100.0, Counted()).reaction == "allow"
        refused = [rate(second, 100.0 + at / 100, Counted()) for at in range(50)]
        assert {one.reaction for one in refused} == {"throttle"}
        assert refused[-1].retry_after == pytest.approx(100, abs=3)
        assert len(asked) == 2


def test_a_store_that_is_killed_refuses_and_goes_on_where_it_was(server: Server) -> None:
    """With kill -9: nobody can tell, at once and not after a wait; with the store come back, it goes on."""
    said: list[str] = []
    with leases(server, said) as found:
        assert found.take("alice", DAY, limit=1000) == 10
        if server.url.startswith("postgres"):
            time.sleep(1)  # three times wal_writer_delay: what was taken within may be forgotten
        server.kill()
        with pytest.raises(Unavailable):
            found.take("alice", DAY, limit=1000)
        start = time.monotonic()
        for _ in range(20):
            with pytest.raises(Unavailable):
                found.take("alice", DAY, limit=1000)
        assert time.monotonic() - start < 10 * STORE_SECONDS  # of twenty waits none, or few on a busy machine
        again = server.again()
        try:
            assert soon(lambda: found.take("alice", DAY, limit=11)) == 1
        finally:
            again.kill()
    assert [one.partition("does not answer")[1] for one in said] == ["does not answer", ""]


def soon(what: Callable[[], int]) -> int:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            return what()
        except Unavailable:
            time.sleep(0.1)
    raise TimeoutError


def test_a_store_that_hangs_holds_a_worker_up_once(server: Server) -> None:
    with leases(server, []) as found:
        assert found.take("alice", DAY, limit=1000) == 10
        server.stop()
        start = time.monotonic()
        for _ in range(10):
            with pytest.raises(Unavailable):
                found.take("alice", DAY, limit=1000)
        assert time.monotonic() - start < 8 * STORE_SECONDS  # of ten waits one
        server.go_on()
        assert soon(lambda: found.take("alice", DAY, limit=1000)) == 10


def test_a_store_of_a_newer_version_is_told(server: Server) -> None:
    async def newer() -> None:
        store = await opened(server)
        await store.close()
        if server.url.startswith("redis"):
            client = aioredis.from_url(server.url)
            await client.set("ancile:version", 2)
            await client.aclose()
        else:
            db = await asyncpg.connect(server.url)
            await db.execute("UPDATE ancile.version SET version = 99")
            await db.close()
        await opened(server)

    with pytest.raises(AncileError, match="newer ancile"):
        asyncio.run(newer())


def test_urls_hold_no_password_and_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    port = free_port()
    for state, window, message in (
        ("postgresql://ancile:secret@127.0.0.1/x", None, "no part of a URL"),
        ("postgresql://127.0.0.1/x?password=secret", None, "no part of a URL"),
        ("mysql://127.0.0.1/x", None, "not a URL of such a server"),
        (None, "redis://:secret@127.0.0.1", "no part of a URL"),
        (None, "http://127.0.0.1", "not a URL of such a server"),
        (f"postgresql://127.0.0.1:{port}/x", None, "does not answer"),
        (None, f"redis://127.0.0.1:{port}", "does not answer"),
    ):
        with pytest.raises(AncileError, match=message) as caught, counting(state, window, lambda _: None):
            pass
        assert "secret" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_redis_asks_for_the_password_in_a_file(redis: Server, tmp_path: Path) -> None:
    async def story() -> None:
        client = aioredis.from_url(redis.url)
        await client.config_set("requirepass", "word")
        await client.aclose()
        with pytest.raises(AncileError, match="does not answer"):
            await redis_store.opened(redis.url, {})
        path = tmp_path / "password"
        path.write_text("word\n", "ascii")
        path.chmod(0o600)
        store = await redis_store.opened(redis.url, os.environ | {redis_store.PASSWORD_FILE: str(path)})
        await store.ping()
        await store.close()

    asyncio.run(story())
