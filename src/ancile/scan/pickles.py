"""Pickles under any name: how they are known, and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ancile.formats.held import Held
from ancile.formats.pickle_machine import Call, Event, Lookup
from ancile.formats.pickle_walk import walk
from ancile.formats.torch_storages import Asking, Storage
from ancile.scan.names import Lists, lists
from ancile.scan.part import Formatted, Part
from ancile.scan.pickle_checks import judged
from ancile.scan.pickle_reading import FIRST_OPCODE, STREAMS, read_pickles
from ancile.scan.wrong import Reading

NAME = re.compile(r"[^\s:()=\[\]{}\"'#,;]+")  # source code that begins with a c asks for nothing
LEGACY_PICKLES = (
    5  # torch/serialization.py, _legacy_load: magic, version, system, object, keys; then storages
)
LEGACY_MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # the same, MAGIC_NUMBER
ALIKE, ALIKE_BYTES = 256, 16 << 10  # small pickles that are remembered, in case the next file has the same
PROBED_BYTES = 1 << 16
SHORTEST = 3  # bytes of a pickle that asks for nothing; a word may be as long
BINARY = re.compile(rb"\x80[\x00-\x09]")
# A protocol-0 or -1 pickle has no mark of its own: containers as picklers write them
TEXTUAL = re.compile(
    rb"\s*(?:\((?:lp\d+\n|dp\d+\n|l\.|d\.)|[\]}]q\x00|P[^\n]{1,200}\n\."
    rb"|[IL]-?\d{1000})"  # a number that takes for ever to read is a pickle's, whatever follows
)
SYSTEM = re.compile(rb"\s*\(*c(?:os|posix|nt|sys|subprocess|builtins|__builtin__|socket|runpy)\n\w+\n[()\]}]")
FAR = 1024  # bytes that read as opcodes: no text comes so far


def is_pickle(part: Part) -> bool:
    """Whether an unpickler would get anywhere with these bytes."""
    head = part.head
    return BINARY.match(head) is not None or TEXTUAL.match(head) is not None or _goes_on(part)


def is_pickle_too(part: Part) -> bool:
    """Whether bytes of another format, read as a pickle from their first one, call something.

    Not where a persistent id comes first, as in every zip: its P is that opcode, and ends a plain unpickler.
    """
    first = part.head[:1]
    if first == b"P" or not (first in FIRST_OPCODE or first.isspace()):
        return False
    probe = _probed(part)
    return probe.named and probe.calls and not probe.persistent


class _Probe(NamedTuple):
    """What an unpickler makes of some bytes.

    asked  whether it looks anything up, ``named`` whether all that has names that a module can have
    calls  whether it calls something, ``persistent`` whether it asks its loader for an object before
    why    what ends it, at ``stop``, before a STOP
    """

    asked: bool
    named: bool
    calls: bool
    persistent: bool
    stop: int
    why: str


def _probed(part: Part) -> _Probe:
    events: list[Event] = []
    end, _ = walk(part.data, 0, events.append, end=min(len(part.data), PROBED_BYTES))
    asked = [one.name.module for one in events if isinstance(one, Lookup)]
    persistent = [one.made.opcode.endswith("PERSID") for one in events if isinstance(one, Call)]
    return _Probe(
        asked=bool(asked),
        named=all(NAME.fullmatch(one.strip()) for one in asked),
        calls=not all(persistent) or SYSTEM.match(part.head) is not None,
        persistent=any(persistent[:1]),
        stop=end.stop,
        why=end.why,
    )


def _goes_on(part: Part) -> bool:
    """Whether, read as a pickle from its first byte, it calls something, comes far, or to an end.

    Words in lines are look-ups to an unpickler, and break it soon after.
    """
    probe = _probed(part)
    far = probe.asked and probe.stop >= FAR
    ends = not probe.why and (probe.asked or probe.stop > SHORTEST)
    return probe.named and (probe.calls or far or ends)


class _Read(NamedTuple):
    """What was read of some pickles.

    nested    bytes that a listed function unpickles, and their offsets
    storages  that the first one asks for, where that was noted
    """

    reading: Reading
    nested: tuple[tuple[bytes, int], ...]
    storages: dict[str, Storage] | None


def examine_pickle(part: Part) -> Iterator[Formatted | Part]:
    """What its pickles would do, and what they unpickle in turn."""
    data, asks = part.data, part.asking is not None
    if type(data) is bytes and len(data) <= ALIKE_BYTES:
        found = _read_alike(data, lists(""), torch=part.torch, asks=asks)
    else:
        found = _read(data, torch=part.torch, asks=asks)
    if part.asking is not None:
        part.asking.take(found.storages)
    yield Formatted("pickle", judged(part, found.reading), frozenset(found.reading.packages))
    yield from [part.inner(f"bytes at {offset}", held) for held, offset in found.nested]


@lru_cache(ALIKE)
def _read_alike(data: bytes, _: Lists, *, torch: bool, asks: bool) -> _Read:
    """As ``_read``, under the lists in force: checkpoints of one shape have one pickle."""
    return _read(data, torch=torch, asks=asks)


def _read(data: Held, *, torch: bool, asks: bool) -> _Read:
    nested: list[tuple[bytes, int]] = []
    is_legacy = data[2:14] == LEGACY_MAGIC
    asking = Asking() if asks else None
    reading = read_pickles(
        data,
        persistent=torch or is_legacy,
        nested=lambda held, offset: nested.append((held, offset)),
        most=LEGACY_PICKLES if is_legacy else STREAMS,
        asking=asking,
    )
    return _Read(reading, tuple(nested), asking.storages if asking else None)
