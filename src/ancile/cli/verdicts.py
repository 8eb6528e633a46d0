"""Verdicts of the gateway, out of the segments that the ledger holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import msgspec

from ancile.cli.output import talk
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.leaf import parse_leaf
from ancile.trust.ledger import Ledger

KIND = "verdict"  # asked for by that name; the entries that hold them are segments


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict with the entry that holds it."""

    entry: int
    time: datetime
    who: str
    role: str
    model: str
    said: str
    guard: str
    why: str
    status: int
    input: str
    rows: int
    changed: str
    tokens_in: int
    tokens_out: int
    n: int


def list_verdicts(ledger: Ledger, *, last: int, as_json: bool) -> None:
    """Print the last verdicts, the latest last; segments that do not hold are told and left out."""
    found = deque(_verdicts(ledger), maxlen=last)
    if not found:
        talk("no verdicts: `ancile serve` records them")
    for one in found:
        if as_json:
            click.echo(msgspec.json.encode(one).decode("utf-8"))
            continue
        times = f" x{one.n}" if one.n > 1 else ""
        who = plain(one.who, 24) or "(unknown)"
        guard = f"{one.guard}: {plain(one.why, 60)}" if one.why else one.guard
        when, model = f"{one.time:%Y-%m-%d %H:%M:%S}", plain(one.model, 20)
        click.echo(f"{when} {who:16} {model:12} {one.said:8} {one.status}{times} {guard}".rstrip())


def _verdicts(ledger: Ledger) -> Iterator[Listed]:
    from ancile.serve.segment import KIND as SEGMENT  # noqa: PLC0415 - needs numpy, which the ledger does not
    from ancile.serve.segment import records_of  # noqa: PLC0415 - likewise

    for entry in ledger.entries(0, ledger.size()):
        if entry.leaf is None or entry.body is None or parse_leaf(entry.leaf).kind != SEGMENT:
            continue
        try:
            if not parse_leaf(entry.leaf).commits_to(entry.salt or b"", entry.body):
                raise _changed(entry.index)
            records = records_of(entry.body)
        except AncileError as error:
            talk(f"entry {entry.index} is left out: {error}")
            continue
        for record in records:
            values = msgspec.structs.asdict(record) | {"entry": entry.index}
            yield Listed(**values | {"time": datetime.fromtimestamp(record.time / 1e6, UTC)})


def _changed(index: int) -> AncileError:
    return AncileError("its body was changed", value=f"entry {index}", remedy="run `ancile ledger verify`")
