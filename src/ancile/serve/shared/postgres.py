"""Days and verdicts of several hosts in PostgreSQL, by asyncpg.

A block is committed without waiting for the server's disk: a crash of the server may forget the blocks of its
last 0.6 s (three times wal_writer_delay), which are then given twice. Verdicts wait for the disk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.serve.budgets import Cells, Spent, block
from ancile.serve.shared.store import without_password

if TYPE_CHECKING:
    import asyncpg  # type: ignore[import-untyped]  # it comes without types
else:
    asyncpg = needs("asyncpg", "shared")

VERSION = 1
LOCK = 0x616E63696C65  # of one that makes the tables: "ancile"
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 2.0
SCHEMA = """
CREATE SCHEMA ancile;
CREATE TABLE ancile.version (version integer NOT NULL);
CREATE TABLE ancile.spent (who text PRIMARY KEY, day bigint NOT NULL, taken bigint NOT NULL);
CREATE TABLE ancile.journals (name text PRIMARY KEY, data bytea);
"""
REMEDY = "leave it out: it is taken from PGPASSFILE, ~/.pgpass or PGPASSWORD"


class Postgres:
    """A database that hosts share; ``opened`` makes one."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def take(self, who: str, day: int, *, limit: int) -> int:
        """A block, in one transaction."""
        async with self._transaction() as db:
            await db.execute("SET LOCAL synchronous_commit = off")
            await db.execute(
                "INSERT INTO ancile.spent VALUES ($1, $2, 0) ON CONFLICT (who) DO NOTHING", who, day
            )
            row = await db.fetchrow("SELECT day, taken FROM ancile.spent WHERE who = $1 FOR UPDATE", who)
            known = Spent(row["day"], row["taken"]).at(day)
            granted = block(limit, taken=known.taken)
            await db.execute(
                "UPDATE ancile.spent SET day = $2, taken = $3 WHERE who = $1",
                who,
                known.day,
                known.taken + granted,
            )
            return granted

    async def give(self, who: str, day: int, *, unspent: int) -> None:
        """Of the day that is counted now."""
        async with self._transaction() as db:
            await db.execute("SET LOCAL synchronous_commit = off")
            await db.execute(
                "UPDATE ancile.spent SET taken = greatest(0, taken - $3) WHERE who = $1 AND day = $2",
                who,
                day,
                unspent,
            )

    async def cells(self, who: str, *, rate: float, burst: int, want: int) -> Cells:  # noqa: ARG002 - as Store
        """All that are wanted: rates are not counted in a database that writes each to a disk."""
        return Cells(want, 0.0)

    async def post(self, name: str, data: bytes) -> None:
        """Have a journal on the disk; one of that name that came before stays as it is."""
        async with self._transaction() as db:
            await db.execute(
                "INSERT INTO ancile.journals VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, data
            )

    async def posted(self, most: int) -> list[tuple[str, bytes]]:
        """Journals that nobody has taken yet, the oldest first."""
        async with self._transaction() as db:
            rows = await db.fetch(
                "SELECT name, data FROM ancile.journals WHERE data IS NOT NULL ORDER BY name LIMIT $1", most
            )
            return [(row["name"], row["data"]) for row in rows]

    async def taken(self, names: list[str]) -> None:
        """Keep the names alone."""
        async with self._transaction() as db:
            await db.execute("UPDATE ancile.journals SET data = NULL WHERE name = ANY($1)", names)

    async def ping(self) -> None:
        """Ask for nothing."""
        async with self._transaction() as db:
            await db.execute("SELECT 1")

    async def close(self) -> None:
        """End the connections at once."""
        self._pool.terminate()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection]:
        try:
            async with self._pool.acquire(timeout=ANSWER_SECONDS) as db, db.transaction():
                yield db
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as reason:
            raise ConnectionError(plain(str(reason))) from reason


async def opened(url: str) -> Postgres:
    """The database with its tables; AncileError where it does not answer, or is of a newer ancile."""
    url = without_password(url, schemes=("postgresql", "postgres"), remedy=REMEDY)
    try:
        pool = await asyncpg.create_pool(
            url, min_size=1, max_size=4, timeout=CONNECT_SECONDS, command_timeout=ANSWER_SECONDS
        )
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as reason:
        raise AncileError(
            "the state database does not answer",
            value=plain(str(reason) or type(reason).__name__),
            remedy="check the URL of --state, and that its user may log in and make a schema",
        ) from reason
    try:
        async with pool.acquire() as db, db.transaction():
            await db.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            if await db.fetchval("SELECT to_regclass('ancile.version')") is None:
                await db.execute(SCHEMA)
                await db.execute("INSERT INTO ancile.version VALUES ($1)", VERSION)
            version = await db.fetchval("SELECT max(version) FROM ancile.version")
    except asyncpg.PostgresError as reason:
        pool.terminate()
        raise AncileError(
            "the state database cannot be used",
            value=plain(str(reason)),
            remedy="its user must be allowed to make a schema, or somebody makes it: CREATE SCHEMA ancile",
        ) from reason
    if version is None or version > VERSION:
        pool.terminate()
        raise AncileError(
            "the state database was written by a newer ancile",
            value=f"version {version}, this program reads {VERSION}",
            remedy="update ancile: pip install --upgrade ancile",
        )
    return Postgres(pool)
