"""Counts, lengths and offsets of GGUF are held against the file before they are used."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.gguf import is_gguf, parse_gguf


def text(value: str | bytes, order: str = "<") -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(order + "Q", len(raw)) + raw


def pair(key: str, value: str, order: str = "<") -> bytes:
    return text(key, order) + struct.pack(order + "I", 8) + text(value, order)


def number(key: str, value: int) -> bytes:
    return text(key) + struct.pack("<II", 4, value)


def tensor(
    name: str, *, dims: tuple[int, ...] = (8,), kind: int = 0, offset: int = 0, order: str = "<"
) -> bytes:
    sizes = struct.pack(f"{order}I{len(dims)}Q", len(dims), *dims)
    return text(name, order) + sizes + struct.pack(order + "IQ", kind, offset)


def made(
    pairs: list[bytes], tensors: list[bytes], *, data: bytes = bytes(32), version: int = 3, order: str = "<",
    counts: tuple[int, int] | None = None,
) -> bytes:  # fmt: skip
    head = b"GGUF" + struct.pack(order + "IQQ", version, *(counts or (len(tensors), len(pairs))))
    head += b"".join((*pairs, *tensors))
    return head + bytes(-len(head) % 32) + data


SOUND = made(
    [pair("general.name", "tiny"), text("words") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("x" * 99)],
    [tensor("w"), tensor("v", dims=(32, 2), kind=8, offset=32)],
    data=bytes(32 + 96),
)


def kinds(data: bytes) -> set[str]:
    return {one.kind for one in parse_gguf(data).faults}


def test_a_sound_file_gives_its_texts() -> None:
    facts = parse_gguf(SOUND)
    assert is_gguf(SOUND)
    assert (facts.faults, facts.gaps) == ((), ())
    assert facts.texts == (("general.name", "tiny"), ("words[1]", "x" * 99))


def test_the_other_byte_order_is_read() -> None:
    data = made([pair("a", "b", ">")], [tensor("w", order=">")], order=">")
    assert parse_gguf(data)[:2] == ((), (("a", "b"),))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (made([], [], counts=(1 << 60, 0)), "overrun"),
        (made([], [], counts=(0, 1 << 62)), "overrun"),
        (made([struct.pack("<Q", (1 << 64) - 1)], []), "overrun"),
        (made([text("a") + struct.pack("<IIQ", 9, 0, 1 << 62)], []), "overrun"),
        (made([text("a") + struct.pack("<IIQ", 9, 8, 1 << 62)], []), "overrun"),
        (made([number("general.alignment", 0)], []), "overrun"),
        (made([number("general.alignment", 24)], []), "overrun"),
        (made([], [tensor("w", dims=(1,) * 9)]), "overrun"),
        (made([], [tensor("w", dims=(1 << 32, 1 << 32, 4))]), "overrun"),
        (made([], [tensor("w", offset=1 << 40)]), "overrun"),
        (made([], [tensor("w", offset=4)]), "overrun"),
        (made([], [tensor("w"), tensor("v")]), "overrun"),
        (made([], [tensor("w", dims=(64,))]), "unread"),
        (made([], [tensor("w"), tensor("w", offset=32)], data=bytes(64)), "ambiguous"),
        (made([pair("a", "b"), pair("a", "c")], []), "ambiguous"),
        (made([], [tensor("w", kind=99)]), "unread"),
        (made([text("a") + struct.pack("<IB", 77, 0)], []), "damaged"),
        (made([text("a") + struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 9, 1) * 9], []), "damaged"),
        (made([], [], version=9), "damaged"),
        (b"GGUF", "unread"),
    ],
)
def test_each_fault_is_named(data: bytes, kind: str) -> None:
    assert kind in kinds(data)


def test_bytes_behind_the_tensors_are_a_gap() -> None:
    data = made([], [tensor("w")], data=bytes(32) + b"x" * 40)
    assert parse_gguf(data).gaps == ((len(data) - 40, len(data)),)


@given(
    st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), max_size=8), st.integers(0, 300)
)
def test_no_change_of_bytes_raises(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(SOUND)
    for place, byte in changes:
        data[place] = byte
    facts = parse_gguf(bytes(data[: max(0, len(data) - cut)]))
    assert all(0 <= start < stop <= len(data) for start, stop in facts.gaps)
