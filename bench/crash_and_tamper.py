"""Kills, power cuts and tampering: nothing acknowledged is lost, and what was changed is found and named."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.trust.audit import Audit, audit
from ancile.trust.checkpoint import open_checkpoint
from ancile.trust.last_signed import FILE as MEMORY_FILE
from ancile.trust.ledger import Draft
from ancile.trust.notary import sign_head
from ancile.trust.sqlite_store import INLINE_BYTES, object_path
from ancile.trust.tiles import Tile
from bar import Bar

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))  # the crash and tampering machinery lives with the tests of the room

from tests.trust.crash_help import recorder, script  # noqa: E402 - from here on it is on the path
from tests.trust.crash_rounds import Acknowledged, entries_of, kill_rounds, losses, power_cuts, recorded  # noqa: E402 - as above
from tests.trust.ledger_help import AUTHOR, LOG, VKEYS, drafts, opened, signed, ticking  # noqa: E402 - as above
from tests.trust.tamper_help import Statement, flipped, leaves, rewrite, tampered  # noqa: E402 - as above

KILLS = 200
CONTROL_CUTS = 40  # steps of the control's record after which the power is cut
APPENDED = 300  # by each of two processes
SIZE, FIRST = 600, 300  # entries of the ledger that is tampered with; size at its first checkpoint
LONG = 77  # the entry whose body lies in a file of its own
RAM = Path("/dev/shm")  # noqa: S108 - the cut disk is a simulated one: a real sync would only take time


class Change(NamedTuple):
    """What somebody does to the ledger's file, and the first fault that must be named."""

    kind: str
    apply: Callable[[Path], None]
    place: str


