"""What a ledger holds beside reports and decisions: a run that began, a key that came or went."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from ancile.core.report import Parameters
from ancile.core.subject import DIGEST, Subject

Change = Literal["introduced", "rotated", "revoked"]


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
