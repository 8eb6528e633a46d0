"""What a ledger holds beside reports and decisions.

Runs that began, releases, keys, reviews, segments of streams, erasures, and losses.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from ancile.core.report import Parameters
from ancile.core.subject import DIGEST, Subject
from ancile.trust.merkle import root_of

Change = Literal["introduced", "rotated", "revoked"]
UserChange = Literal[
    "added", "rotated", "revoked", "role", "person", "factor", "removed", "blocked", "admitted"
]

MOST_KEYS = 1000  # of one user, that an event names
ReviewChange = Literal["approved", "rejected", "labelled"]

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


class UserEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come in at the gateway was changed.

    event   random name; an entry with the same one says the same change again, after a crash
    change  a key was added, rotated, or all were revoked; the role was changed; a person was given a password
            or a second factor, or was removed; an identity of tokens or certificates was blocked or admitted
    user    whose
    role    that the user has from then on; empty for a person
    keys    ids of the API keys that it is about: digests of keyed hashes, from which nobody finds a key
    until   when the keys end whose place a rotated one takes
    by      who did it: empty for the local command line, else the name of a person
    """

    schema: Literal["ancile/user-event/v1"] = "ancile/user-event/v1"
    event: str
    change: UserChange
    user: str
    role: str = ""
    keys: tuple[str, ...] = ()
    until: datetime | None = None
    by: str = ""
    time: datetime
    version: str

    def __post_init__(self) -> None:
        if not (self.event and self.user) or self.time.tzinfo is None:
            raise ValueError("a change of a user has a name, a user and an aware time")
        if len(self.keys) > MOST_KEYS or not all(map(DIGEST.fullmatch, self.keys)):
            raise ValueError("keys are named by their sha256 ids, at most 1000")
        if self.until is not None and self.until.tzinfo is None:
            raise ValueError("a key ends at an aware time")


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


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive records of a stream, so that one of them is proved by its path under the root.

    policy   digest of the policy that was in force; empty where that could not be told
    journal  that they were written to, with the number of this part of it
    root     of the Merkle tree over the lines (RFC 9162, section 2.1), as ``sha256:<hex>``
    torn     bytes of a last line that a crash cut off
    records  lines of JSON, without the last one's end
    """

    schema: Literal["ancile/segment/v1"] = "ancile/segment/v1"
    stream: str
    journal: str
    count: int
    first: datetime
    last: datetime
    root: str
    torn: int = 0
    policy: str = ""
    records: str
    version: str

    def __post_init__(self) -> None:
        if not (self.stream and self.journal) or self.torn < 0:
            raise ValueError("a segment names its stream and its journal")
        if self.first.tzinfo is None or self.last.tzinfo is None or self.first > self.last:
            raise ValueError("a segment's times are aware, the first before the last")
        lines = self.records.encode("utf-8").split(b"\n")
        if self.count != len(lines) or self.root != f"sha256:{root_of(lines).hex()}":
            raise ValueError("a segment's records are those under its root")


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A person decided about a request that the gateway had held.

    event   random name; an entry with the same one says the same decision again, after a crash
    review  id in the queue
    label   what the person took the request for: benign, attack, unsure
    user    whose request; with the model, and the guard that had it held
    input   keyed digest of what was sent
    by      who decided: empty for the local command line, else the name of a person
    """

    schema: Literal["ancile/review/v1"] = "ancile/review/v1"
    event: str
    review: str
    change: ReviewChange
    label: str
    note: str = ""
    user: str
    model: str
    guard: str
    input: str
    by: str = ""
    time: datetime
    version: str

    def __post_init__(self) -> None:
        if not (self.event and self.review) or self.time.tzinfo is None:
            raise ValueError("a review has a name, an id and an aware time")
