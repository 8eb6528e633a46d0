"""What ties statements, keys and ledger together: recording, finding again, and carrying elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.report import Evidence
from ancile.trust.bundle import Bundle, Carried, encode_bundle
from ancile.trust.checkpoint import Head, parse_head, sign_checkpoint
from ancile.trust.dsse import sign, unverified
from ancile.trust.events import KeyEvent
from ancile.trust.evidence import VerifiedEvidence, verify_bundle, verify_entries
from ancile.trust.key import AuthorKey, NoteKey, PublicKey, parse_public_key
from ancile.trust.keys import StoredKey
from ancile.trust.leaf import parse_leaf
from ancile.trust.ledger import Draft, Ledger
from ancile.trust.note import parse_note
from ancile.trust.statement import parse_statement, statement_of
from ancile.trust.subjects import entries_about
from ancile.trust.tlog_proof import TlogProof
from ancile.version import __version__

Clock = Callable[[], datetime]


class Found(NamedTuple):
    """Evidence about a digest, and entries that cannot be read, any of which might have been about it."""

    evidence: tuple[VerifiedEvidence, ...]
    damaged: tuple[int, ...]


def record(ledger: Ledger, statement: bytes, *, author: AuthorKey, log: NoteKey, clock: Clock) -> Evidence:
    """Where ``statement`` stands in the ledger, durable, under a checkpoint that was signed for it."""
    read = parse_statement(statement)
    envelope = sign(statement, [author])
    (index,) = ledger.append([Draft(read.kind, author.public.id_bytes, envelope)])
    checkpoint = sign_head(ledger, log, clock=clock)
    return Evidence(index=index, statement_digest=read.digest, checkpoint=checkpoint)


def sign_head(ledger: Ledger, log: NoteKey, *, clock: Clock) -> str:
    """A checkpoint of the whole ledger as it is now, signed by the log with both keys, and stored."""
    size = ledger.size()
    head = Head(log.public.name, size, ledger.root(size))
    when = int(clock().timestamp())
    note = sign_checkpoint(head, ed25519=log.ed25519, mldsa44=log.mldsa, when=when)
    ledger.store_checkpoint(note)
    return note


def export_evidence(
    ledger: Ledger, indices: Sequence[int], *, logs: Sequence[str], signers: Iterable[PublicKey]
) -> bytes:
    """A bundle of these entries that verifies without the ledger, and was verified so.

    logs     verifier keys of the log, both kinds (after a rotation also those before)
    signers  public keys, among them those of the entries' authors
    """
    bundle = _bundle(ledger, indices, logs=logs, signers=signers)
    carried = {parse_public_key(line).id for line in bundle.signers}
    for entry in bundle.entries:
        author = _author(entry)
        if author not in carried:
            raise AncileError(
                "the public key of an entry's author is not here",
                value=f"signer {author}",
                remedy="export where its key is, or leave that entry out",
            )
    data = encode_bundle(bundle)
    verify_bundle(data, logs=(), authors=())
    return data


def evidence_about(
    ledger: Ledger,
    digest: str,
    *,
    logs: Sequence[str],
    signers: Iterable[PublicKey],
    authors: Iterable[str],
    cache: Path | None = None,
) -> Found:
    """Everything that the ledger holds about ``digest``, each entry verified as if it came from elsewhere.

    logs     verifier keys that the reader pinned
    signers  public keys that may have signed; an entry by anyone else is in doubt
    authors  ids of the signers that count
    cache    as for ``entries_about``; None where no entry may be missed
    """
    speaking = entries_about(ledger, digest, cache=cache)
    if not speaking.entries:
        return Found((), speaking.damaged)
    bundle = _bundle(ledger, speaking.entries, logs=logs, signers=signers)
    names = [f"entry {index} of the ledger" for index in speaking.entries]
    return Found(tuple(verify_entries(bundle, logs=logs, authors=authors, names=names)), speaking.damaged)


def _bundle(
    ledger: Ledger, indices: Sequence[int], *, logs: Sequence[str], signers: Iterable[PublicKey]
) -> Bundle:
    note = ledger.latest_checkpoint()
    size = parse_head(parse_note(note).text).size if note else 0
    if note is None or not indices or max(indices) >= size:
        raise AncileError(
            "entry is not under a checkpoint yet",
            value=f"entry {max(indices, default=0)}, the latest checkpoint has size {size}",
            remedy="run `ancile ledger checkpoint`",
        )
    entries = tuple(_carried(ledger, index, size=size, note=note) for index in indices)
    authors = {_author(entry) for entry in entries}
    lines = sorted({key.text for key in signers if key.id in authors})
    return Bundle(logs=tuple(logs), signers=tuple(lines), entries=entries)


def _carried(ledger: Ledger, index: int, *, size: int, note: str) -> Carried:
    entry = ledger.entry(index)
    if entry.salt is None or entry.body is None:
        raise AncileError(
            "entry has no body to carry", value=f"entry {index}", remedy="it was erased: leave it out"
        )
    proof = TlogProof(index, tuple(ledger.inclusion_proof(index, size)), note)
    return Carried(
        leaf=entry.leaf.decode("ascii"),
        salt=entry.salt,
        envelope=entry.body.decode("utf-8", "replace"),
        proof=proof.text,
    )


def _author(entry: Carried) -> str:
    return f"sha256:{parse_leaf(entry.leaf.encode('ascii')).author.hex()}"


def key_event(
    public: PublicKey, *, now: datetime, after: str | None = None, revoked_because: str = ""
) -> KeyEvent:
    """That a key was introduced, took the place of ``after``, or was revoked."""
    return KeyEvent(
        change="revoked" if revoked_because else "rotated" if after else "introduced",
        key=public.text,
        id=public.id,
        after=None if revoked_because else after,
        reason=revoked_because,
        time=now,
        version=__version__,
    )


def record_key_event(
    ledger: Ledger, event: KeyEvent, *, author: AuthorKey, log: NoteKey, clock: Clock
) -> Evidence:
    """Where the ledger says so.

    author, log  for a rotation the old key of the pair that changes: it vouches for the new one, an author's
                 by its signature, a log's by the checkpoint over the entry
    """
    return record(ledger, statement_of(event), author=author, log=log, clock=clock)


def unannounced(ledger: Ledger, keys: Iterable[StoredKey], *, cache: Path | None = None) -> list[StoredKey]:
    """Keys whose coming, or whose revocation, the ledger does not tell: a crash came between."""
    return [key for key in keys if not _is_told(ledger, key, cache)]


def _is_told(ledger: Ledger, key: StoredKey, cache: Path | None) -> bool:
    changes = set()
    for index in entries_about(ledger, key.public.id, cache=cache).entries:
        predicate = parse_statement(unverified(ledger.entry(index).body or b"").payload).predicate
        if isinstance(predicate, KeyEvent):
            changes.add(predicate.change)
    return "revoked" in changes if key.state == "revoked" else bool(changes)
