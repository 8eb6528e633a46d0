"""Roots, proofs, tiles and signed notes against vectors of other implementations, byte for byte.

The vectors were computed with aics-tlog 0.2.1, taken from transparency-dev/merkle, golang.org/x/mod and the C2SP
specifications. The control hashes leaves without the prefix of RFC 6962 and changes a letter of each note. Needs
the data beside the checkout.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from ancile.core.errors import AncileError
from ancile.trust.checkpoint import open_checkpoint
from ancile.trust.merkle import (
    EMPTY_ROOT,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    range_root,
    verify_consistency,
    verify_inclusion,
)
from ancile.trust.note import open_note
from ancile.trust.tiles import tile_path
from bar import Bar
from project import SHARED

LEAVES = 300
# Two equal strings of 12 bytes as consistent roots: here a root has 32 bytes
OTHERWISE = "sizes are equal (one) and proof is empty"
Tree = Callable[[int, int], bytes]


def tree(hashed: Callable[[bytes], bytes]) -> tuple[Tree, Tree]:
    """Complete nodes by level and number, and roots of ranges, of the leaves of the vectors."""

    @cache
    def node(level: int, index: int) -> bytes:
        if level == 0:
            return hashed(b"leaf-%d" % index)
        return node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    @cache
    def ragged(start: int, stop: int) -> bytes:
        return range_root(node, start, stop)

    return node, ragged


def agreed(vectors: dict[str, Any], hashed: Callable[[bytes], bytes]) -> dict[str, tuple[int, int]]:
    """What was compared: how many agree, of how many."""
    node, ragged = tree(hashed)
    roots = [ragged(0, size) if size else EMPTY_ROOT for size in range(LEAVES + 1)]
    inclusion = b"".join(
        b"".join(inclusion_path(node, ragged, index=index, size=size))
        for size in range(1, LEAVES + 1)
        for index in range(size)
    )
    consistency = b"".join(
        b"".join(consistency_path(ragged, old=old, new=new))
        for new in range(1, LEAVES + 1)
        for old in range(1, new + 1)
    )
    proofs = {"all_inclusion_proofs": inclusion, "all_consistency_proofs": consistency}
    width = LEAVES % 256
    tiles = {
        tile_path(0, 0): b"".join(node(0, index) for index in range(256)),
        tile_path(0, 1, width=width): b"".join(node(0, 256 + index) for index in range(width)),
        tile_path(1, 0, width=1): node(8, 0),
    }
    return {
        "roots": (sum(a.hex() == b for a, b in zip(roots, vectors["roots"], strict=True)), len(roots)),
        "proof hashes": (
            sum(
                vectors[name]["hashes"]
                for name, held in proofs.items()
                if hashlib.sha256(held).hexdigest() == vectors[name]["sha256"]
            ),
            sum(vectors[name]["hashes"] for name in proofs),
        ),
        "tiles": (
            sum(hashlib.sha256(t).hexdigest() == vectors["tiles_300"][p]["sha256"] for p, t in tiles.items()),
            len(tiles),
        ),
    }


def judged(cases: dict[str, list[dict[str, Any]]]) -> tuple[int, int]:
    """Published proofs, good and bad ones, that are judged as published, of how many."""
    right = []
    for case in cases["inclusion"]:
        proof, leaf, head = _hashes(case["proof"]), *_hashes([case["leaf_hash"], case["root"]])
        found = verify_inclusion(proof, index=case["index"], size=case["size"], leaf=leaf, root=head)
        right.append(found == case["valid"])
    for case in cases["consistency"]:
        proof, old, new = _hashes(case["proof"]), *_hashes([case["old_root"], case["new_root"]])
        found = verify_consistency(proof, old=case["old"], new=case["new"], old_root=old, new_root=new)
        right.append(found == case["valid"] or case["desc"] == OTHERWISE)
    return sum(right), len(right)


def _hashes(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def opened(vectors: dict[str, Any], *, changed: bool) -> tuple[int, int]:
    """Notes whose signatures hold, of how many; a checkpoint is opened as one."""
    notes = [one for one in vectors["signed_notes"] if "note" in one]
    return sum(_opens(one, changed=changed) for one in notes), len(notes)


def _opens(one: dict[str, Any], *, changed: bool) -> bool:
    keys = one.get("vkeys") or [one["vkey"]]
    note = one["note"].swapcase() if changed else one["note"]
    try:
        open_note(note, keys)
        if "vkeys" in one:
            open_checkpoint(note, keys[:2])
    except AncileError:
        return False
    return True


def measure(control: bool = False) -> list[Bar]:
    """One bar on trees, one on notes."""
    vectors = json.loads((SHARED / "data/tlog_vectors.json").read_text("utf-8"))
    found = agreed(vectors, (lambda data: hashlib.sha256(data).digest()) if control else leaf_hash)
    found["published proofs"] = judged(vectors["transparency_dev_merkle"])
    notes = opened(vectors, changed=control)
    return [
        Bar(
            claim="roots, proofs and tiles are those of other implementations",
            measured=", ".join(f"{name} {a:,} of {b:,}" for name, (a, b) in found.items()),
            wanted="all; one published case is judged otherwise on purpose (a root has 32 bytes)",
            met=all(a == b for a, b in found.values()),
        ),
        Bar(
            claim="signed notes and checkpoints of the C2SP formats open",
            measured=f"{notes[0]} of {notes[1]}",
            wanted="all",
            met=notes[0] == notes[1],
        ),
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
