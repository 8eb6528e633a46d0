"""Evidence from a bundle, verified offline, without any ledger, against keys that the reader pinned.

Three questions are kept apart. Is the bundle whole: does each signature, commitment and proof hold under the
keys that it carries? If not, it is refused. Is its log one of the reader's, and is its author? If not, the
evidence says so in ``doubts`` and is never accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ancile.core.errors import AncileError
from ancile.core.report import Evidence
from ancile.core.text import plain
from ancile.trust.bundle import Bundle, Carried, parse_bundle
from ancile.trust.checkpoint import Checkpoint, open_checkpoint, parse_head
from ancile.trust.dsse import IN_TOTO, unverified, verify
from ancile.trust.key import PublicKey, parse_public_key
from ancile.trust.leaf import Leaf, parse_leaf
from ancile.trust.merkle import leaf_hash, verify_inclusion
from ancile.trust.note import parse_note, parse_vkey
from ancile.trust.statement import Statement, parse_statement
from ancile.trust.tlog_proof import parse_proof


@dataclass(frozen=True, kw_only=True)
class VerifiedEvidence:
    """A statement whose signatures, commitment and inclusion hold under the keys that came with it.

    origin      of the log
    index       of the entry
    time        at which the log took it in, by the log's clock
    author      id of the signer
    statement   what was signed, with the digest of its exact bytes
    checkpoint  the signed note that covers the entry
    doubts      why it must not be relied on: log or signer unknown to the reader, signature not checked for
                want of a key; empty when accepted
    """

    origin: str
    index: int
    time: datetime
    author: str
    statement: Statement
    checkpoint: str
    doubts: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether both log and signer are among those that the reader pinned."""
        return not self.doubts

    @property
    def evidence(self) -> Evidence:
        """The same as a report embeds it."""
        return Evidence(index=self.index, statement_digest=self.statement.digest, checkpoint=self.checkpoint)


def verify_bundle(data: bytes, *, logs: Iterable[str], authors: Iterable[str]) -> list[VerifiedEvidence]:
    """Every entry of the bundle, in its order; AncileError when anything in it does not hold.

    logs     C2SP verifier keys that the reader pinned, both of each log
    authors  ids of signers that the reader relies on (or their lines ``author:v1:…``)
    """
    return verify_entries(parse_bundle(data), logs=logs, authors=authors)


def verify_entries(
    bundle: Bundle, *, logs: Iterable[str], authors: Iterable[str], names: Sequence[str] = ()
) -> list[VerifiedEvidence]:
    """As ``verify_bundle``, for a bundle that was parsed; ``names`` are what a message calls its entries."""
    pinned, named = tuple(logs), tuple(authors)
    trusted = frozenset(map(_author_id, named))
    lines = [*bundle.signers, *(line for line in named if not line.startswith("sha256:"))]
    signers = {key.id: key for key in map(parse_public_key, lines)}
    checkpoints = _Checkpoints(bundle.logs, pinned)
    found = []
    for place, carried in enumerate(bundle.entries):
        try:
            found.append(_verified(carried, checkpoints, signers, trusted))
        except AncileError as reason:
            name = names[place] if names else f"entry {place + 1} of the bundle"
            raise AncileError(
                f"{name} does not hold: {reason.what}",
                value=reason.value,
                remedy="export it once more from its ledger; if that fails, run `ancile ledger verify` there",
            ) from reason
    return found


class _Checkpoints:
    """Checkpoints by their text, each verified once: entries of one bundle mostly share one."""

    def __init__(self, carried: Sequence[str], pinned: Sequence[str]) -> None:
        self._carried = _by_origin(carried)
        self._pinned = _by_origin(pinned)
        self._seen: dict[str, tuple[Checkpoint, tuple[str, ...]]] = {}

    def open(self, note: str) -> tuple[Checkpoint, tuple[str, ...]]:
        """The checkpoint as it holds under the carried keys, and doubts about its log."""
        if note not in self._seen:
            origin = parse_head(parse_note(note).text).origin
            checkpoint = open_checkpoint(note, self._carried.get(origin, ()))
            self._seen[note] = (checkpoint, tuple(self._doubts(note, origin)))
        return self._seen[note]

    def _doubts(self, note: str, origin: str) -> Iterator[str]:
        pinned = self._pinned.get(origin, ())
        if not pinned:
            yield f"log {plain(origin)} is not among those of the policy"
            return
        try:
            open_checkpoint(note, pinned)
        except AncileError as reason:
            yield f"the checkpoint is not signed by the keys pinned for {plain(origin)}: {reason.what}"


def _by_origin(vkeys: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for vkey in vkeys:
        found.setdefault(parse_vkey(vkey).name, []).append(vkey)
    return found


def _verified(
    carried: Carried,
    checkpoints: _Checkpoints,
    signers: Mapping[str, PublicKey],
    trusted: frozenset[str],
) -> VerifiedEvidence:
    body = carried.envelope.encode("utf-8", "surrogatepass")
    proof = parse_proof(carried.proof)
    checkpoint, doubts = checkpoints.open(proof.checkpoint)
    leaf = _included(carried, body, proof.index, proof.hashes, checkpoint)
    author = f"sha256:{leaf.author.hex()}"
    if author not in trusted:
        doubts = (*doubts, f"signer {author[:23]}… is not among the authors of the policy")
    if author in signers:
        verified = verify(body, [signers[author]])
    else:
        verified = unverified(body)
        doubts = (
            *doubts,
            f"the public key of signer {author[:23]}… is unknown: its signature is not checked",
        )
    statement = parse_statement(verified.payload)
    if statement.kind != leaf.kind or verified.payload_type != IN_TOTO:
        raise _wrong("leaf and statement are of different kinds", f"{leaf.kind} and {statement.kind}")
    return VerifiedEvidence(
        origin=checkpoint.origin,
        index=proof.index,
        time=leaf.time,
        author=author,
        statement=statement,
        checkpoint=checkpoint.note,
        doubts=doubts,
    )


def _included(
    carried: Carried, body: bytes, index: int, hashes: Sequence[bytes], checkpoint: Checkpoint
) -> Leaf:
    """The leaf, once it commits to the body and is under the checkpoint's root."""
    data = carried.leaf.encode("utf-8", "surrogatepass")
    leaf = parse_leaf(data)
    if not leaf.commits_to(carried.salt, body):
        raise _wrong("the leaf commits to another body", f"entry {index}")
    if not verify_inclusion(
        hashes, index=index, size=checkpoint.size, leaf=leaf_hash(data), root=checkpoint.root
    ):
        raise _wrong("the leaf is not under the checkpoint's root", f"entry {index}")
    return leaf


def _author_id(author: str) -> str:
    return author if author.startswith("sha256:") else parse_public_key(author).id


def _wrong(what: str, value: str) -> AncileError:
    return AncileError(what, value=plain(value), remedy="export it once more from its ledger")
