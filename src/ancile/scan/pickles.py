"""Pickles under any name: how they are known, and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ancile.formats.pickle_machine import Call, Event, Lookup
from ancile.formats.pickle_walk import walk
from ancile.scan.part import Formatted, Part
from ancile.scan.pickle_checks import judged
from ancile.scan.pickle_reading import STREAMS, read_pickles

NAME = re.compile(r"[^\s:()=\[\]{}\"'#,;]+")  # source code that begins with a c asks for nothing
LEGACY_PICKLES = (
    5  # torch/serialization.py, _legacy_load: magic, version, system, object, keys; then storages
)
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


def examine_pickle(part: Part) -> Iterator[Formatted | Part]:
    """What its pickles would do, and what they unpickle in turn."""
    inner: list[Part] = []

    def nested(held: bytes, offset: int) -> None:
        inner.append(part.inner(f"bytes at {offset}", held))

    is_legacy = _is_legacy_torch(part)
    most = LEGACY_PICKLES if is_legacy else STREAMS
    reading = read_pickles(
        part.data, persistent=part.torch or is_legacy, nested=nested, most=most, asking=part.asking
    )
    yield Formatted("pickle", judged(part, reading), frozenset(reading.packages))
    yield from inner


def _is_legacy_torch(part: Part) -> bool:
    """Whether the first pickle is torch's magic number: torch/serialization.py, ``MAGIC_NUMBER``."""
    return part.head[2:14] == b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
