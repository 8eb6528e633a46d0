"""Verdicts out of a ledger, each with its place there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ancile.core.errors import AncileError
from ancile.serve.incidents.correlate import Seen
from ancile.serve.segment import KIND, predicate_of, records_in
from ancile.trust.leaf import parse_leaf
from ancile.trust.store import Stored


def verdicts(entries: Iterable[Stored], *, skipped: Callable[[int, AncileError], None]) -> Iterator[Seen]:
    """What guards said, of every segment that holds; ``skipped`` hears of the others."""
    for entry in entries:
        if entry.leaf is None or entry.body is None:
            continue
        try:
            if parse_leaf(entry.leaf).kind == KIND:
                yield from said_by(entry.index, _committed(entry.leaf, entry.salt, entry.body))
        except AncileError as error:
            skipped(entry.index, error)


def said_by(index: int, body: bytes) -> list[Seen]:
    """What guards said, of the segment that entry ``index`` holds; AncileError where it does not hold."""
    said = predicate_of(body)
    root = str(said.get("root"))
    records = enumerate(records_in(said))
    return [Seen(record.time, index, line, record, root) for line, record in records if record.guard]


def _committed(leaf: bytes, salt: bytes | None, body: bytes) -> bytes:
    if not parse_leaf(leaf).commits_to(salt or b"", body):
        raise AncileError("its body was changed", value="", remedy="run `ancile ledger verify`")
    return body