def killed(base: Path, *, control: bool) -> Bar:
    """200 kills; the control tells an index before its entry is durable."""
    if control:
        found = kill_rounds(base / "kills", 10, child="append_hastily", processes=1)
    else:
        found = kill_rounds(base / "kills", KILLS // 2)
    return Bar(
        claim="kill -9 at random moments, another process writing, loses nothing acknowledged",
        measured=f"{found.crashes} kills, {found.acknowledged:,} entries acknowledged; "
        f"{len(found.losses)} losses {found.losses[:1] or ''}",
        wanted=f"no loss and an intact ledger after each of {KILLS}",
        met=not found.losses and found.crashes >= KILLS,
    )


def cut(base: Path, *, control: bool) -> Bar:
    """Every prefix of what a ledger's life wrote; the control runs SQLite with synchronous=OFF."""
    steps = recorded(base, recorder(base), synchronous="OFF" if control else "FULL")
    with tempfile.TemporaryDirectory(dir=RAM if RAM.is_dir() else base) as name:
        found = power_cuts(Path(name), steps, samples=CONTROL_CUTS if control else None)
    syncs = sum(step.kind == "s" for step in steps)
    return Bar(
        claim="a power cut after any write, unsynced ones dropped or torn, loses nothing acknowledged",
        measured=f"cut after each of {len(steps)} recorded steps ({syncs} syncs): {found.crashes} different disks reopened, "
        f"{found.acknowledged} entries acknowledged; {len(found.losses)} losses {found.losses[:1] or ''}",
        wanted="no loss and an intact ledger after every cut",
        met=not found.losses and found.crashes >= KILLS,
    )


def together(base: Path, *, control: bool) -> Bar:
    """Two processes at once; the control rewrites one file without a lock."""
    folder = base / "shared"
    child = "append_by_rewriting" if control else "append_some"
    children = [script(child, str(folder), f"child-{k}", str(APPENDED)) for k in range(2)]
    told = [entries_of(one.communicate()[0]) for one in children]
    entries = told[0] | told[1]
    if control:
        wrong = ["an index was given twice"] * (2 * APPENDED - len(entries))
    else:
        wrong = losses(folder, Acknowledged(entries, {}, []))
    return Bar(
        claim="two processes that append at once lose nothing",
        measured=f"2 processes, {2 * APPENDED} appends, {len(entries)} indices; {len(wrong)} losses {wrong[:1] or ''}",
        wanted="every entry acknowledged under an index of its own is there",
        met=not wrong and sorted(entries) == list(range(2 * APPENDED)),
    )


# Tampering.


def template(folder: Path) -> list[str]:
    """A ledger of 600 entries, two full tiles among its three, with checkpoints; those as returned."""
    notes = []
    with opened(folder) as ledger:
        for start in range(0, SIZE, FIRST):
            ledger.append(drafts(LONG if start == 0 else FIRST, first=start))
            if start == 0:
                ledger.append([Draft("report", AUTHOR, bytes(INLINE_BYTES + 1))])
                ledger.append(drafts(FIRST - LONG - 1, first=LONG + 1))
            notes.append(signed(ledger))
            ledger.store_checkpoint(notes[-1])
    return notes


def sql(*statements: Statement) -> Callable[[Path], None]:
    """A change by SQL."""
    return lambda folder: tampered(folder, *statements)


def changes(folder: Path, notes: list[str], rng: random.Random) -> Iterator[Change]:
    """Every kind of change, at random places and bytes."""
    all_leaves = leaves(folder)
    with opened(folder, create=False) as ledger:
        bodies = {n: ledger.entry(n) for n in range(SIZE)}
        tiles = [(tile, hashes or b"") for tile, hashes in ledger.store.tiles()]
    leaf_sql, body_sql = (
        "UPDATE entries SET leaf = ? WHERE idx = ?",
        "UPDATE bodies SET body = ? WHERE idx = ?",
    )
    inline = [n for n in range(SIZE) if n != LONG]
    for n in [0, 255, 256, SIZE - 1, *rng.sample(range(SIZE), 16)]:
        leaf = flipped(all_leaves[n], rng.randrange(len(all_leaves[n])))
        yield Change("byte of an entry", sql((leaf_sql, (leaf, n))), f"entry {n}")
    for n in rng.sample(inline, 20):
        said = bodies[n].body or b""
        body = flipped(said, rng.randrange(len(said)))
        yield Change("byte of a body", sql((body_sql, (body, n))), f"body of entry {n}")
        salt = flipped(bodies[n].salt or b"", rng.randrange(32))
        statement = ("UPDATE bodies SET salt = ? WHERE idx = ?", (salt, n))
        yield Change("byte of a salt", sql(statement), f"body of entry {n}")
        yield Change("removed body", sql(("DELETE FROM bodies WHERE idx = ?", (n,))), f"body of entry {n}")
    yield Change("byte of a long body", _flip_object(all_leaves[LONG]), f"body of entry {LONG}")
    for tile, hashes in tiles:
        for _ in range(8):
            changed = flipped(hashes, rng.randrange(len(hashes)))
            statement = ("UPDATE tiles SET hashes = ? WHERE id = ?", (changed, tile.level << 56 | tile.n))
            yield Change("byte of a tile", sql(statement), _path(tile))
    for size, note in zip((FIRST, SIZE), notes, strict=True):
        for _ in range(12):
            text = flipped(note.encode(), rng.randrange(len(note.encode()))).decode("utf-8", "replace")
            statement = ("UPDATE checkpoints SET note = ? WHERE size = ?", (text, size))
            yield Change("byte of a checkpoint", sql(statement), f"checkpoint at size {size}")
    for left in [0, 255, 256, SIZE - 1, *rng.sample(range(SIZE), 8)]:
        yield Change("truncation", sql(*_cut_from(left)), f"entry {left}")
    for _ in range(12):
        low, high = sorted(rng.sample(range(SIZE), 2))
        swap = [(leaf_sql, (all_leaves[high], low)), (leaf_sql, (all_leaves[low], high))]
        yield Change("two entries swapped", sql(*swap), f"entry {low}")
    for n in rng.sample(range(SIZE - 1), 12):
        yield Change("entry taken out", sql(("DELETE FROM entries WHERE idx = ?", (n,))), f"entry {n}")
    for n in rng.sample(range(SIZE), 6):  # tiles made to agree: only the log's signatures contradict
        first = FIRST if n < FIRST else SIZE
        yield Change("rewriting without the key", _rewriting(n), f"checkpoint at size {first}")


def _path(tile: Tile) -> str:
    return f"tile/{tile.level}/{tile.n:03}"


def _flip_object(leaf: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = object_path(folder, leaf)
        path.write_bytes(flipped(path.read_bytes()))

    return change


def _cut_from(left: int) -> list[Statement]:
    return [(f"DELETE FROM {table} WHERE idx >= ?", (left,)) for table in ("entries", "bodies")]  # noqa: S608 - two names


def _rewriting(n: int) -> Callable[[Path], None]:
    def later(found: list[bytes]) -> None:
        found[n] = found[n].replace(b"\n17", b"\n18", 1)

    return lambda folder: rewrite(folder, SIZE, change=later)


def judged(folder: Path, *, against: list[str]) -> list[str]:
    """Places of the faults that the audit names, the first one first."""
    with opened(folder, create=False) as ledger:
        found: Audit = audit(ledger, vkeys=VKEYS, against=against)
    return [fault.place for fault in found.faults]


def believed(folder: Path) -> list[str]:
    """The control: a verifier that takes the stored tree for the entries, and looks at the last checkpoint only."""
    with opened(folder, create=False) as ledger:
        try:
            last = open_checkpoint(ledger.latest_checkpoint() or "", VKEYS)
            same = last.size == ledger.size() and ledger.root(last.size) == last.root
        except AncileError:
            same = False
        return [] if same else [f"checkpoint at size {SIZE}"]


def found_and_named(base: Path, *, control: bool) -> Bar:
    """Each change on a copy of its own; the control believes what is stored."""
    notes = template(base / "template")
    named, missed, count = dict[str, int](), list[str](), 0
    for change in changes(base / "template", notes, random.Random(2)):
        count += 1
        folder = base / "copy"
        shutil.copytree(base / "template", folder)
        change.apply(folder)
        places = believed(folder) if control else judged(folder, against=[])
        if places[:1] == [change.place]:
            named[change.kind] = named.get(change.kind, 0) + 1
        else:
            missed.append(f"{change.kind}: wanted {change.place}, named {places[:1]}")
        shutil.rmtree(folder)
    kinds = ", ".join(f"{kind} {n}" for kind, n in named.items())
    return Bar(
        claim="a change to an entry, tile, body or checkpoint, truncation and reordering are each found and named",
        measured=f"{count - len(missed)} of {count} named at the right place ({kinds}) {missed[:1] or ''}",
        wanted="all, the first fault naming the place that was changed",
        met=not missed,
    )


class Back(NamedTuple):
    """How often a rollback was named: against a checkpoint kept elsewhere, and against the memory beside the keys."""

    tried: int
    kept: int
    remembered: int


def set_back(base: Path, *, control: bool) -> Back:
    """Back to an older state, all traces in the database removed; the control has neither checkpoint nor memory."""
    rng, kept, remembered = random.Random(3), 0, 0
    chosen = [FIRST, SIZE - 1, *rng.sample(range(1, SIZE), 18)]
    for left in chosen:
        folder = base / f"rolled-{left}"
        with opened(folder) as ledger:
            ledger.append(drafts(SIZE))
            ledger.store_checkpoint(signed(ledger, left))
            note = sign_head(ledger, LOG, clock=ticking())
        rewrite(folder, left, change=lambda _: None)
        if control:
            (folder / "keys" / MEMORY_FILE).unlink()
        remembered += judged(folder, against=[])[:1] == [f"checkpoint signed last at size {SIZE}"]
        (folder / "keys" / MEMORY_FILE).unlink(missing_ok=True)
        places = judged(folder, against=[] if control else [note])
        kept += places[:1] == [f"checkpoint kept elsewhere at size {SIZE}"]
        shutil.rmtree(folder)
    return Back(len(chosen), kept, remembered)


def rolled_back(base: Path, *, control: bool) -> list[Bar]:
    """The two ways to see a rollback, each by itself."""
    found = set_back(base, control=control)
    ways = {"a checkpoint kept elsewhere": found.kept, "what this machine signed last": found.remembered}
    return [
        Bar(
            claim=f"a rollback is found and named against {way}",
            measured=f"{named} of {found.tried}",
            wanted="all",
            met=named == found.tried,
        )
        for way, named in ways.items()
    ]


def measure(*, control: bool = False) -> list[Bar]:
    """Six bars; each control is a weaker ledger or verifier in the place of ours."""
    with tempfile.TemporaryDirectory(prefix="ancile-bench-") as name:
        bases = [Path(name) / part for part in ("killed", "cut", "together", "changed", "rolled")]
        for base in bases:
            base.mkdir()
        measured = (killed, cut, together, found_and_named)
        found = [one(base, control=control) for one, base in zip(measured, bases, strict=False)]
        return found + rolled_back(bases[-1], control=control)


if __name__ == "__main__":
    for bar in measure():
        print(bar)
