"""Compressed streams come out as far as they go."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.compressed import kind_of, unpack

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
    "joblib-zlib": lambda data: b"ZF%-19s" % hex(len(data)).encode() + zlib.compress(data),
}
DATA = b"some text that shrinks " * 2000
LIMIT = 1 << 20


@pytest.mark.parametrize("kind", PACKERS)
def test_what_was_packed_comes_out(kind: str) -> None:
    packed = PACKERS[kind](DATA)
    assert kind_of(packed[:16]) == kind
    assert unpack(packed, limit_bytes=LIMIT)[:4] == (kind, DATA, b"", "")


@pytest.mark.parametrize("kind", [kind for kind in PACKERS if kind not in ("lzma", "joblib-zlib")])
def test_all_members_and_what_stands_behind_come_out(kind: str) -> None:
    found = unpack(PACKERS[kind](DATA) + PACKERS[kind](b"second") + b"rest", limit_bytes=LIMIT)
    assert (found.data, found.rest, found.fault) == (DATA + b"second", b"rest", "")


@pytest.mark.parametrize("kind", PACKERS)
def test_a_stream_that_is_cut_off_gives_its_beginning(kind: str) -> None:
    found = unpack(PACKERS[kind](DATA)[:-12], limit_bytes=LIMIT)
    assert found.fault
    assert DATA.startswith(found.data)


@pytest.mark.parametrize("kind", PACKERS)
def test_no_more_comes_out_than_asked_for(kind: str) -> None:
    found = unpack(PACKERS[kind](bytes(1 << 22)), limit_bytes=1000)
    assert len(found.data) == 1000
    assert found.cut


@given(data=st.binary(max_size=200), kind=st.sampled_from(sorted(PACKERS)), at=st.integers(0, 60))
def test_damage_is_told_and_never_raised(data: bytes, kind: str, at: int) -> None:
    packed = bytearray(PACKERS[kind](DATA))
    packed[at : at + len(data)] = data
    assert len(unpack(bytes(packed), limit_bytes=LIMIT).data) <= LIMIT


def test_zstd_is_unpacked_to_its_limit_and_its_faults_are_told() -> None:
    packed = zstd.compress(b"text" * 1000)
    assert unpack(packed + zstd.compress(b"!") + b"rest", limit_bytes=9999)[:4] == (
        "zstd",
        b"text" * 1000 + b"!",
        b"rest",
        "",
    )
    assert len(unpack(zstd.compress(bytes(1 << 24)), limit_bytes=100).data) == 100
    assert unpack(packed[:-3], limit_bytes=9999).fault
    assert unpack(packed[:6] + b"\xff" * 20, limit_bytes=9999).fault
