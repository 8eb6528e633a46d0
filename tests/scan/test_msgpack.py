"""Parameters in MessagePack are data; what hides in them or behind them is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.msgpack import parse_msgpack
from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part

CALL = b"cos\nsystem\n(Vx\ntR."
ARRAY = b"\x93\x92\x02\x03\xa7float32\xc4\x18" + bytes(24)  # shape, type, bytes: flax/serialization.py
FLAX = (
    b"\x81\xa6params\x82\xa6kernel\xc7" + bytes([len(ARRAY)]) + b"\x01" + ARRAY + b"\xa4bias\xcb" + bytes(8)
)


def examined(data: bytes) -> Examination:
    return examine_part(Part("flax_model.msgpack", data))


def test_parameters_are_data() -> None:
    found = examined(FLAX)
    assert (found.format, found.verdict) == ("msgpack", "data-only")


def test_a_pickle_in_it_or_behind_it_is_found() -> None:
    assert examined(b"\x81\xa6params\xc7" + bytes([len(CALL)]) + b"\x01" + CALL).verdict == "block"
    assert examined(FLAX + CALL).verdict == "block"


@pytest.mark.parametrize(
    "data", [FLAX[:-1], b"\x81\xa1a\xc1", b"\x81\xa1a\xdd\xff\xff\xff\xff", b"\x81\xa1a" + b"\x91" * 2000]
)
def test_what_breaks_off_is_damaged(data: bytes) -> None:
    assert parse_msgpack(data).fault
    assert examined(data).verdict in ("review", "incomplete")


@given(st.binary(max_size=60), st.integers(0, 60))
def test_no_bytes_raise_anything(held: bytes, at: int) -> None:
    parse_msgpack(FLAX[:at] + held + FLAX[at:])
