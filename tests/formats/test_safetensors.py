"""Headers of safetensors are taken apart without trust in any number."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.safetensors import is_safetensors, parse_safetensors


def made(header: object, data: bytes = b"", *, raw: bytes | None = None) -> bytes:
    text = json.dumps(header).encode() if raw is None else raw
    return struct.pack("<Q", len(text)) + text + data


def tensor(start: int, stop: int, **other: object) -> dict[str, object]:
    return {"dtype": "U8", "shape": [stop - start], "data_offsets": [start, stop], **other}


SOUND = made(
    {"__metadata__": {"format": "pt"}, "a": tensor(0, 4), "b": tensor(4, 4), "c": tensor(4, 8)}, b"12345678"
)


def kinds(data: bytes) -> list[str]:
    return [one.kind for one in parse_safetensors(data).faults]


def test_a_sound_file_has_no_faults_and_gives_its_texts() -> None:
    facts = parse_safetensors(SOUND)
    assert is_safetensors(SOUND)
    assert (facts.faults, facts.gaps) == ((), ())
    assert ("format", "pt") in facts.strings
    assert facts.start == len(SOUND) - 8


def test_what_the_own_library_writes_is_sound() -> None:
    numpy = pytest.importorskip("numpy")
    writer = pytest.importorskip("safetensors.numpy")
    types = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8")
    data = writer.save({one: numpy.zeros((3, 2), one) for one in types}, metadata={"k": "v"})
    assert is_safetensors(data)
    assert parse_safetensors(data).faults == ()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (made({"a": tensor(0, 4)}, b"123"), "unread"),  # cut off
        (made({"a": tensor(900, 904)}, b"1234"), "overrun"),  # nothing leads there
        (made({"a": tensor(0, 4), "b": tensor(2, 6)}, b"123456"), "overrun"),
        (made({"a": tensor(0, 4, dtype="O")}, b"1234"), "damaged"),
        (made({"a": tensor(0, 4, dtype=["U8"])}, b"1234"), "damaged"),
        (made({"a": tensor(0, 4, shape=[-4])}, b"1234"), "damaged"),
        (made({"a": tensor(0, 4, shape=[4.0])}, b"1234"), "damaged"),
        (made({"a": tensor(0, 4, shape=[1 << 62, 4])}, b"1234"), "damaged"),
        (made({"a": tensor(0, 4, data_offsets=[4, 0])}, b"1234"), "damaged"),
        (made({"a": tensor(0, 4, data_offsets=[0])}, b"1234"), "damaged"),
        (made({"a": tensor(0, 4, more=1)}, b"1234"), "damaged"),
        (made({"a": 1}), "damaged"),
        (made({"__metadata__": {"a": {}}}), "damaged"),
        (made({"__metadata__": []}), "damaged"),
        (made([]), "damaged"),
        (made(None, raw=b'{"a"'), "damaged"),
        (made(None, raw=b"{" + b'"a":[' * 100_000), "damaged"),
        (made(None, raw=b'{"a": ' + b"9" * 5000 + b"}"), "damaged"),
        (made(None, raw=b'{"__metadata__":{"a":"1","a":"2"}}'), "damaged"),
        (made(None, raw=b'{"a":' + json.dumps(tensor(0, 0)).encode() + b',"a":[]}'), "ambiguous"),
        (struct.pack("<Q", 1 << 60) + b'{"a":1}', "unread"),
        (struct.pack("<Q", 5000) + b"{", "unread"),
    ],
)
def test_each_fault_is_named(data: bytes, kind: str) -> None:
    assert kind in kinds(data)


def test_bytes_of_no_tensor_are_gaps() -> None:
    facts = parse_safetensors(made({"a": tensor(0, 2), "b": tensor(4, 6)}, b"12345678"))
    assert [stop - start for start, stop in facts.gaps] == [2, 2]


def test_text_that_holds_a_brace_is_no_such_file() -> None:
    assert not is_safetensors(b'window.\t{"a": 1}')
    assert not is_safetensors(b"")


@given(
    st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), max_size=8), st.integers(0, 200)
)
def test_no_change_of_bytes_raises(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(SOUND)
    for place, byte in changes:
        data[place] = byte
    facts = parse_safetensors(bytes(data[: len(data) - cut]))
    assert all(0 <= start < stop <= len(data) for start, stop in facts.gaps)
