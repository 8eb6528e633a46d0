"""The audit of entries: leaves that parse, bodies that match them, and erasures that somebody answers for."""

from __future__ import annotations

from ancile.core.errors import AncileError
from ancile.core.subject import digest_of
from ancile.core.text import plain
from ancile.trust.audit_derived import Claimed, Derived, Erased
from ancile.trust.dsse import unverified, verify
from ancile.trust.events import Erasure, KeyEvent
from ancile.trust.key import parse_public_key
from ancile.trust.leaf import ERASURE, Leaf, parse_leaf
from ancile.trust.statement import parse_statement
from ancile.trust.store import Stored

KEY = "key"


def judge_entry(entry: Stored, derived: Derived) -> None:
    """One entry with its body; erasures and keys are noted for later."""
    place = f"entry {entry.index}"
    if entry.leaf is None:
        derived.add(place, entry.index, entry.trouble)
        return
    try:
        leaf = parse_leaf(entry.leaf)
    except AncileError as reason:
        derived.add(place, entry.index, plain(str(reason)))
        return
    if not _body_matches(entry, derived, leaf) or entry.body is None:
        return
    if leaf.kind == KEY:
        _note_key(entry.body, derived)
    if leaf.kind == ERASURE:
        _note_erasure(entry.index, leaf, entry.body, derived)


def _body_matches(entry: Stored, derived: Derived, leaf: Leaf) -> bool:
    place = f"body of entry {entry.index}"
    if entry.trouble:
        derived.add(place, entry.index, entry.trouble)
    elif entry.salt is None or entry.body is None:
        derived.missing[entry.index] = digest_of(entry.leaf or b"")
    elif not leaf.commits_to(entry.salt, entry.body):
        derived.add(place, entry.index, "it is not what its leaf commits to")
    else:
        derived.bodies += 1
        return True
    return False


def _note_key(body: bytes, derived: Derived) -> None:
    """Keys that the ledger tells; one that cannot be read tells none, which is no fault of the log."""
    try:
        said = parse_statement(unverified(body).payload).predicate
        key = parse_public_key(said.key) if isinstance(said, KeyEvent) else None
    except AncileError:
        return
    if key is not None and key.purpose == "author":
        derived.signers.setdefault(key.id, key)


def _note_erasure(index: int, leaf: Leaf, body: bytes, derived: Derived) -> None:
    author = f"sha256:{leaf.author.hex()}"
    if derived.authors is not None and author not in derived.authors:
        what = f"its author may not erase: {author} is not among the authors"
        derived.add(f"entry {index}", index, what)
        return
    if author not in derived.signers:
        derived.add(f"entry {index}", index, f"nobody can check this erasure: the key of {author} is unknown")
        return
    try:
        said = parse_statement(verify(body, [derived.signers[author]]).payload).predicate
    except AncileError as reason:
        derived.add(f"entry {index}", index, f"this erasure does not hold: {plain(str(reason))}")
        return
    if not isinstance(said, Erasure):
        derived.add(f"entry {index}", index, "its statement is no erasure")
        return
    erased = Erased(said.entry, index, author, said.reason)
    derived.erasures.setdefault(said.entry, Claimed(erased, said.leaf))


def judge_erasures(derived: Derived) -> tuple[Erased, ...]:
    """Bodies that an entry says were erased; a body that is gone without, or there in spite, is a fault."""
    erased = []
    for index, leaf in sorted(derived.missing.items()):
        claimed = derived.erasures.get(index)
        if claimed is not None and claimed.leaf == leaf:
            erased.append(claimed.erased)
        else:
            what = "it is missing, and no entry says that it was erased"
            derived.add(f"body of entry {index}", index, what)
    for index, claimed in derived.erasures.items():
        if index not in derived.missing:
            what = f"entry {claimed.erased.by} says that it was erased, but it was not"
            derived.add(f"body of entry {index}", index, what)
    return tuple(erased)
