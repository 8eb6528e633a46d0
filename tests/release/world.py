"""Signers with small ledgers of their own, and a model that they release; nothing here asks the machine's clock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from ancile.core.subject import Subject
from ancile.release.manifest import manifest_of
from ancile.release.signing import joined, release_of, statement_to_cosign
from ancile.trust.bundle import parse_bundle
from ancile.trust.events import KeyEvent
from ancile.trust.key import AuthorKey, NoteKey, Seeds, private_key
from ancile.trust.ledger import open_ledger
from ancile.trust.notary import export_evidence, record
from ancile.trust.statement import Predicate, statement_of

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


class Signer(NamedTuple):
    """An author with a log of its own."""

    author: AuthorKey
    log: NoteKey
    folder: Path

    @property
    def id(self) -> str:
        """What a verifier pins."""
        return self.author.public.id

    @property
    def vkeys(self) -> tuple[str, ...]:
        """Of the log, both."""
        return self.log.public.vkeys

    def entries(self, statements: Sequence[bytes], *, now: datetime = NOW) -> bytes:
        """A bundle of these statements, recorded one after another."""
        with open_ledger(self.folder, clock=lambda: now) as ledger:
            places = [
                record(ledger, one, author=self.author, log=self.log, clock=lambda: now).index
                for one in statements
            ]
            return export_evidence(ledger, places, logs=self.vkeys, signers=[self.author.public])

    def release(
        self, subject: Subject, *also: Predicate, expires: str | None = "90d", now: datetime = NOW
    ) -> bytes:
        """A bundle with a release of the subject, and with what else is said."""
        said: list[Predicate] = [release_of(subject, now=now, expires=expires), *also]
        return self.entries([statement_of(one) for one in said], now=now)

    def cosign(self, bundle: bytes, subject: Subject, *, now: datetime = NOW) -> bytes:
        """The bundle with this signer's word in it."""
        parsed = parse_bundle(bundle)
        statement = statement_to_cosign(parsed, subject, now=now, author=self.id)
        return joined(parsed, self.entries([statement], now=now))


def signer(folder: Path, number: int, *, name: str = "") -> Signer:
    """A signer whose keys follow from the number."""
    label = name or f"signer-{number}"
    author = private_key("author", label, Seeds(bytes([number]) * 32, bytes([number + 100]) * 32))
    log = private_key(
        "log", f"{label}.example/log", Seeds(bytes([number + 1]) * 32, bytes([number + 101]) * 32)
    )
    return Signer(author, log, folder / label)


def key_event(change: str, public: AuthorKey, *, after: str | None = None, reason: str = "") -> KeyEvent:
    """What a ledger says of a key."""
    return KeyEvent(
        change="revoked" if change == "revoked" else "rotated" if after else "introduced",
        key=public.public.text,
        id=public.public.id,
        after=after,
        reason=reason,
        time=NOW,
        version="0.1.0",
    )


def model_in(folder: Path) -> Path:
    """A model of three files."""
    model = folder / "model"
    (model / "sub").mkdir(parents=True)
    for name in ("config.json", "weights.bin", "sub/tokenizer.json"):
        (model / name).write_text(f"content of {name}", "utf-8")
    return model


def listing_of(folder: Path) -> Path:
    """A text beside a folder that is its canonical manifest, and so has its digest."""
    text = json.dumps(manifest_of(folder).parts, sort_keys=True, separators=(",", ":"))
    listing = folder.with_name("listing.json")
    listing.write_text(text, "ascii")
    return listing


def subject_of(path: Path) -> Subject:
    """What the files at a path are."""
    return manifest_of(path).subject()
