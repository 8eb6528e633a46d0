"""What a ledger holds beside reports and decisions: runs that began, releases, keys, erasures, and losses."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from ancile.core.report import Parameters
from ancile.core.subject import DIGEST, Subject

Change = Literal["introduced", "rotated", "revoked"]

MOST_SCANS = 100  # that a release names: those of one model's bytes are few


class RunStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a stage began; a run without a report after it was aborted, and shows.

    run  random name of this run, by which its report may be told from others
    """

    schema: Literal["ancile/run/v1"] = "ancile/run/v1"
    run: str
    stage: str
    subject: Subject
    parameters: Parameters = {}
    started: datetime
    version: str

    def __post_init__(self) -> None:
        if not (self.run and self.stage) or self.started.tzinfo is None:
            raise ValueError("a started run has a name, a stage and an aware time")


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly these bytes were let go by who signs this.

    expires  from when on nobody is to rely on it; None for never
    scans    digests of statements, at most 100: scans of these very bytes that the signer's ledger holds
    """

    schema: Literal["ancile/release/v1"] = "ancile/release/v1"
    subject: Subject
    time: datetime
    expires: datetime | None = None
    scans: tuple[str, ...] = ()
    version: str

    def __post_init__(self) -> None:
        if self.time.tzinfo is None or (self.expires is not None and self.expires.tzinfo is None):
            raise ValueError("times of a release are aware")
        if self.expires is not None and self.expires <= self.time:
            raise ValueError("a release expires after it was made")
        if len(self.scans) > MOST_SCANS or not all(map(DIGEST.fullmatch, self.scans)):
            raise ValueError("a release names at most 100 scans, each by the digest of its statement")


class KeyEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A key was introduced, took the place of another, or was revoked.

    key     the line ``<purpose>:v1:…`` with both public keys
    id      of that key
    after   id of the key whose place it takes: a rotation, signed by that older key
    reason  in words; a revocation has one
    """

    schema: Literal["ancile/key-event/v1"] = "ancile/key-event/v1"
    change: Change
    key: str
    id: str
    after: str | None = None
    reason: str = ""
    time: datetime
    version: str

    def __post_init__(self) -> None:
        if not all(DIGEST.fullmatch(i) for i in (self.id, self.after) if i is not None):
            raise ValueError("a key is named by its sha256 id")
        if (self.change == "rotated") != (self.after is not None):
            raise ValueError("a rotation, and nothing else, names the key before")
        if (self.change == "revoked" and not self.reason) or self.time.tzinfo is None:
            raise ValueError("a revocation has a reason, and every key event an aware time")


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an entry was erased; its leaf stays.

    entry   index of that entry
    leaf    digest of its leaf, so that this erasure fits no entry of another log
    reason  in words
    """

    schema: Literal["ancile/erasure/v1"] = "ancile/erasure/v1"
    entry: int
    leaf: str
    reason: str
    time: datetime
    version: str

    def __post_init__(self) -> None:
        if self.entry < 0 or not DIGEST.fullmatch(self.leaf):
            raise ValueError("an erasure names an entry by its index and the digest of its leaf")
        if not self.reason or self.time.tzinfo is None:
            raise ValueError("an erasure has a reason and an aware time")


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Entries that the log had signed are lost, and its owner goes on without them.

    kept        entries that are left
    checkpoint  the note that was signed last and is not continued
    root        of that checkpoint, as ``sha256:<hex>``
    reason      in words
    """

    schema: Literal["ancile/loss/v1"] = "ancile/loss/v1"
    kept: int
    checkpoint: str
    root: str
    reason: str
    time: datetime
    version: str

    def __post_init__(self) -> None:
        if self.kept < 0 or not DIGEST.fullmatch(self.root):
            raise ValueError("a loss names what is left and the root that was signed")
        if not self.reason or self.time.tzinfo is None:
            raise ValueError("a loss has a reason and an aware time")
