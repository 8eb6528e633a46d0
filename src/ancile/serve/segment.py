"""Journals of verdicts into the ledger: one signed entry for each segment, its records under a Merkle root.

The body of an entry is an in-toto Statement whose predicate holds the records as they were written, so that
the ledger alone shows them, and the root over their lines (RFC 9162, section 2.1), so that one record can be
shown without the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.serve.journal import OPEN, WHOLE, is_written, journals_of
from ancile.serve.record import VerdictRecord
from ancile.trust.canonical import canonical
from ancile.trust.dsse import unverified
from ancile.trust.leaf import parse_leaf
from ancile.trust.ledger import Ledger
from ancile.trust.merkle import root_of
from ancile.trust.private_file import sync_folder
from ancile.trust.statement import TYPE
from ancile.version import __version__

KIND = "segment"
PREDICATE = "urn:ancile:segment:v1"
STREAM = "verdicts"
LATEST = 253_402_300_799_999_999  # microseconds of Unix time in the year 9999
_RECORD = msgspec.json.Decoder(VerdictRecord)


class Segment(NamedTuple):
    """Consecutive records of a stream.

    journal  the file that they were written to, with the number of this part of it
    lines    of JSON, without their ends
    torn     bytes of a last line that a crash cut off: it was never answered
    """

    journal: str
    lines: tuple[bytes, ...]
    torn: int

    def root(self) -> str:
        """Root of the Merkle tree over the lines. Cost: two hashes a line."""
        return f"sha256:{root_of(self.lines).hex()}"


def statement_of(segment: Segment, *, policy: str = "") -> bytes:
    """The canonical statement of a segment; ``policy`` is the digest of what was in force."""
    times, root = [_RECORD.decode(line).time for line in segment.lines], segment.root()
    document = canonical(
        {
            "_type": TYPE,
            "subject": [{"name": f"{STREAM}/{segment.journal}", "digest": {"sha256": root[7:]}}],
            "predicateType": PREDICATE,
            "predicate": {
                "schema": "ancile/segment/v1",
                "stream": STREAM,
                "journal": segment.journal,
                "policy": policy,
                "count": len(segment.lines),
                "first": _instant(min(times)),
                "last": _instant(max(times)),
                "root": root,
                "torn": segment.torn,
                "records": "",
                "version": __version__,
            },
        }
    )
    # As RFC 8785 writes strings, and ten times as fast as a library that escapes quotes one by one.
    text = json.dumps(b"\n".join(segment.lines).decode("utf-8"), ensure_ascii=False)
    return document.replace(b'"records":""', b'"records":' + text.encode("utf-8"))


def waiting(folder: Path, *, dead: bool) -> list[Path]:
    """Journals that are whole, the oldest first; where their writers are dead, open ones as well.

    One that somebody writes to is never among them: another gateway's, or a worker's whose parent was killed.
    """
    found = journals_of(folder, (WHOLE, OPEN) if dead else (WHOLE,))
    return [path for path in found if path.suffix == WHOLE or not is_written(path)]


def leave(folder: Path, pid: int) -> None:
    """A worker is dead: what it left open is whole."""
    for path in waiting(folder, dead=True):
        if path.suffix == OPEN and path.stem.split("-")[1:2] == [str(pid)]:
            path.rename(path.with_suffix(WHOLE))
    sync_folder(folder)


def segments(path: Path, *, most: int) -> Iterator[Segment]:
    """A journal in parts of at most ``most`` records; a line that is no record is an error."""
    data = path.read_bytes()
    whole, _, rest = data.rpartition(b"\n")
    lines = whole.split(b"\n") if whole else []
    try:
        for line in lines:
            _check(line)
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise AncileError(
            "a journal of verdicts was changed",
            value=f"{path}: {reason}",
            remedy="move it away and keep it: something wrote to it that was not the gateway",
        ) from reason
    for part, at in enumerate(range(0, len(lines), most)):
        is_last = at + most >= len(lines)
        yield Segment(f"{path.stem}/{part}", tuple(lines[at : at + most]), len(rest) if is_last else 0)


def _check(line: bytes) -> None:
    """ValueError or MsgspecError for what is no record; of keys that we do not know only the bytes count."""
    record = _RECORD.decode(line)
    line.decode("utf-8")
    if not (0 <= record.time <= LATEST and record.n >= 0):
        raise ValueError("a time or a count that no record has")


def sealed_journals(ledger: Ledger) -> set[str]:
    """Names of the segments that the ledger holds already: a crash may come between sealing and removing."""
    found = set()
    for entry in ledger.entries(0, ledger.size()):
        if entry.leaf is not None and entry.body is not None and parse_leaf(entry.leaf).kind == KIND:
            said = predicate_of(entry.body)
            if isinstance(name := said.get("journal"), str):
                found.add(name)
    return found


def predicate_of(body: bytes) -> Mapping[str, object]:
    """What the entry of a segment says; AncileError where it is none.

    That it is spelled canonically is not asked: to spell megabytes of records again takes most of the time of
    reading them, and what was signed is these bytes.
    """
    try:
        document = msgspec.json.decode(unverified(body).payload)
    except (msgspec.MsgspecError, RecursionError):
        document = None
    predicate = document.get("predicate") if isinstance(document, dict) else None
    if not isinstance(predicate, dict) or predicate.get("stream") != STREAM:
        raise AncileError("this entry is no segment", value="", remedy="run `ancile ledger verify`")
    return predicate


def records_of(body: bytes) -> list[VerdictRecord]:
    """The records of a segment's entry, once their lines are those under its root."""
    return records_in(predicate_of(body))


def records_in(said: Mapping[str, object]) -> list[VerdictRecord]:
    """The same, of what the entry says."""
    lines = tuple(str(said.get("records", "")).encode("utf-8").split(b"\n"))
    if Segment("", lines, 0).root() != said.get("root") or len(lines) != said.get("count"):
        raise AncileError(
            "a segment's records are not those under its root", value="", remedy="run `ancile ledger verify`"
        )
    return [_RECORD.decode(line) for line in lines]


def _instant(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat()
