"""Proofs that something is in a version of data, or is not: leaves that adjoin, and hashes of what is beside.

The tree of chunks (``version.leaves``) is in the order of paths and places, that of rows (``row_tree``) in
the order of digests. In both, what is not there is proved by the two leaves between which it would stand.
Such a proof binds whoever signed the root: that the tree holds what the data held, and in that order, is
what their signature says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.core.subject import DIGEST
from ancile.core.text import plain
from ancile.data.row_tree import RowTree
from ancile.data.version import Version, leaves
from ancile.trust.bundle import Bundle
from ancile.trust.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, node_hash, split

LARGEST = 128 << 20  # bytes of a proof: one of a file of 100,000 chunks, and evidence of the largest size
MOST_ITEMS, MOST_LEAVES, MOST_SIZE = 10_000, 4_000_000, 1 << 62

Subtree = Callable[[int, int], bytes]
"""(start, stop) to the root over those leaves."""


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that is proved.

    what    a path, percent-encoded; or ``sha256:<hex>`` of a row, or of a file's bytes
    there   whether it is in the version
    index   place of the first of the leaves
    leaves  that adjoin
    hashes  roots over what is beside the leaves, from the left
    """

    what: str
    there: bool
    index: Annotated[int, msgspec.Meta(ge=0, le=MOST_SIZE)]
    leaves: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=MOST_LEAVES)]
    hashes: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=200)]


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Things that are in a version, or not; with the evidence that its root is in.

    tree      ``chunks``: places in files; ``rows``: rows and whole files by their digests
    size      leaves of the tree
    evidence  of the report that names the root
    """

    format: Literal["ancile/data-proof/v1"] = "ancile/data-proof/v1"
    version: str
    tree: Literal["chunks", "rows"]
    size: Annotated[int, msgspec.Meta(ge=0, le=MOST_SIZE)]
    items: Annotated[tuple[Item, ...], msgspec.Meta(min_length=1, max_length=MOST_ITEMS)]
    evidence: Bundle


class Stretch(NamedTuple):
    """A chunk as its leaf names it."""

    path: str
    at: int
    size: int
    digest: bytes


def encode_proof(proof: Proof) -> bytes:
    """The bytes of a proof's file."""
    return msgspec.json.format(msgspec.json.encode(proof), indent=1) + b"\n"


def parse_proof(data: bytes) -> Proof:
    """The proof in ``data``; bytes that ``encode_proof`` would not write are refused."""
    try:
        proof = msgspec.json.decode(data[: LARGEST + 1], type=Proof)
        same = encode_proof(proof) == data
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise _malformed(str(reason)) from reason
    if not same:
        raise _malformed("spelled in another way than ancile does")
    return proof


def beside(subtree: Subtree, start: int, stop: int, *, size: int) -> tuple[bytes, ...]:
    """Roots over what is beside the leaves from ``start`` up to ``stop``, from the left."""

    def walk(low: int, high: int) -> Iterator[bytes]:
        if high <= start or low >= stop:
            yield subtree(low, high)
        elif not start <= low < high <= stop:
            middle = low + split(high - low)
            yield from walk(low, middle)
            yield from walk(middle, high)

    return tuple(walk(0, size)) if size else ()


def root_from(item: Item, size: int) -> bytes | None:
    """The root that leaves and hashes make; None where they are too many or too few."""
    start, stop = item.index, item.index + len(item.leaves)
    hashes = iter(item.hashes)
    if not size and not item.leaves and not item.hashes and not start:
        return EMPTY_ROOT
    if not start < stop <= size or not all(len(one) == HASH_BYTES for one in item.hashes):
        return None

    def walk(low: int, high: int) -> bytes:
        if high <= start or low >= stop:
            return next(hashes)
        if high - low == 1:
            return leaf_hash(item.leaves[low - start])
        middle = low + split(high - low)
        return node_hash(walk(low, middle), walk(middle, high))

    try:
        found = walk(0, size)
    except StopIteration:
        return None
    return None if any(True for _ in hashes) else found


# The tree of chunks.


def prove_path(version: Version, path: str, *, start: int = 0, stop: int | None = None) -> tuple[int, Item]:
    """The number of leaves, and the proof of a file, of its bytes from ``start`` to ``stop``, or of its lack.

    A whole file is all its chunks and the leaf after them, so that none is missing.
    """
    data = list(leaves(version))
    known = [parse_leaf(one) for one in data]
    mine = [number for number, one in enumerate(known) if one.path == path]
    if not mine:
        after = sum(one.path < path for one in known)
        first, last = max(0, after - 1), min(len(data), after + 1)
    else:
        size = known[mine[-1]].at + known[mine[-1]].size
        whole, end = stop is None and start == 0, size if stop is None else stop
        if not 0 <= start <= end <= size or (start == end and size):
            raise AncileError(
                "no such bytes are in the file",
                value=f"{plain(path, 80)}: {start} to {end} of {size}",
                remedy="give the first byte and the one after the last",
            )
        hit = [n for n in mine if known[n].at < end and start < known[n].at + known[n].size] or mine
        first, last = hit[0], min(len(data), hit[-1] + 1 + whole)
    hashes = [leaf_hash(one) for one in data]

    def subtree(low: int, high: int) -> bytes:
        if high - low == 1:
            return hashes[low]
        middle = low + split(high - low)
        return node_hash(subtree(low, middle), subtree(middle, high))

    found = Item(
        what=path,
        there=bool(mine),
        index=first,
        leaves=tuple(data[first:last]),
        hashes=beside(subtree, first, last, size=len(data)),
    )
    return len(data), found


