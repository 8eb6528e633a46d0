"""Merkle tree of a transparency log: hashing of RFC 6962 section 2.1, verification of RFC 9162 section 2.1.

A *complete subtree* (level, index) covers the leaves index * 2**level up to (index + 1) * 2**level; once full
it never changes. Everything that makes roots and proofs asks a ``Node`` for such hashes and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()  # RFC 6962 section 2.1: the tree without leaves
MAX_SIZE = 2**63 - 1  # what a signed 64-bit column holds; C2SP sizes are decimal without a bound
DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")  # a size or an index as we would write it, below 2**64

Node = Callable[[int, int], bytes]
"""(level, index) to the hash of that complete subtree."""

Range = Callable[[int, int], bytes]
"""(start, stop) to the root over those leaves, 0 <= start < stop."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of one leaf: SHA-256 of 0x00 and its data."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256 of 0x01 and its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """Largest power of two smaller than ``size``, for size > 1."""
    return 1 << ((size - 1).bit_length() - 1)


def edge_of(node: Node, size: int) -> list[bytes]:
    """Hashes of the complete subtrees that tile 0..size, largest first: one for each bit set in ``size``."""
    return [node(bit, (size >> bit) - 1) for bit in reversed(range(size.bit_length())) if size >> bit & 1]


def edge_root(edge: Sequence[bytes]) -> bytes:
    """Root of the tree whose complete subtrees are ``edge``, largest first."""
    if not edge:
        return EMPTY_ROOT
    root = edge[-1]
    for left in reversed(edge[:-1]):
        root = node_hash(left, root)
    return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Root of the tree over the leaves' data (RFC 9162, section 2.1.1). Cost: two hashes a leaf."""
    edge: list[tuple[int, bytes]] = []
    for leaf in leaves:
        height, hash_ = 0, leaf_hash(leaf)
        while edge and edge[-1][0] == height:
            hash_, height = node_hash(edge.pop()[1], hash_), height + 1
        edge.append((height, hash_))
    return edge_root([hash_ for _, hash_ in edge])


def range_root(node: Node, start: int, stop: int) -> bytes:
    """Root over the leaves start..stop, where ``start`` is a multiple of the first complete subtree."""
    size = stop - start
    if size & (size - 1) == 0:
        return node(size.bit_length() - 1, start // size)
    middle = start + split(size)
    return node_hash(range_root(node, start, middle), range_root(node, middle, stop))


def inclusion_path(node: Node, ragged: Range, *, index: int, size: int) -> list[bytes]:
    """Inclusion proof of leaf ``index`` in the tree of ``size`` leaves, the leaf's sibling first.

    ragged    root of a range that is no complete subtree; a caller may cache it. Needs 0 <= index < size.
    """
    start, stop, path = 0, size, []
    while (width := stop - start) & (width - 1):
        middle = start + split(width)
        if index < middle:
            path.append(ragged(middle, stop))
            stop = middle
        else:
            path.append(node((middle - start).bit_length() - 1, start // (middle - start)))
            start = middle
    inside = [node(level, (index >> level) ^ 1) for level in range(width.bit_length() - 1)]
    return inside + path[::-1]


def consistency_path(ragged: Range, *, old: int, new: int) -> list[bytes]:
    """Consistency proof from the tree of ``old`` leaves to that of ``new``, 0 <= old <= new."""
    start, stop, path = 0, new, []
    while 0 < old < stop:
        middle = start + split(stop - start)
        if old <= middle:
            path.append(ragged(middle, stop))
            stop = middle
        else:
            path.append(ragged(start, middle))
            start = middle
    if start:  # the walk went right, so the old root is not the verifier's first hash
        path.append(ragged(start, stop))
    return path[::-1]


def well_formed(hashes: Sequence[bytes]) -> bool:
    """Whether every hash has the length of SHA-256."""
    return all(len(one) == HASH_BYTES for one in hashes)


def verify_inclusion(proof: Sequence[bytes], *, index: int, size: int, leaf: bytes, root: bytes) -> bool:
    """Whether ``proof`` shows the leaf hash at ``index`` in a tree of ``size`` leaves: RFC 9162, 2.1.3.2."""
    if not 0 <= index < size or not well_formed([leaf, root, *proof]):
        return False
    position, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            found = node_hash(sibling, found)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    proof: Sequence[bytes], *, old: int, new: int, old_root: bytes, new_root: bytes
) -> bool:
    """Whether ``proof`` shows that the new tree extends the old one: RFC 9162, 2.1.4.2.

    From size 0 the proof is empty and every tree is an extension (C2SP tlog-witness), given that the old
    root is the empty one.
    """
    if not 0 <= old <= new or not well_formed([old_root, new_root, *proof]):
        return False
    if old == 0:
        return not proof and old_root == EMPTY_ROOT and (new > 0 or new_root == EMPTY_ROOT)
    if old == new:
        return not proof and old_root == new_root
    if not proof:
        return False
    return _consistent(proof, old=old, new=new, old_root=old_root, new_root=new_root)


def _consistent(proof: Sequence[bytes], *, old: int, new: int, old_root: bytes, new_root: bytes) -> bool:
    """The walk for 0 < old < new; a power of two as old size starts from the old root itself."""
    first, *rest = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    found_old = found_new = first
    for sibling in rest:
        if last == 0:
            return False
        if position & 1 or position == last:
            found_old, found_new = node_hash(sibling, found_old), node_hash(sibling, found_new)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            found_new = node_hash(found_new, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and found_old == old_root and found_new == new_root
