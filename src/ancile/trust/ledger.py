"""The ledger: entries in a transparency log, appended by one sequencer with group commit.

Callers join the open batch; a worker thread makes the leaves, grows the tree and commits batch after batch,
each with one fdatasync, then wakes all its callers at once. While it waits for the disk the next batch
fills: the busier the ledger, the more entries share a sync. Processes queue at the store; a batch that finds
the log longer than it left it reads the tree's edge again.
"""

from __future__ import annotations

import os
import threading
from binascii import b2a_base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from ancile.core.errors import AncileError
from ancile.trust.checkpoint import parse_head
from ancile.trust.export import export_tiles
from ancile.trust.leaf import (
    ERASURE,
    LASTING,
    SALT_BYTES,
    author_hex,
    checked_kind,
    commitment_to,
    leaf_head,
    parse_leaf,
)
from ancile.trust.merkle import EMPTY_ROOT, HASH_BYTES, consistency_path, edge_of, inclusion_path, range_root
from ancile.trust.note import parse_note
from ancile.trust.sqlite_store import MAX_BODY_BYTES, open_sqlite
from ancile.trust.store import Row, Store, Stored, Transaction
from ancile.trust.tiles import Nodes, Tile, grow, partial_tiles, tile_path

if TYPE_CHECKING:
    import asyncio

CACHED_RANGES = 4_096  # ragged roots at the right edge of recent sizes, 32 bytes each
KEYS = "keys"  # the folder of keys, beside the store
Clock = Callable[[], datetime]


class Draft(NamedTuple):
    """What an author hands in.

    kind    type of the entry: report, decision, run, key, segment, …
    author  key id of the author, 4 to 64 bytes
    body    what the entry says; may be erased later, up to 1 GiB
    """

    kind: str
    author: bytes
    body: bytes


class Entry(NamedTuple):
    """An entry as kept; salt and body are None once erased."""

    leaf: bytes
    salt: bytes | None
    body: bytes | None


class _Batch:
    """Drafts that will share a commit, and whoever waits for it."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.erased: list[int] = []
        self.done = threading.Event()
        self.wakers: dict[asyncio.AbstractEventLoop, asyncio.Event] = {}
        self.first = 0
        self.error: BaseException | None = None

    def indices(self, place: int, count: int) -> range:
        """Where a caller's drafts ended up; every caller gets an error of its own."""
        if isinstance(self.error, AncileError):
            raise AncileError(self.error.what, value=self.error.value, remedy=self.error.remedy)
        if self.error is not None:
            raise self.error
        return range(self.first + place, self.first + place + count)


class _Joined(NamedTuple):
    """A caller's place in a batch."""

    batch: _Batch
    place: int


class _Grown(NamedTuple):
    """The tree as this process last saw it: its size, edge, and partial tiles."""

    size: int
    edge: list[bytes]
    tiles: dict[Tile, bytes]