def parse_leaf(leaf: bytes) -> Stretch:
    """The chunk that a leaf names; AncileError unless it is as ``version.leaves`` writes it."""
    try:
        path, at, size, digest = leaf.decode("ascii").split("\x00")
        found = Stretch(path, int(at), int(size), bytes.fromhex(digest))
    except ValueError as reason:
        raise _malformed("a leaf that names no chunk") from reason
    again = "\x00".join((path, str(found.at), str(found.size), found.digest.hex()))
    if again.encode() != leaf or len(found.digest) != HASH_BYTES or min(found.at, found.size) < 0:
        raise _malformed("a leaf that names no chunk")
    return found


class Stretches(NamedTuple):
    """What a proof shows of a path; no chunks where it is not there.

    whole  whether the chunks are the whole file
    """

    chunks: tuple[Stretch, ...]
    whole: bool


def shown(item: Item, size: int, root: bytes) -> Stretches:
    """What the proof of a path shows under ``root``; AncileError where it does not hold."""
    if root_from(item, size) != root:
        raise _not_shown(item)
    known = [parse_leaf(one) for one in item.leaves]
    mine = tuple(one for one in known if one.path == item.what)
    ends = item.index + len(known) == size
    if not item.there:
        before = item.index == 0 or known[0].path < item.what
        after = ends or known[-1].path > item.what
        # The two that it would stand between, or one of them at an end of the tree
        if (
            mine
            or not (before and after)
            or len(known) > 2
            or (len(known) == 2 and known[0].path > item.what)
        ):
            raise _not_shown(item)
        return Stretches((), whole=False)
    if not mine or any(one.at != before.at + before.size for before, one in pairwise(mine)):
        raise _not_shown(item)
    return Stretches(mine, whole=mine[0].at == 0 and (ends or known[-1].path != item.what))


def differing(chunks: Sequence[Stretch], read: Callable[[int, int], bytes]) -> Stretch | None:
    """The first chunk whose bytes are others; ``read`` gives (place, size) of the file in question."""
    for one in chunks:
        if hashlib.sha256(read(one.at, one.size)).digest() != one.digest:
            return one
    return None


# The tree of rows.


def prove_row(tree: RowTree, digest: bytes, *, size: int) -> Item:
    """The proof that a row of this digest is there, or is not."""
    place = tree.place(digest)
    there = place < size and tree.leaves(place, place + 1)[0][:HASH_BYTES] == digest
    start, stop = (place, place + 1) if there else (max(0, place - 1), min(size, place + 1))
    return Item(
        what=f"sha256:{digest.hex()}",
        there=there,
        index=start,
        leaves=tuple(tree.leaves(start, stop)),
        hashes=beside(tree.hash, start, stop, size=size),
    )


def times(item: Item, size: int, root: bytes) -> int:
    """How often a row is there, by its proof under ``root``; AncileError where it does not hold."""
    if root_from(item, size) != root or any(len(one) != HASH_BYTES + 8 for one in item.leaves):
        raise _not_shown(item)
    if not DIGEST.fullmatch(item.what):
        raise _malformed("a row is named by its SHA-256")
    wanted = bytes.fromhex(item.what.removeprefix("sha256:"))
    known = [one[:HASH_BYTES] for one in item.leaves]
    if item.there:
        if known != [wanted]:
            raise _not_shown(item)
        return int.from_bytes(item.leaves[0][HASH_BYTES:], "big")
    before = item.index == 0 or known[0] < wanted
    after = item.index + len(known) == size or known[-1] > wanted
    if not (before and after) or len(known) > 2 or wanted in known or (len(known) == 2 and known[0] > wanted):
        raise _not_shown(item)
    return 0


def _not_shown(item: Item) -> AncileError:
    return AncileError(
        "the proof does not show what it says",
        value=plain(item.what, 80),
        remedy="make it once more with `ancile data prove`; if it fails again, the version was changed",
    )


def _malformed(reason: str) -> AncileError:
    return AncileError(
        "not a proof of data, or a damaged one",
        value=plain(reason),
        remedy="make it once more with `ancile data prove`",
    )
