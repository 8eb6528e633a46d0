"""UBJSON is followed to its end, whatever it claims."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.ubjson import parse_ubjson

SOUND = b"{i\x01a[$d#U\x02" + bytes(8) + b"i\x01b[#i\x02Si\x02xyU\x07i\x01c{i\x01dZ}i\x01e[TF]}"


def test_texts_come_with_their_keys_and_the_end_is_found() -> None:
    facts = parse_ubjson(SOUND + b"tail")
    assert (facts.fault, facts.stop) == ("", len(SOUND))
    assert ("b", "xy") in facts.texts


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"?",
        b"[" * 100,
        b"[$d#L" + b"\x7f" * 8,
        b"[#i\xff]",
        b"[$d]",
        b"Si\xff",
        b"[$Z#l\x7f\xff\xff\xff",
    ],
)
def test_what_breaks_the_rules_is_a_fault(data: bytes) -> None:
    assert parse_ubjson(data).fault


@given(st.binary(max_size=60))
def test_no_bytes_raise(data: bytes) -> None:
    assert parse_ubjson(SOUND[:9] + data).stop <= 9 + len(data)
