"""Proofs of single rows: what listing all rows costs beside hashing the file, what a proof costs, and forgeries.

A CSV of 100,000 rows. Listing is CPU time of ``list_rows`` in one process, beside the three SHA-256 that any tree over
rows takes for each: of the row, of its leaf, of a node; three rounds in turn. A proof is CPU time of making and of verifying it, without
the signatures of its evidence, which `ledger_proofs.py` measures; its size is that of its hashes and leaves. Forgeries
take the proofs of rows that are there, and of others, and claim the opposite with every size and place nearby. The
control makes every digest twenty times, and lists rows in no order, so that what is there is proved out.
"""

from __future__ import annotations

import hashlib
import random
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import msgspec

from ancile.core.errors import AncileError
from ancile.data import listing
from ancile.data.adding import add_version
from ancile.data.listing import list_rows
from ancile.data.proofs import Item, prove_row, times
from ancile.data.records import digests_of
from ancile.data.row_tree import RowTree, Tree, write_tree
from ancile.data.store import DataStore
from ancile.data.version import Provenance, Version
from bar import Bar

ROWS, ROUNDS, ASKED = 100_000, 3, 200
SLOWER, MILLISECONDS, BYTES = 5, 5, 2_000


def cpu(call: object, *given: object) -> tuple[float, object]:
    start = time.process_time()
    found = call(*given)  # type: ignore[operator]  # a function
    return time.process_time() - start, found


def plainly(path: Path) -> int:
    """What is needed in any case: hashes of each line, of a leaf and of a node."""
    sha256, size = hashlib.sha256, 0
    with path.open("rb") as file:
        for line in file:
            digest = sha256(line).digest()
            leaf = sha256(b"\x00" + digest + bytes(8)).digest()
            size += len(sha256(b"\x01" + leaf + digest).digest())
    return size


def planted(file: IO[bytes], name: str) -> Iterator[bytes]:
    """Every digest made twenty times."""
    for digest in digests_of(file, name):
        for _ in range(19):
            hashlib.sha256(digest).digest()
        yield digest


def cost_bar(store: DataStore, version: Version, source: Path, scratch: Path) -> Bar:
    ours, theirs = [], []
    for number in range(ROUNDS):
        theirs.append(cpu(plainly, source)[0])
        ours.append(cpu(list_rows, store, version, scratch / f"list{number}")[0])
    ratio = statistics.median(ours) / statistics.median(theirs)
    pace = ROWS / statistics.median(ours)
    return Bar(
        claim="data: listing all rows for proofs costs little more than the hashes of a tree",
        measured=f"ours / three hashes a row = {ratio:.1f}; {pace:,.0f} rows a CPU second",
        wanted=f"at most {SLOWER}",
        met=ratio <= SLOWER,
        raw={"ours": ours, "hashing": theirs},
    )


def rows_bars(tree: Tree, path: Path, *, held: list[bytes], absent: list[bytes]) -> list[Bar]:
    took, sizes, wrong, forged, tried = [], [], 0, 0, 0
    with RowTree(path, tree) as opened:
        for number, (digest, there) in enumerate(
            [(one, True) for one in held] + [(one, False) for one in absent]
        ):
            start = time.process_time()
            item = prove_row(opened, digest, size=tree.leaves)
            try:
                wrong += (times(item, tree.leaves, tree.root) > 0) != there
            except AncileError:
                wrong += 1
            took.append((time.process_time() - start) * 1000)
            sizes.append(len(msgspec.json.encode(item)))
            if number % 4 == 0:
                for claim in forgeries(item, tree.leaves):
                    tried += 1
                    forged += holds(claim, tree)
    worst, size = sorted(took)[int(len(took) * 0.95)], max(sizes)
    return [
        Bar(
            claim="data: a row is proved in or out in milliseconds, and in little",
            measured=f"95 % of {len(took)} made and verified within {worst:.1f} ms of CPU; at most {size} bytes; {wrong} wrong",
            wanted=f"at most {MILLISECONDS} ms and {BYTES} bytes, none wrong",
            met=worst <= MILLISECONDS and size <= BYTES and not wrong,
            raw={"milliseconds": took, "bytes": [float(one) for one in sizes]},
        ),
        Bar(
            claim="data: no proof can be turned into its opposite",
            measured=f"{forged} of {tried} forgeries hold",
            wanted="none of at least 1,000",
            met=not forged and not wrong and tried >= 1_000,
            raw={"held": [float(forged)]},
        ),
    ]


def forgeries(item: Item, leaves: int) -> list[tuple[Item, int]]:
    """The same leaves and hashes with the opposite claim, other places and other sizes."""
    turned = msgspec.structs.replace(item, there=not item.there)
    places = [max(0, item.index + step) for step in (-1, 0, 1)]
    some = [
        turned,
        *([msgspec.structs.replace(turned, leaves=item.leaves[:1])] if len(item.leaves) > 1 else []),
    ]
    return [
        (msgspec.structs.replace(one, index=place), size)
        for one in some
        for place in {0, *places}
        for size in (leaves - 1, leaves, leaves + 1, item.index + 1)
    ]


def holds(claim: tuple[Item, int], tree: Tree) -> bool:
    try:
        times(claim[0], claim[1], tree.root)
    except AncileError:
        return False
    return True


def measure(control: bool = False) -> list[Bar]:
    rng = random.Random(0)
    lines = [f"{number},{rng.random():.9f},{rng.randrange(90)}".encode() for number in range(ROWS)]
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        source = scratch / "rows.csv"
        source.write_bytes(b"\n".join(lines) + b"\n")
        with DataStore(scratch / "home") as store:
            now = datetime(2026, 1, 1, tzinfo=UTC)
            version = add_version(store, source, name="rows", provenance=Provenance(), now=now).kept.version
            listing.digests_of = planted if control else digests_of
            bars = [cost_bar(store, version, source, scratch)]
            tree, path = list_rows(store, version, scratch / "list").tree, scratch / "list"
        digests = [hashlib.sha256(line).digest() for line in rng.sample(lines, ASKED)]
        others = [hashlib.sha256(b"no %d" % number).digest() for number in range(ASKED)]
        if control:
            data = path.read_bytes()[: tree.leaves * 40]
            shuffled = [data[at : at + 40] for at in range(0, len(data), 40)]
            rng.shuffle(shuffled)
            with (scratch / "other").open("wb") as file:
                tree, path = write_tree(iter(shuffled), file), scratch / "other"
        return [*bars, *rows_bars(tree, path, held=digests, absent=others)]


if __name__ == "__main__":
    for bar in measure(control="control" in sys.argv):
        print(bar)
