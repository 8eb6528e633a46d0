"""Rates and days of several hosts in Redis, by scripts that run there as one.

Rates by the generic cell rate algorithm, on Redis' own clock, so that hosts with different ones agree. What
is in Redis is as durable as Redis is told to be.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.serve.budgets import BLOCKS, Cells, block
from ancile.serve.shared.store import without_password
from ancile.trust.private_file import read_private

if TYPE_CHECKING:
    from redis import asyncio as aioredis
    from redis import exceptions
else:
    aioredis, exceptions = needs("redis.asyncio", "shared"), needs("redis.exceptions", "shared")

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 0.5
PASSWORD_FILE = "ANCILE_REDIS_PASSWORD_FILE"  # noqa: S105 - the name of a variable
LONGEST_PASSWORD = 4096
REMEDY = f"put it into a file that only you can read, and its name into {PASSWORD_FILE}"
PREFIX = "ancile:"
LONGEST_WAIT = 1e12  # seconds: beyond any rate that is worth the name
Number = TypeVar("Number", int, float)
VERSION, VERSION_KEY = 1, "ancile:version"
CELLS = """
local t = redis.call('TIME')
local now, interval = t[1] + t[2] / 1e6, 1 / ARGV[1]
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local free = math.floor((now - arrival) / interval + ARGV[2] + 1e-6)
local granted = math.min(free, tonumber(ARGV[3]))
if granted < 1 then return {0, tostring(arrival - now - (ARGV[2] - 1) * interval)} end
arrival = arrival + granted * interval
redis.call('SET', KEYS[1], string.format('%.6f', arrival), 'PX', math.ceil((arrival - now) * 1000) + 1000)
return {granted, '0'}
"""
TAKE = """
local known = redis.call('HMGET', KEYS[1], 'day', 'taken')
local day, taken = tonumber(known[1] or ARGV[1]), tonumber(known[2] or '0')
if day - ARGV[1] < 0 or day - ARGV[1] > 1 then day, taken = tonumber(ARGV[1]), 0 end
local granted = math.max(0, math.min(math.ceil(ARGV[2] / ARGV[3]), ARGV[2] - taken))
redis.call('HSET', KEYS[1], 'day', string.format('%d', day), 'taken', string.format('%d', taken + granted))
redis.call('EXPIRE', KEYS[1], 259200)
return granted
"""
GIVE = """
if redis.call('HGET', KEYS[1], 'day') ~= ARGV[1] then return 0 end
local left = math.max(0, redis.call('HGET', KEYS[1], 'taken') - ARGV[2])
redis.call('HSET', KEYS[1], 'taken', string.format('%d', left))
return 0
"""


class Redis:
    """A server that hosts share; ``opened`` makes one."""

    def __init__(self, client: aioredis.Redis) -> None:
        self._client = client
        self._cells, self._take, self._give = (client.register_script(one) for one in (CELLS, TAKE, GIVE))

    async def take(self, who: str, day: int, *, limit: int) -> int:
        """A block of a day's requests."""
        with _faults():
            granted = int(await self._take(keys=[f"{PREFIX}day:{who}"], args=[day, limit, BLOCKS]))
            return _within(granted, block(limit, taken=0))

    async def give(self, who: str, day: int, *, unspent: int) -> None:
        """Of the day that is counted now."""
        with _faults():
            await self._give(keys=[f"{PREFIX}day:{who}"], args=[day, unspent])

    async def cells(self, who: str, *, rate: float, burst: int, want: int) -> Cells:
        """Requests of a rate."""
        with _faults():
            granted, wait = await self._cells(keys=[f"{PREFIX}rate:{who}"], args=[rate, burst, want])
            return Cells(_within(int(granted), want), _within(float(wait), LONGEST_WAIT))

    async def ping(self) -> None:
        """Ask for nothing."""
        with _faults():
            await self._client.ping()

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()


async def opened(url: str, environment: Mapping[str, str] = os.environ) -> Redis:
    """The server; AncileError where it does not answer, or holds what a newer ancile wrote."""
    url = without_password(url, schemes=("redis", "rediss"), remedy=REMEDY)
    client = aioredis.from_url(
        url,
        password=_password(environment),
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
    )
    try:
        await client.set(VERSION_KEY, VERSION, nx=True)
        version = int(await client.get(VERSION_KEY) or 0)
    except (exceptions.RedisError, OSError, TimeoutError, ValueError) as reason:
        await client.aclose()
        raise AncileError(
            "the window server does not answer",
            value=plain(str(reason)),
            remedy=f"check the URL of --window; a password: {REMEDY}",
        ) from reason
    if version > VERSION:
        await client.aclose()
        raise AncileError(
            "the window server was written by a newer ancile",
            value=f"version {version}, this program reads {VERSION}",
            remedy="update ancile: pip install --upgrade ancile",
        )
    return Redis(client)


def _password(environment: Mapping[str, str]) -> str | None:
    path = environment.get(PASSWORD_FILE)
    if not path:
        return None
    return read_private(Path(path), limit=LONGEST_PASSWORD).decode("utf-8", "replace").strip()


def _within(number: Number, most: float) -> Number:
    """The number; ValueError for what our scripts never say: nothing below 0, no more than was asked for."""
    if 0 <= number <= most:
        return number
    raise ValueError("more or less than there is")


@contextmanager
def _faults() -> Iterator[None]:
    """A server that answers what our scripts never say is as good as one that does not answer."""
    try:
        yield
    except (exceptions.RedisError, TypeError, ValueError, OverflowError) as reason:
        raise ConnectionError(plain(str(reason))) from reason