class Ledger:
    """An open ledger; threads and asyncio tasks may share it. Close it, or use it as a context manager.

    store  where it lies
    clock  gives the time of each batch
    keys   the folder of its keys, where what was signed last is remembered; None remembers nothing
    """

    def __init__(self, store: Store, *, clock: Clock, keys: Path | None = None) -> None:
        self.store = store
        self.keys = keys
        self._clock = clock
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._open = _Batch()
        self._worker: threading.Thread | None = None
        self._closed = False
        self._grown: _Grown | None = None
        self._nodes = Nodes(self.store.tile)
        self._ragged = lru_cache(maxsize=CACHED_RANGES)(self._range)
        self._known = 0  # entries that are known to exist; there may be more

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Waits until what was handed in is durable, then gives back threads and files."""
        with self._lock:
            self._closed = True
            self._wake.notify()
        if self._worker is not None:
            self._worker.join()
        self.store.close()

    # Appending.

    def append(self, entries: Sequence[Draft]) -> range:
        """Indices of the entries, once they are durable; all of one call stand together.

        AncileError, with nothing of the call appended: a type or key id that a leaf cannot carry, a body
        beyond 1 GiB, and what the store reports (disk full, read-only, locked).
        """
        if not _checked(entries):
            return range(0)
        joined = self._join(entries)
        joined.batch.done.wait()
        return joined.batch.indices(joined.place, len(entries))

    async def append_async(self, entries: Sequence[Draft]) -> range:
        """As ``append``, for asyncio. A cancelled call may have appended."""
        if not _checked(entries):
            return range(0)
        import asyncio  # noqa: PLC0415 - 0.06 s of CPU, which no command line needs

        loop = asyncio.get_running_loop()
        joined = self._join(entries, waker=(loop, asyncio.Event()))
        await joined.batch.wakers[loop].wait()
        return joined.batch.indices(joined.place, len(entries))

    def erase(self, index: int, erasure: Draft) -> int:
        """Index of the new entry ``erasure``, once salt and body of entry ``index`` are gone.

        erasure  of the kind of that name; its body is a signed statement of who erases what, and why
        AncileError when there is no such entry, when its kind is one that stays, or it is erased already.
        """
        self.require_erasable(index)
        joined = self._join(_checked([erasure], kind=ERASURE), erased=index)
        joined.batch.done.wait()
        at = joined.batch.indices(joined.place, 1)[0]
        self.store.forget()
        return at

    def require_erasable(self, index: int) -> Entry:
        """The entry; AncileError when it has no body, or one that stays."""
        entry = self.entry(index)
        kind = parse_leaf(entry.leaf).kind
        if kind in LASTING or entry.salt is None:
            stays = f"what an entry of kind {kind} says stays"
            raise AncileError(
                "this entry has nothing to erase",
                value=f"entry {index}: {stays if kind in LASTING else 'its body is gone'}",
                remedy="`ancile ledger log` tells what is there",
            )
        return entry

    def _join(
        self,
        drafts: Sequence[Draft],
        *,
        waker: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None,
        erased: int | None = None,
    ) -> _Joined:
        with self._lock:
            if self._closed:
                raise AncileError("the ledger is closed", value="append", remedy="open it again")
            batch, place = self._open, len(self._open.drafts)
            batch.drafts += drafts
            if erased is not None:
                batch.erased.append(erased)
            if waker is not None:
                batch.wakers.setdefault(*waker)
            if self._worker is None:  # readers never pay for a thread
                self._worker = threading.Thread(target=self._work, name="ancile-ledger", daemon=True)
                self._worker.start()
            if place == 0:
                self._wake.notify()
        return _Joined(batch, place)

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                batch.first = self._commit(batch)
            except BaseException as error:  # noqa: BLE001 - its callers wait: each raises it in its own thread
                batch.error = error
                self._grown = None
            batch.done.set()
            for loop, waker in batch.wakers.items():
                _wake_up(loop, waker)

    def _next_batch(self) -> _Batch | None:
        with self._lock:
            while not self._open.drafts:
                if self._closed:
                    return None
                self._wake.wait()
            batch, self._open = self._open, _Batch()
        return batch

    def _commit(self, batch: _Batch) -> int:
        with self.store.transaction() as changes:
            before = self._tree(changes)
            rows = _rows(batch.drafts, time_ms=_milliseconds(self._clock()))
            edge, tiles = grow(
                [row.leaf for row in rows], size=before.size, edge=before.edge, tiles=before.tiles
            )
            changes.append(before.size, rows)
            changes.put_tiles(tiles)
            for index in batch.erased:
                changes.erase_body(index)
        size = before.size + len(rows)
        together = before.tiles | tiles
        self._grown = _Grown(size, edge, {at.tile: together[at.tile] for at in partial_tiles(size)})
        self._known = size
        return before.size

    def _tree(self, changes: Transaction) -> _Grown:
        """The tree to append to; read again when another process was here."""
        size = changes.size()
        if self._grown is None or self._grown.size != size:
            partial = {at.tile: changes.tile(at.tile) for at in partial_tiles(size)}
            for tile, width in partial_tiles(size):
                if len(partial[tile]) != width * HASH_BYTES:
                    raise AncileError(
                        "the ledger's tree does not match its entries",
                        value=f"{tile_path(*tile)} at {size} entries",
                        remedy="run `ancile ledger verify`; nothing is appended to a changed ledger",
                    )
            self._grown = _Grown(size, edge_of(Nodes(changes.tile), size), partial)
        return self._grown

    # Reading.

    def size(self) -> int:
        """Number of entries now, those of other processes included."""
        self._known = self.store.size()
        return self._known

    def _range(self, start: int, stop: int) -> bytes:
        return range_root(self._nodes, start, stop)

    def _check(self, low: int, high: int) -> None:
        """Needs 0 <= low <= high <= size of the ledger."""
        if not 0 <= low <= high or (high > self._known and high > self.size()):
            raise AncileError(
                "the ledger does not reach that far",
                value=f"{low} to {high}, the ledger has {self.size()} entries",
                remedy="give an index and a size within the ledger",
            )

    def root(self, size: int) -> bytes:
        """Root over the first ``size`` entries."""
        self._check(0, size)
        return self._ragged(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Proof that entry ``index`` is in the tree of the first ``size``, its sibling first."""
        self._check(index + 1, size)
        if index < 0:
            self._check(index, size)
        return inclusion_path(self._nodes, self._ragged, index=index, size=size)

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Proof that the tree of ``new`` entries extends that of ``old``; empty from 0 and to itself."""
        self._check(old, new)
        return consistency_path(self._ragged, old=old, new=new)

    def entries(self, start: int, stop: int) -> Iterator[Stored]:
        """Entries with start <= index < stop, in order, all from one state of the ledger."""
        with self.store.snapshot() as reader:
            yield from reader.entries(start, stop)

    def entry(self, index: int) -> Entry:
        """One entry; AncileError when it does not exist or its body cannot be read."""
        self._check(index, index + 1)
        found = next(iter(list(self.store.entries(index, index + 1))), None)
        if found is None or found.leaf is None or found.trouble:
            raise AncileError(
                "an entry is damaged",
                value=f"entry {index}: {found.trouble if found else 'it is missing'}",
                remedy="run `ancile ledger verify` to learn what was changed",
            )
        return Entry(found.leaf, found.salt, found.body)

    # Checkpoints.

    def store_checkpoint(self, note: str) -> None:
        """Keeps a signed checkpoint of this ledger; signatures are the caller's to verify.

        AncileError when it is malformed, longer than the ledger, or not this ledger's root.
        """
        head = parse_head(parse_note(note).text)
        if head.size > self.size() or head.root != self.root(head.size):
            raise AncileError(
                "this checkpoint is not of this ledger",
                value=f"size {head.size}, the ledger has {self.size()} entries",
                remedy="sign the ledger's own root",
            )
        with self.store.transaction() as changes:
            changes.put_checkpoint(head.size, note=note, time_ms=_milliseconds(self._clock()))

    def latest_checkpoint(self) -> str | None:
        """Note of the largest stored checkpoint, None without any."""
        with self.store.snapshot() as reader:
            return next((c.note for c in reader.checkpoints()), None)

    def export_tiles(self, folder: Path) -> int:
        """Writes the static C2SP tlog-tiles tree of the largest stored checkpoint; its size."""
        with self.store.snapshot() as reader:
            return export_tiles(reader, folder)


def _wake_up(loop: asyncio.AbstractEventLoop, waker: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop has ended, and its tasks with it
        loop.call_soon_threadsafe(waker.set)


def _milliseconds(now: datetime) -> int:
    return max(0, int(now.timestamp() * 1000))


def _checked(drafts: Sequence[Draft], *, kind: str = "") -> Sequence[Draft]:
    """The drafts, each fit to become an entry: one bad draft must not fail a batch of others.

    kind  ``erasure`` where drafts erase; all others come without
    """
    for given, author, body in drafts:
        checked_kind(given)
        author_hex(author)
        if (given == ERASURE) != (kind == ERASURE) or len(body) > MAX_BODY_BYTES:
            raise AncileError(
                "a draft cannot become an entry",
                value=f"{given}, {len(body)} bytes",
                remedy="bodies have at most 1 GiB; erasures are appended by erasing",
            )
    return drafts


def _rows(drafts: Sequence[Draft], *, time_ms: int) -> list[Row]:
    """Leaves with fresh salts for the drafts of a batch, which share one time."""
    salts = os.urandom(SALT_BYTES * len(drafts))
    heads = {(kind, author): leaf_head(kind, time_ms=time_ms, author=author) for kind, author, _ in drafts}
    rows = []
    for at, (kind, author, body) in zip(range(0, len(salts), SALT_BYTES), drafts, strict=True):
        salt = salts[at : at + SALT_BYTES]
        rows.append(Row(heads[kind, author] + b2a_base64(commitment_to(salt, body)), salt, body))
    return rows


def open_ledger(folder: Path, *, clock: Clock, create: bool = True) -> Ledger:
    """The ledger in ``folder``, with its keys in ``keys`` below.

    clock   gives aware times
    create  make one where there is none; commands that only read give False
    """
    return Ledger(open_sqlite(folder, create=create), clock=clock, keys=folder / KEYS)
