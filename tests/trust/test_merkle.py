"""Merkle tree: published vectors, other implementations' digests, and properties over all small trees."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.trust.merkle import (
    EMPTY_ROOT,
    consistency_path,
    edge_of,
    edge_root,
    inclusion_path,
    leaf_hash,
    node_hash,
    range_root,
    split,
    verify_consistency,
    verify_inclusion,
)
from tests.shared import SHARED, needs_shared
from tests.trust.ledger_help import VECTORS

LEAVES = [leaf_hash(b"leaf-%d" % n) for n in range(320)]


def node(level: int, index: int) -> bytes:
    if level == 0:
        return LEAVES[index]
    return node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))


NODES = {(level, i): node(level, i) for level in range(9) for i in range(320 >> level)}


def known(level: int, index: int) -> bytes:
    return NODES[level, index]


RANGES: dict[tuple[int, int], bytes] = {}


def ragged(start: int, stop: int) -> bytes:
    if (start, stop) not in RANGES:
        RANGES[start, stop] = range_root(known, start, stop)
    return RANGES[start, stop]


def root(size: int) -> bytes:
    return ragged(0, size) if size else EMPTY_ROOT


def defined_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = split(len(leaves))
    return node_hash(defined_root(leaves[:k]), defined_root(leaves[k:]))


def test_hashes_and_roots_are_those_of_the_rfc_6962_reference() -> None:
    vectors = VECTORS["rfc6962"]
    leaves = [bytes.fromhex(leaf) for leaf in vectors["leaves_hex"]]
    assert leaf_hash(b"L123456").hex() == vectors["leaf_hash_of_ascii_L123456"]
    assert node_hash(b"N123", b"N456").hex() == vectors["node_hash_of_ascii_N123_N456"]
    assert [defined_root(leaves[:n]).hex() for n in range(9)] == vectors["roots"]


def test_roots_agree_with_another_implementation() -> None:
    for size, expected in VECTORS["roots"].items():
        assert root(int(size)).hex() == expected
        assert edge_root(edge_of(known, int(size))).hex() == expected


def test_every_inclusion_proof_up_to_300_agrees_with_another_implementation() -> None:
    digest, count = hashlib.sha256(), 0
    for size in range(1, 301):
        for index in range(size):
            proof = inclusion_path(known, ragged, index=index, size=size)
            count += len(proof)
            digest.update(b"".join(proof))
    assert (count, digest.hexdigest()) == (
        VECTORS["all_inclusion_proofs"]["hashes"],
        VECTORS["all_inclusion_proofs"]["sha256"],
    )


def test_every_consistency_proof_up_to_300_agrees_with_another_implementation() -> None:
    digest, count = hashlib.sha256(), 0
    for new in range(1, 301):
        for old in range(1, new + 1):
            proof = consistency_path(ragged, old=old, new=new)
            count += len(proof)
            digest.update(b"".join(proof))
    assert (count, digest.hexdigest()) == (
        VECTORS["all_consistency_proofs"]["hashes"],
        VECTORS["all_consistency_proofs"]["sha256"],
    )


def judged(cases: dict[str, list[dict[str, Any]]]) -> tuple[int, list[str]]:
    """Number of cases, and the descriptions of those judged otherwise than by transparency-dev/merkle."""
    differ = []
    for case in cases["inclusion"]:
        proof = [bytes.fromhex(h) for h in case["proof"]]
        leaf, head = bytes.fromhex(case["leaf_hash"]), bytes.fromhex(case["root"])
        found = verify_inclusion(proof, index=case["index"], size=case["size"], leaf=leaf, root=head)
        differ += [case["desc"]] if found != case["valid"] else []
    for case in cases["consistency"]:
        proof = [bytes.fromhex(h) for h in case["proof"]]
        old_root, new_root = bytes.fromhex(case["old_root"]), bytes.fromhex(case["new_root"])
        found = verify_consistency(
            proof, old=case["old"], new=case["new"], old_root=old_root, new_root=new_root
        )
        differ += [case["desc"]] if found != case["valid"] else []
    return len(cases["inclusion"]) + len(cases["consistency"]), differ


def test_verifiers_agree_with_published_cases() -> None:
    count, differ = judged(VECTORS["transparency_dev_merkle"])
    assert count > 20
    assert differ == []


@needs_shared
def test_verifiers_agree_with_every_published_case_but_one_of_roots_that_are_no_hashes() -> None:
    """The one case calls two equal strings of 12 bytes consistent roots; here a root has 32 bytes."""
    assert SHARED is not None
    vectors = json.loads((SHARED / "data" / "tlog_vectors.json").read_text())
    assert judged(vectors["transparency_dev_merkle"]) == (196, ["sizes are equal (one) and proof is empty"])
    for size, expected in enumerate(vectors["roots"]):
        assert root(size).hex() == expected


@given(size=st.integers(1, 320), data=st.data())
def test_a_proof_verifies_where_it_belongs_and_nowhere_else(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_path(known, ragged, index=index, size=size)
    assert len(proof) <= (size - 1).bit_length()
    leaf = LEAVES[index]
    assert verify_inclusion(proof, index=index, size=size, leaf=leaf, root=root(size))
    other = data.draw(st.integers(0, size))
    if other != index:
        assert not verify_inclusion(proof, index=other, size=size, leaf=leaf, root=root(size))
    assert not verify_inclusion([*proof, leaf], index=index, size=size, leaf=leaf, root=root(size))
    assert not verify_inclusion(proof, index=index, size=size, leaf=bytes(32), root=root(size))
    if proof:
        cut = data.draw(st.integers(0, len(proof) - 1))
        without = proof[:cut] + proof[cut + 1 :]
        assert not verify_inclusion(without, index=index, size=size, leaf=leaf, root=root(size))
        short = [*proof[:cut], proof[cut][:-1], *proof[cut + 1 :]]
        assert not verify_inclusion(short, index=index, size=size, leaf=leaf, root=root(size))


@given(new=st.integers(1, 320), data=st.data())
def test_a_consistency_proof_holds_for_its_two_trees_alone(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(0, new))
    proof = consistency_path(ragged, old=old, new=new)
    old_root, new_root = root(old), root(new)
    assert verify_consistency(proof, old=old, new=new, old_root=old_root, new_root=new_root)
    if 0 < old < new:
        at = data.draw(st.integers(0, len(proof) - 1))
        changed = [*proof[:at], bytes(32), *proof[at + 1 :]]
        for bad in (changed, proof[:at] + proof[at + 1 :], [*proof, bytes(32)], []):
            assert not verify_consistency(bad, old=old, new=new, old_root=old_root, new_root=new_root)
        assert not verify_consistency(proof, old=old, new=new, old_root=bytes(32), new_root=new_root)
        assert not verify_consistency(proof, old=old, new=new, old_root=old_root, new_root=bytes(32))


@pytest.mark.parametrize(
    ("old", "new", "old_root", "new_root", "proof", "holds"),
    [
        (0, 0, EMPTY_ROOT, EMPTY_ROOT, [], True),
        (0, 5, EMPTY_ROOT, root(5), [], True),
        (0, 5, root(1), root(5), [], False),
        (0, 5, EMPTY_ROOT, root(5), [bytes(32)], False),
        (0, 0, EMPTY_ROOT, root(1), [], False),
        (5, 4, root(5), root(4), [], False),
        (-1, 4, root(5), root(4), [], False),
        (5, 5, root(5), root(5), [], True),
        (5, 5, root(5), root(4), [], False),
        (5, 5, root(5), root(5), [bytes(32)], False),
        (5, 5, b"short", b"short", [], False),
    ],
)
def test_consistency_at_its_corners(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes], *, holds: bool
) -> None:
    found = verify_consistency(proof, old=old, new=new, old_root=old_root, new_root=new_root)
    assert found is holds


def test_split_is_the_largest_power_of_two_below() -> None:
    assert [split(n) for n in (2, 3, 4, 5, 8, 9, 300)] == [1, 2, 2, 4, 4, 8, 256]
