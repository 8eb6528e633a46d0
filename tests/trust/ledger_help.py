"""Small real ledgers, keys of a log and a witness, and the published vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ancile.trust.checkpoint import Head, sign_checkpoint
from ancile.trust.key import AuthorKey, Seeds, private_key
from ancile.trust.ledger import Draft, Ledger, open_ledger
from ancile.trust.notary import erase
from ancile.trust.note import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, vkey_of

ORIGIN = "example.com/log"
AUTHOR = bytes(range(32))
START = datetime(2026, 1, 1, tzinfo=UTC)
VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())

ED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ML = MLDSA44PrivateKey.from_seed_bytes(bytes(range(32, 64)))
VKEYS = [vkey_of(ORIGIN, ED25519, ED).text, vkey_of(ORIGIN, COSIGNATURE_MLDSA44, ML).text]

LOG = private_key("log", ORIGIN, Seeds(bytes(range(32)), bytes(range(32, 64))))
ERASER = private_key("author", "eraser", Seeds(bytes([7]) * 32, bytes([8]) * 32))

WITNESS = "example.org/witness"
WITNESS_ED = Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96)))
WITNESS_ML = MLDSA44PrivateKey.from_seed_bytes(bytes(range(96, 128)))
WITNESS_VKEYS = [
    vkey_of(WITNESS, COSIGNATURE_ED25519, WITNESS_ED).text,
    vkey_of(WITNESS, COSIGNATURE_MLDSA44, WITNESS_ML).text,
]


def ticking(step: timedelta = timedelta(milliseconds=1)) -> Callable[[], datetime]:
    """A clock that moves on by ``step`` whenever it is read."""
    now = START

    def clock() -> datetime:
        nonlocal now
        now += step
        return now

    return clock


def opened(folder: Path, *, create: bool = True) -> Ledger:
    return open_ledger(folder, clock=ticking(), create=create)


def drafts(count: int, *, first: int = 0) -> list[Draft]:
    return [Draft("report", AUTHOR, b"body %d" % n) for n in range(first, first + count)]


def signed(ledger: Ledger, size: int | None = None) -> str:
    """A checkpoint of the ledger, not stored."""
    size = ledger.size() if size is None else size
    return checkpoint(size, ledger.root(size))


def checkpoint(size: int, root: bytes, *, origin: str = ORIGIN, when: int = 1_767_225_600) -> str:
    return sign_checkpoint(Head(origin, size, root), ed25519=ED, mldsa44=ML, when=when)


def erased(ledger: Ledger, index: int, *, author: AuthorKey = ERASER, reason: str = "asked to") -> int:
    """Index of the entry that says so."""
    return erase(ledger, index, reason=reason, author=author, log=LOG, clock=ticking()).index


def filled(folder: Path, count: int = 300) -> str:
    """A closed ledger of ``count`` entries with a stored checkpoint, which is returned."""
    with opened(folder) as ledger:
        ledger.append(drafts(count))
        note = signed(ledger)
        ledger.store_checkpoint(note)
    return note
