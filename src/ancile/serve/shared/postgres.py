"""Days, verdicts, users and reviews of several hosts in PostgreSQL, by asyncpg.

A block is committed without waiting for the server's disk: a crash of the server may forget the blocks of its
last 0.6 s (three times wal_writer_delay), which are then given twice. Verdicts wait for the disk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.serve.budgets import Cells, Spent, block
from ancile.serve.shared.replica import AT_ONCE, Row
from ancile.serve.shared.sharing import Exchanged
from ancile.serve.shared.store import without_password

if TYPE_CHECKING:
    import asyncpg  # type: ignore[import-untyped]  # it comes without types
else:
    asyncpg = needs("asyncpg", "shared")

LOCK = 0x616E63696C65  # of one that makes the tables: "ancile"
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 2.0
FIRST = """
CREATE TABLE ancile.version (version integer NOT NULL);
CREATE TABLE ancile.spent (who text PRIMARY KEY, day bigint NOT NULL, taken bigint NOT NULL);
CREATE TABLE ancile.journals (name text PRIMARY KEY, data bytea);
"""
SECOND = """
CREATE TABLE ancile.places (place text PRIMARY KEY, at bigint NOT NULL, seal bytea NOT NULL);
CREATE TABLE ancile.rows (place text NOT NULL REFERENCES ancile.places, name text NOT NULL, key text NOT NULL,
                          body bytea, at bigint NOT NULL, PRIMARY KEY (place, name, key));
CREATE UNIQUE INDEX rows_in_order ON ancile.rows (place, at);
"""
STEPS = (FIRST, SECOND)  # from each version to the next
UPSERT = """
INSERT INTO ancile.rows (place, name, key, body, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (place, name, key) DO UPDATE SET body = excluded.body, at = excluded.at
"""
NEWS = """
SELECT name, key, body, at FROM ancile.rows WHERE place = $1 AND at > $2 ORDER BY at LIMIT $3
"""
MEANWHILE = """
SELECT name, key, body FROM ancile.rows
WHERE place = $1 AND at > $2 AND (name, key) IN (SELECT * FROM unnest($3::text[], $4::text[]))
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

    async def settle(self, place: str, seal: bytes) -> bytes:
        """The seal of a place: this one, where it has none yet."""
        async with self._transaction() as db:
            await db.execute(
                "INSERT INTO ancile.places VALUES ($1, 0, $2) ON CONFLICT (place) DO NOTHING", place, seal
            )
            return bytes(await db.fetchval("SELECT seal FROM ancile.places WHERE place = $1", place))

    async def latest(self, place: str) -> int:
        """Number of the last change."""
        async with self._transaction() as db:
            return int(await db.fetchval("SELECT at FROM ancile.places WHERE place = $1", place) or 0)

    async def exchange(
        self,
        place: str,
        *,
        since: int,
        ours: Sequence[Row],
        merged: Callable[[Row, bytes | None], Row],
        forgets: bool,
    ) -> Exchanged:
        """Put in what was changed here, and hear what was changed elsewhere; hosts take turns."""
        async with self._transaction() as db:
            at = await db.fetchval("SELECT at FROM ancile.places WHERE place = $1 FOR UPDATE", place)
            found = await db.fetch(NEWS, place, since, AT_ONCE)
            heard = {(row["name"], row["key"]): Row(row["name"], row["key"], row["body"]) for row in found}
            upto = found[-1]["at"] if len(found) == AT_ONCE else at
            if not ours:
                return Exchanged(upto, list(heard.values()))
            names, keys = [one.name for one in ours], [one.key for one in ours]
            both = {
                (row["name"], row["key"]): Row(row["name"], row["key"], row["body"])
                for row in await db.fetch(MEANWHILE, place, since, names, keys)
            }
            put = []
            for one in ours:
                known = both.get((one.name, one.key))
                put.append(one if known is None else merged(known, one.body))
                if known is not None:
                    heard[one.name, one.key] = put[-1]
            await self._put(db, place, put, at=at, forgets=forgets)
            return Exchanged(at + len(put) if upto == at else upto, list(heard.values()))

    @staticmethod
    async def _put(db: asyncpg.Connection, place: str, rows: list[Row], *, at: int, forgets: bool) -> None:
        gone = [(place, one.name, one.key) for one in rows if forgets and one.body is None]
        kept = [
            (place, *one, at + number)
            for number, one in enumerate(rows, 1)
            if not (forgets and one.body is None)
        ]
        await db.executemany("DELETE FROM ancile.rows WHERE place = $1 AND name = $2 AND key = $3", gone)
        await db.executemany(UPSERT, kept)
        await db.execute("UPDATE ancile.places SET at = $2 WHERE place = $1", place, at + len(rows))

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
            version = await _brought_up(db)
    except asyncpg.PostgresError as reason:
        pool.terminate()
        raise AncileError(
            "the state database cannot be used",
            value=plain(str(reason)),
            remedy="its user must be allowed to make a schema, or somebody makes it: CREATE SCHEMA ancile",
        ) from reason
    if version > len(STEPS):
        pool.terminate()
        raise AncileError(
            "the state database was written by a newer ancile",
            value=f"version {version}, this program reads {len(STEPS)}",
            remedy="update ancile: pip install --upgrade ancile",
        )
    return Postgres(pool)


async def _brought_up(db: asyncpg.Connection) -> int:
    """The version of its tables, which are made, or brought to this one where they are older."""
    version = 0
    if await db.fetchval("SELECT to_regnamespace('ancile')") is None:
        await db.execute("CREATE SCHEMA ancile")
    if await db.fetchval("SELECT to_regclass('ancile.version')") is not None:
        version = int(await db.fetchval("SELECT coalesce(max(version), 0) FROM ancile.version"))
    for number, step in enumerate(STEPS[version:], version + 1):
        await db.execute(step)
        await db.execute("INSERT INTO ancile.version VALUES ($1)", number)
    return version
