"""What ties statements, keys and ledger together: recording, finding again, and carrying elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.report import Evidence
from ancile.core.subject import digest_of
from ancile.trust.bundle import Bundle, Carried, encode_bundle
from ancile.trust.checkpoint import Head, parse_head, sign_checkpoint
from ancile.trust.dsse import sign, unverified
from ancile.trust.events import Erasure, KeyEvent, Loss
from ancile.trust.evidence import VerifiedEvidence, verify_bundle, verify_entries
from ancile.trust.key import AuthorKey, NoteKey, PublicKey, parse_public_key
from ancile.trust.keys import StoredKey
from ancile.trust.last_signed import last_signed, require_continued, set_back, signing
from ancile.trust.leaf import parse_leaf
from ancile.trust.ledger import Draft, Ledger
from ancile.trust.note import parse_note
from ancile.trust.statement import kind_of, parse_statement, statement_of
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
    require_continued(ledger)
    envelope = sign(statement, [author])
    (index,) = ledger.append([Draft(read.kind, author.public.id_bytes, envelope)])
    checkpoint = sign_head(ledger, log, clock=clock)
    return Evidence(index=index, statement_digest=read.digest, checkpoint=checkpoint)


def sign_head(ledger: Ledger, log: NoteKey, *, clock: Clock, accept_loss: bool = False) -> str:
    """A checkpoint of the whole ledger as it is now, signed by the log with both keys, stored and remembered.

    accept_loss  sign although the ledger was set back behind what this machine signed last
    AncileError when it was set back: the key would vouch for two histories.
    """
    with signing(ledger, accept_loss=accept_loss) as remember:
        size = ledger.size()
        head = Head(log.public.name, size, ledger.root(size))
        when = int(clock().timestamp())
        note = sign_checkpoint(head, ed25519=log.ed25519, mldsa44=log.mldsa, when=when)
        ledger.store_checkpoint(note)
        remember(note)
    return note


def erase(
    ledger: Ledger, index: int, *, reason: str, author: AuthorKey, log: NoteKey, clock: Clock
) -> Evidence:
    """Where the ledger says that, why and by whom the body of entry ``index`` was erased; the body is gone.

    Entry and erasure are one transaction: there is no moment at which one is there without the other. Copies
    outside the ledger (reports, exports, backups, caches) are the caller's to find.
    """
    require_continued(ledger)
    leaf = ledger.require_erasable(index).leaf
    said = Erasure(entry=index, leaf=digest_of(leaf), reason=reason, time=clock(), version=__version__)
    statement = statement_of(said)
    draft = Draft(kind_of(said), author.public.id_bytes, sign(statement, [author]))
    at = ledger.erase(index, draft)
    checkpoint = sign_head(ledger, log, clock=clock)
    return Evidence(index=at, statement_digest=digest_of(statement), checkpoint=checkpoint)


def accept_loss(ledger: Ledger, *, reason: str, author: AuthorKey, log: NoteKey, clock: Clock) -> Evidence:
    """Where a ledger that was set back says so, and from where on it is signed again.

    The checkpoint that is not continued stands in the entry: who kept it finds the owner's word for the gap.
    AncileError when nothing is lost.
    """
    note = last_signed(ledger)
    if note is None or not set_back(ledger):
        raise AncileError(
            "nothing is lost",
            value=f"the ledger's {ledger.size()} entries go on from what this machine signed last",
            remedy="go on as usual",
        )
    said = Loss(
        kept=ledger.size(),
        checkpoint=note,
        root=f"sha256:{parse_head(parse_note(note).text).root.hex()}",
        reason=reason,
        time=clock(),
        version=__version__,
    )
    statement = statement_of(said)
    (index,) = ledger.append([Draft(kind_of(said), author.public.id_bytes, sign(statement, [author]))])
    checkpoint = sign_head(ledger, log, clock=clock, accept_loss=True)
    return Evidence(index=index, statement_digest=digest_of(statement), checkpoint=checkpoint)


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
