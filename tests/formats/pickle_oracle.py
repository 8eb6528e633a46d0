"""CPython's own unpicklers over classes that do nothing but write down what is done with them."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

Log = list[tuple[str, ...]]


class Seen(NamedTuple):
    """What an unpickler did, in order, and how it ended."""

    log: Log
    error: str


def _world(log: Log) -> type:
    """A base class for all that is looked up: it writes into ``log``."""

    class Inert:
        def __new__(cls, *_: object, **__: object) -> Any:
            log.append(("call",))
            return object.__new__(cls)

        def __init__(self, *_: object, **__: object) -> None:
            pass

        def __call__(self, *_: object, **__: object) -> Any:
            log.append(("call",))
            return object.__new__(type(self))

        def _changed(self, *_: object) -> None:
            log.append(("change",))

        __setstate__ = append = extend = add = __setitem__ = _changed

    return Inert


def _of(base: type, log: Log) -> Any:
    """What makes an unpickler write down instead of look up."""
    made: dict[tuple[str, str], type] = {}

    class Oracle(base):  # type: ignore[misc]  # one of the two unpicklers
        def find_class(self, module: str, name: str) -> Any:
            if not module or not name:
                raise ImportError("an empty name is none")
            log.append(("lookup", module, name))
            return made.setdefault((module, name), type("Stub", (inert,), {"__slots__": ()}))

        def persistent_load(self, _: object) -> Any:
            log.append(("call",))
            return object.__new__(made.setdefault(("", ""), type("Stub", (inert,), {})))

    inert = _world(log)
    return Oracle


def unpickled(data: bytes, *, in_c: bool) -> Seen:
    """What CPython's unpickler does with the first pickle of ``data``; names are written down as they stand."""
    log: Log = []
    oracle = _of(pickle.Unpickler if in_c else pickle._Unpickler, log)
    try:
        oracle(io.BufferedReader(io.BytesIO(data)), encoding="latin-1").load()
    except Exception as reason:  # noqa: BLE001 - whatever it raises is how it ended
        return Seen(log, f"{type(reason).__name__}: {reason}")
    return Seen(log, "")


# Memo slots that take gigabytes in C, and lengths that CPython 3.11 takes memory for before it reads
DANGEROUS = re.compile(rb"(?s)r..(?!\0\0)|[\x8e\x8d\x96]..(?!\0\0\0\0\0\0)|\x8b.(?!\0\0\0)")
WORDS = (
    b"os",
    b"a.b",
    b"x",
    b"collections",
    b"OrderedDict",
    b"__builtin__",
    b"cPickle",
    b"loads",
    "é".encode(),
)


def programs(seed: int, count: int) -> Iterator[bytes]:
    """Random pickles without end: most opcodes have what they need on the stack, some do not."""
    rng = Random(seed)
    for _ in range(count):
        steps = rng.randrange(1, 30)
        data = b"".join(_step(rng) for _ in range(steps))
        if rng.random() < 0.6:
            data = b"\x80" + bytes([rng.choice((0, 1, 2, 2, 3, 4, 4, 5, 6))]) + data
        if rng.random() < 0.8:
            data += b"."
        if rng.random() < 0.2:
            data = _mutated(rng, data)
        if not DANGEROUS.search(data):
            yield data


def _step(rng: Random) -> bytes:
    word = rng.choice(WORDS)
    few = bytes([rng.randrange(4)])
    constants = (
        b"N", b"\x88", b"\x89", b"K" + few, b"M" + few + few, b"J\x01\x02\x03\x04", b"G" + bytes(8), b"I%d\n" % rng.randrange(-3, 300),
        b"I01\n", b"L5L\n", b"\x8a\x01\x05", b"\x8b\x01\x00\x00\x00\x07", b"F1.5\n", b"S'" + word.replace("é".encode(), b"q") + b"'\n",
        b"V" + word.replace("é".encode(), b"\\u00e9") + b"\n", b"U" + bytes([len(word)]) + word, b"\x8c" + bytes([len(word)]) + word,
        b"X" + len(word).to_bytes(4, "little") + word, b"\x8d" + len(word).to_bytes(8, "little") + word,
        b"B\x01\x00\x00\x00x", b"C\x01x", b"\x8e" + (2).to_bytes(8, "little") + b"xy", b"\x96" + (2).to_bytes(8, "little") + b"xy",
        b"T\x02\x00\x00\x00os", b")", b"]", b"}", b"\x8f", b"K\x01" * rng.randrange(40),
    )  # fmt: skip
    name = b"c" + word + b"\n" + rng.choice(WORDS) + b"\n"
    text = b"\x8c" + bytes([len(word)]) + word
    calls = (
        name, text + text + b"\x93", text + b"\x94h\x00\x93", name + b")R", name + b"N\x85R", name + b")\x81", name + b")}\x92",
        b"(" + text + b"i" + word.replace("é".encode(), b"q") + b"\nx\n", b"(" + name + b"o", name + b")R}b", name + b")R(K\x01K\x02e",
        name + b")RNb", name + b")RK\x01a", name + b")RK\x01K\x02s", name + b")R(NNu", name + b")R(N\x90", name + b")\x81\x94}b",
        b"P1\n", b"NQ", b"\x93", b"R", b"b", b"\x81",
    )  # fmt: skip
    moves = (
        b"(", b"0", b"1", b"2", b"t", b"l", b"d", b"\x91", b"a", b"e", b"s", b"u", b"\x90", b"\x85", b"\x86", b"\x87", b"p%d\n" % rng.randrange(3),
        b"q" + few, b"r" + few + bytes(3), b"\x94", b"g%d\n" % rng.randrange(3), b"h" + few, b"j" + few + bytes(3),
        b"\x80" + bytes([rng.randrange(6)]), b"(t", b"(l", b"(K\x01K\x02d", b"\x95" + bytes([rng.randrange(12)]) + bytes(7),
    )  # fmt: skip
    return rng.choice(rng.choices((constants, calls, moves), (5, 3, 4))[0])


def _mutated(rng: Random, data: bytes) -> bytes:
    held = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        if held:
            place = rng.randrange(len(held))
            if rng.random() < 0.5:
                held[place] = rng.randrange(256)
            else:
                del held[place : place + rng.randrange(1, 4)]
    return bytes(held)
