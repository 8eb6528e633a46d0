"""Headers of saved arrays are read as literals, with limits; nothing in them is evaluated."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.npy import is_npy, parse_npy


def made(header: str, data: bytes = b"", *, version: int = 1) -> bytes:
    raw = header.encode("latin-1")
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", len(raw))
        + raw
        + data
    )


def told(descr: str = "'<f4'", shape: str = "(2,)", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


SOUND = made(told(), bytes(8))


def kinds(data: bytes) -> list[str]:
    return [one.kind for one in parse_npy(data).faults]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_sound_array_ends_where_its_header_says(version: int) -> None:
    data = made(told(), bytes(8), version=version)
    facts = parse_npy(data)
    assert is_npy(data)
    assert (facts.faults, facts.program, facts.objects, facts.stop) == ((), "", None, len(data))


def test_what_numpy_writes_is_sound() -> None:
    numpy = pytest.importorskip("numpy")
    nested = [("a", "<f4"), ("b", [("c", "S3"), ("d", "<i2", (2, 3))])]
    for dtype in ("?", "i1", ">u2", "f2", "f8", "c16", "U5", "S3", "V4", "M8[ns]", "m8[2h]", "U", nested):
        file = io.BytesIO()
        numpy.save(file, numpy.zeros((2, 3), dtype))
        facts = parse_npy(file.getvalue())
        assert (facts.faults, facts.objects, facts.stop) == ((), None, len(file.getvalue())), dtype


def test_arrays_in_a_row_are_all_read() -> None:
    facts = parse_npy(SOUND + SOUND + b"tail")
    assert len(facts.numbers) == 2
    assert facts.stop == 2 * len(SOUND)


@pytest.mark.parametrize(
    "descr",
    [
        "'O'",
        "'|O'",
        "'|O8'",
        "'object'",
        "[('a', 'O')]",
        "[('a', [('b', '<f4'), ('c', '|O')])]",
        "('O', (2,))",
    ],
)
def test_objects_are_seen_wherever_the_type_holds_them(descr: str) -> None:
    data = made(told(descr), b"N.")
    assert parse_npy(data).objects == len(data) - 2


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (made(told(shape="(9,)"), bytes(8)), "unread"),
        (made(told(shape="(4611686018427387904, 4)"), bytes(8)), "overrun"),
        (made(told(shape="(-1,)")), "damaged"),
        (made(told(shape="(True,)")), "damaged"),
        (made(told(shape="[2]")), "damaged"),
        (made(told(shape="(1,) * 9")), "damaged"),
        (made(told(order="0")), "damaged"),
        (made(told("7")), "damaged"),
        (made(told("[('a',)]")), "damaged"),
        (made(told("'complex256,O'")), "unread"),
        (made("{'descr': 'O', " + told()[1:]), "ambiguous"),
        (made("[1]"), "damaged"),
        (made("{1: 2}"), "damaged"),
        (made("{"), "damaged"),
        (made("(" * 5000), "damaged"),
        (made("{**{}}"), "damaged"),
        (made("9" * 5000), "damaged"),
        (made(told(), version=9), "damaged"),
        (b"\x93NUMPY", "damaged"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "unread"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 20) + bytes(1 << 20), "unread"),
    ],
)
def test_each_fault_is_named(data: bytes, kind: str) -> None:
    assert kinds(data) == [kind]


@pytest.mark.parametrize("text", ["__import__('os').system('true')", "().__class__", "[].x", "(lambda: 1)"])
def test_a_header_that_is_a_program_is_told_and_not_run(text: str) -> None:
    assert parse_npy(made(told(shape=text))).program


def test_sizes_as_python_2_wrote_them_are_sizes() -> None:
    assert parse_npy(made(told(shape="(2L,)"), bytes(8))).faults == ()


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), max_size=8), st.integers(0, 90)
)
def test_no_change_of_bytes_raises(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(SOUND)
    for place, byte in changes:
        data[place] = byte
    assert parse_npy(bytes(data[: len(data) - cut])).stop <= len(data)
