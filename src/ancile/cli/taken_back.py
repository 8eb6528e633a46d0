"""What a ledger says that is no longer there or no longer to be believed: erased, lost, revoked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ancile.govern.gate import Gone
from ancile.trust.audit import Audit
from ancile.trust.dsse import unverified
from ancile.trust.events import KeyEvent
from ancile.trust.leaf import parse_leaf
from ancile.trust.ledger import Ledger
from ancile.trust.statement import parse_statement
from ancile.trust.store import Stored


class TakenBack(NamedTuple):
    """What an intact ledger takes back.

    gone     erased and lost reports: they may have been about the subject, and bad
    runs     erased runs, in words
    revoked  ids of keys with the reason, as entries say; the keys' own files may be older copies
    """

    gone: list[Gone]
    runs: list[str]
    revoked: dict[str, str]


def taken_back(ledger: Ledger, found: Audit) -> TakenBack:
    """What the entries up to the audited size say of it; the audit has found them intact."""
    back = TakenBack([], [], {})
    for erased in found.erased:
        leaf = parse_leaf(ledger.entry(erased.entry).leaf)
        what = f"entry {erased.entry}, a {leaf.kind}, was erased by entry {erased.by} ({erased.reason})"
        if leaf.kind == "report":
            back.gone.append(Gone(leaf.time, what))
        elif leaf.kind == "run":
            back.runs.append(f"what was run: {what}")
    for entry in ledger.entries(0, found.size):
        leaf = parse_leaf(entry.leaf or b"")
        if leaf.kind == "loss":
            back.gone.append(Gone(leaf.time, f"entries were lost, as entry {entry.index} says"))
        elif leaf.kind == "key":
            back.revoked.update(_revoked(entry))
    return back


def _revoked(entry: Stored) -> Iterator[tuple[str, str]]:
    """The key that the entry revokes. Who signed that is not asked: a revocation only ever takes away."""
    said = parse_statement(unverified(entry.body or b"").payload).predicate
    if isinstance(said, KeyEvent) and said.change == "revoked":
        yield said.id, said.reason
