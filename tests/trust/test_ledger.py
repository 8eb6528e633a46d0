"""The ledger: what is acknowledged is there, in order, proved, and the same for every process."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.audit import audit
from ancile.trust.leaf import commitment_to, parse_leaf
from ancile.trust.ledger import Draft, open_ledger
from ancile.trust.merkle import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from ancile.trust.sqlite_store import INLINE_BYTES
from ancile.trust.tiles import entry_bundle, tile_path, widths
from tests.trust.ledger_help import AUTHOR, ERASER, VKEYS, checkpoint, drafts, erased, filled, opened, signed


def test_an_entry_comes_back_as_it_went_in(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert ledger.append([Draft("run", AUTHOR, b"hello")]) == range(1)
        entry = ledger.entry(0)
    leaf = parse_leaf(entry.leaf)
    assert (leaf.kind, leaf.author, entry.body) == ("run", AUTHOR, b"hello")
    assert entry.salt is not None
    assert commitment_to(entry.salt, b"hello") == leaf.commitment
    assert leaf.time_ms == int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000) + 1


def test_equal_bodies_have_unequal_leaves(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append([Draft("run", AUTHOR, b"same")] * 2)
        assert ledger.entry(0).leaf != ledger.entry(1).leaf


def test_nothing_appended_is_nothing_done(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert ledger.append([]) == range(0)
        assert asyncio.run(ledger.append_async([])) == range(0)
        assert (ledger.size(), ledger.root(0)) == (0, EMPTY_ROOT)


def test_reading_starts_no_thread(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    before = threading.active_count()
    with opened(tmp_path, create=False) as ledger:
        ledger.inclusion_proof(1, 3)
        assert threading.active_count() == before


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    steps=st.lists(st.integers(1, 300), min_size=1, max_size=5),
    reopen=st.booleans(),
    data=st.data(),
)
def test_every_proof_verifies_however_the_log_grew(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], *, reopen: bool, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    ledger = opened(folder)
    roots = {0: EMPTY_ROOT}
    for step in steps:
        assert ledger.append(drafts(step)) == range(max(roots), max(roots) + step)
        roots[ledger.size()] = ledger.root(ledger.size())
        if reopen:
            ledger.close()
            ledger = opened(folder)
    with ledger:
        size = max(roots)
        index = data.draw(st.integers(0, size - 1))
        leaf = leaf_hash(ledger.entry(index).leaf)
        proof = ledger.inclusion_proof(index, size)
        assert verify_inclusion(proof, index=index, size=size, leaf=leaf, root=roots[size])
        for old, old_root in roots.items():
            proof = ledger.consistency_proof(old, size)
            assert verify_consistency(proof, old=old, new=size, old_root=old_root, new_root=roots[size])
        assert audit(ledger, vkeys=VKEYS).root == roots[size]


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3), (0, 4), (2, 1)])
def test_a_proof_outside_the_log_is_refused(tmp_path: Path, index: int, size: int) -> None:
    with opened(tmp_path) as ledger:
        ledger.append(drafts(3))
        with pytest.raises(AncileError, match="does not reach that far"):
            ledger.inclusion_proof(index, size)


def test_consistency_and_roots_outside_the_log_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append(drafts(3))
        for old, new in ((2, 1), (-1, 2), (0, 4)):
            with pytest.raises(AncileError, match="does not reach that far"):
                ledger.consistency_proof(old, new)
        with pytest.raises(AncileError, match="does not reach that far"):
            ledger.root(4)
        with pytest.raises(AncileError, match="does not reach that far"):
            ledger.entry(3)


def test_threads_that_append_at_once_lose_nothing(tmp_path: Path) -> None:
    got: list[range] = []
    with opened(tmp_path) as ledger:

        def work(k: int) -> None:
            got.extend(ledger.append([Draft("run", AUTHOR, b"%d %d" % (k, n))]) for n in range(20))

        threads = [threading.Thread(target=work, args=(k,)) for k in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(one.start for one in got) == list(range(320))
        assert len({entry.body for entry in ledger.entries(0, 320)}) == 320
        assert audit(ledger, vkeys=VKEYS).is_intact


def test_tasks_share_batches_and_each_learns_its_own_index(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:

        async def work(k: int) -> range:
            return await ledger.append_async([Draft("run", AUTHOR, b"%d" % k)] * 2)

        async def main() -> list[range]:
            return await asyncio.gather(*(work(k) for k in range(100)))

        for k, indices in enumerate(asyncio.run(main())):
            assert [ledger.entry(i).body for i in indices] == [b"%d" % k] * 2
        times = {parse_leaf(entry.leaf or b"").time_ms for entry in ledger.entries(0, 200)}
    assert len(times) < 100  # one time a batch


def test_a_loop_that_ends_early_does_not_stop_the_ledger(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:

        async def leave() -> None:
            task = asyncio.create_task(ledger.append_async(drafts(1)))
            await asyncio.sleep(0)
            task.cancel()

        for _ in range(10):
            asyncio.run(leave())
        assert ledger.append(drafts(1)) == range(10, 11)


@pytest.mark.parametrize(
    "draft",
    [
        Draft("No", AUTHOR, b""),
        Draft("run", b"abc", b""),
        Draft("erasure", AUTHOR, b""),
    ],
)
def test_a_bad_draft_is_refused_before_it_joins_others(tmp_path: Path, draft: Draft) -> None:
    with opened(tmp_path) as ledger:
        with pytest.raises(AncileError):
            ledger.append([*drafts(1), draft])
        assert ledger.size() == 0


def test_a_closed_ledger_takes_nothing(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.append(drafts(1))
    ledger.close()
    with pytest.raises(AncileError, match="closed"):
        ledger.append(drafts(1))


def test_a_clock_that_fails_reaches_every_caller_and_the_next_batch_goes_on(tmp_path: Path) -> None:
    answers = [ValueError("no time")]

    def clock() -> datetime:
        if answers:
            raise answers.pop()
        return datetime(2026, 1, 1, tzinfo=UTC)

    with open_ledger(tmp_path, clock=clock) as ledger:
        with pytest.raises(ValueError, match="no time"):
            ledger.append(drafts(1))
        assert ledger.append(drafts(1)) == range(1)


def test_two_ledgers_on_one_folder_take_turns(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as other:
        for first in range(0, 600, 20):
            writer = (one, other)[first // 20 % 2]
            assert writer.append(drafts(20)) == range(first, first + 20)
        assert one.size() == other.size() == 600
        assert one.root(600) == other.root(600)
        assert audit(one, vkeys=VKEYS).is_intact


@pytest.mark.parametrize("size", [0, 10, 30_000, INLINE_BYTES, INLINE_BYTES + 1, 3 * INLINE_BYTES])
def test_an_erased_body_is_nowhere_in_the_folder(tmp_path: Path, size: int) -> None:
    body = (hashlib.sha256(b"secret").digest() * (size // 32 + 1))[:size]
    with opened(tmp_path) as ledger:
        ledger.append([*drafts(5), Draft("segment", AUTHOR, body), *drafts(5)])
        _, salt, found = ledger.entry(5)
        assert found == body
        assert erased(ledger, 5) == 11
        assert ledger.entry(5)[1:] == (None, None)
        assert audit(ledger, vkeys=VKEYS, authors=[ERASER.public.text]).erased[0][:2] == (5, 11)
        assert salt is not None
        files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".db-shm"]
        for data in (path.read_bytes() for path in files):
            assert salt not in data
            assert not size or body[:10] not in data


def test_what_has_nothing_to_erase_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append([*drafts(2), Draft("key", AUTHOR, b"whom to believe")])
        erased(ledger, 0)
        for index in (0, 2, 3):
            with pytest.raises(AncileError, match="nothing to erase"):
                erased(ledger, index)
        with pytest.raises(AncileError, match="does not reach"):
            erased(ledger, 9)
        for wrong in (Draft("erasure", b"x", b""), Draft("report", AUTHOR, b"")):
            with pytest.raises(AncileError):
                ledger.erase(1, wrong)
        assert ledger.size() == 4


def test_checkpoints_are_kept_when_they_are_of_this_ledger(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert ledger.latest_checkpoint() is None
        ledger.append(drafts(5))
        note = signed(ledger)
        ledger.store_checkpoint(note)
        ledger.store_checkpoint(signed(ledger, 2))
        assert ledger.latest_checkpoint() == note
        for wrong in (checkpoint(5, bytes(32)), checkpoint(6, ledger.root(5))):
            with pytest.raises(AncileError, match="not of this ledger"):
                ledger.store_checkpoint(wrong)


def test_the_exported_tree_is_that_of_the_latest_checkpoint(tmp_path: Path) -> None:
    note = filled(tmp_path / "ledger", 700)
    out = tmp_path / "out"
    with opened(tmp_path / "ledger") as ledger:
        ledger.append(drafts(10))
        assert ledger.export_tiles(out) == 700
        assert ledger.export_tiles(out) == 700
        leaves = [entry.leaf or b"" for entry in ledger.entries(0, 700)]
    assert (out / "checkpoint").read_text() == note
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} - {"checkpoint"}
    expected = {tile_path(at.level, at.n, width=width) for at, width in widths(700)}
    bundles = {tile_path("entries", at.n, width=width) for at, width in widths(700) if at.level == 0}
    assert files == expected | bundles
    assert (out / "tile/entries/002.p/188").read_bytes() == entry_bundle(leaves[512:])
    assert (out / "tile/0/002.p/188").read_bytes() == b"".join(map(leaf_hash, leaves[512:]))


def test_an_export_without_a_checkpoint_or_a_place_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger") as ledger:
        ledger.append(drafts(3))
        with pytest.raises(AncileError, match="no checkpoint"):
            ledger.export_tiles(tmp_path / "out")
        ledger.store_checkpoint(signed(ledger))
        (tmp_path / "file").touch()
        with pytest.raises(AncileError, match="cannot be written"):
            ledger.export_tiles(tmp_path / "file")


@pytest.mark.parametrize("leaf", [b"another", b"x" * 65_536])
def test_a_changed_ledger_is_not_published(tmp_path: Path, leaf: bytes) -> None:
    """A tile that was published stays for good; a length beyond two bytes could not even be written."""
    filled(tmp_path, 300)
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as db:
        tile = db.execute("SELECT hashes FROM tiles WHERE id = 0").fetchone()[0]
        db.execute("DROP TRIGGER entries_update")
        db.execute("UPDATE entries SET leaf = ? WHERE idx = 7", (leaf,))
        changed = tile[: 7 * 32] + leaf_hash(leaf) + tile[8 * 32 :]
        db.execute("UPDATE tiles SET hashes = ? WHERE id = 0", (changed if len(leaf) > 100 else tile,))
    with opened(tmp_path, create=False) as ledger, pytest.raises(AncileError, match="is not published"):
        ledger.export_tiles(tmp_path / "out")
    assert not (tmp_path / "out" / "checkpoint").exists()


def test_iterating_while_others_append_sees_one_state(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append(drafts(10))
        entries = ledger.entries(0, 1000)
        next(entries)
        ledger.append(drafts(10))
        assert len(list(entries)) == 9
