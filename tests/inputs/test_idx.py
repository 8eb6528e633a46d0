"""Arrays in the idx format."""

from __future__ import annotations

import gzip
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.inputs.idx import read_idx

LIMIT = 1 << 20


def idx(shape: tuple[int, ...], content: bytes | None = None, *, kind: int = 8) -> bytes:
    """A gzipped idx file, from Y. LeCun's description of the format."""
    head = bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return gzip.compress(head + (bytes(math.prod(shape)) if content is None else content), mtime=0)


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple), seed=st.integers(0, 9))
def test_an_array_comes_back_in_its_shape(shape: tuple[int, ...], seed: int) -> None:
    array = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    np.testing.assert_array_equal(read_idx(idx(shape, array.tobytes()), name="a", limit_bytes=LIMIT), array)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "unsigned bytes"),
        (b"PK", "unsigned bytes"),
        (b"\x1f\x8bPK", "unknown compression method"),
        (idx((3,))[:-1], "cut short"),
        (idx((3,)) + b"x", "more follows"),
        (idx((3,), b"ab"), r"shape \(3,\) does not fit 2 bytes"),
        (idx((1 << 31, 1 << 31), b"ab"), "does not fit 2 bytes"),
        (idx((0,)), "does not fit"),
        (idx((3,), kind=0x0D), "unsigned bytes"),
        (idx(()), "unsigned bytes"),
        (idx((1, 1, 1, 1, 1)), "unsigned bytes"),
        (gzip.compress(b"\0\0\x08\x03\0\0", mtime=0), "unsigned bytes"),
        (gzip.compress(b"\0", mtime=0), "unsigned bytes"),
        (gzip.compress(bytes(LIMIT + 1), mtime=0), f"more than {LIMIT} bytes unpacked"),
    ],
)
def test_damage_is_one_error(data: bytes, words: str) -> None:
    with pytest.raises(AncileError, match=words) as told:
        read_idx(data, name="t10k", limit_bytes=LIMIT)
    assert told.value.value.startswith("t10k: ")
