"""C2SP tlog-proof: one file that shows, offline and without the log, that an entry is in it.

``c2sp.org/tlog-proof@v1``, an optional ``extra`` line, the index, the inclusion proof, a blank line, the
checkpoint. The leaf itself travels beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.checkpoint import Checkpoint, open_checkpoint
from ancile.trust.encoding import b64, unb64
from ancile.trust.merkle import DECIMAL, leaf_hash, verify_inclusion, well_formed
from ancile.trust.quorum import Policy, open_witnessed

HEADER = "c2sp.org/tlog-proof@v1"
MOST_HASHES = 64  # a path in a tree of 2**64 leaves
MAX_TEXT = 1_100_000  # characters: a note of the largest size, and a proof


class TlogProof(msgspec.Struct, frozen=True):
    """An inclusion proof with its checkpoint, as in a ``.tlog-proof`` file; nothing is verified.

    hashes      the leaf's sibling first
    checkpoint  the whole note
    extra       opaque bytes beside the proof, which nothing authenticates
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    @property
    def text(self) -> str:
        """The file's content."""
        extra = [] if self.extra is None else [f"extra {b64(self.extra)}"]
        hashes = [b64(one) for one in self.hashes]
        return "\n".join([HEADER, *extra, f"index {self.index}", *hashes, "", self.checkpoint])


def parse_proof(text: str) -> TlogProof:
    """The proof in a file's text; AncileError unless it is exactly as we would write it."""
    head, blank, checkpoint = text[:MAX_TEXT].partition("\n\n")
    lines = head.split("\n", MOST_HASHES + 3)
    if len(text) > MAX_TEXT or not blank or lines.pop(0) != HEADER:
        raise _malformed(text)
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = unb64(lines.pop(0).removeprefix("extra "), name="the extra data of a proof")
    index = lines.pop(0).removeprefix("index ") if lines else ""
    if not DECIMAL.fullmatch(index) or len(lines) > MOST_HASHES:
        raise _malformed(text)
    hashes = tuple(unb64(line, name="a hash of a proof") for line in lines)
    proof = TlogProof(int(index), hashes, checkpoint, extra)
    if not well_formed(hashes) or proof.text != text:
        raise _malformed(text)
    return proof


def _malformed(text: str) -> AncileError:
    return AncileError(
        "a proof file is malformed",
        value=plain(text, 100),
        remedy="write it again with `ancile ledger prove`; C2SP tlog-proof says how it looks",
    )


def verify_proof(
    text: str, leaf: bytes, *, vkeys: Sequence[str] = (), policy: Policy | None = None
) -> Checkpoint:
    """The checkpoint under which ``leaf`` is proved to stand at the index that the proof names.

    vkeys   the log's trusted keys, used without a policy
    policy  logs and the quorum of witnesses that must have cosigned
    AncileError when the proof, a signature or the quorum fails.
    """
    proof = parse_proof(text)
    if policy is None:
        checkpoint = open_checkpoint(proof.checkpoint, vkeys)
    else:
        checkpoint = open_witnessed(proof.checkpoint, policy)
    if not verify_inclusion(
        proof.hashes, index=proof.index, size=checkpoint.size, leaf=leaf_hash(leaf), root=checkpoint.root
    ):
        raise AncileError(
            "the proof does not show this entry in the log",
            value=f"index {proof.index} at size {checkpoint.size} of {plain(checkpoint.origin)}",
            remedy="give the leaf that belongs to this proof; if it is that one, it was changed",
        )
    return checkpoint
