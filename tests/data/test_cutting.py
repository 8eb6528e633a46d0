"""Cuts depend on what stands before them, and on nothing else."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.data import cutting
from ancile.data.cutting import FACTOR, WINDOW, cuts, mean_for, sizes_of

SMALL = sizes_of(256)


def noise(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()


def plainly(data: bytes, *, mean: int) -> list[int]:
    """The definition, window by window: ends of chunks."""
    sizes, found, start = sizes_of(mean), [], 0
    while start < len(data):
        end = min(start + sizes.most, len(data))
        for place in range(start + sizes.least, end):
            words = struct.unpack("<8I", data[place - WINDOW : place])
            if (sum(words) * FACTOR) % (1 << 32) < (1 << 32) // mean:
                end = place
                break
        found.append(end)
        start = end
    return found


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 63, 64, 65, 5_000])
def test_cuts_are_those_of_the_definition(size: int) -> None:
    data = noise(size)
    assert cuts(memoryview(data), SMALL, last=True) == plainly(data, mean=256)


def test_pieces_of_the_search_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    data = memoryview(noise(20_000))
    at_once = cuts(data, SMALL, last=True)
    monkeypatch.setattr(cutting, "PIECE", 64)
    assert cuts(data, SMALL, last=True) == at_once


@given(st.integers(0, 9_000), st.integers(0, 3))
def test_blocks_of_the_file_do_not_show(first: int, seed: int) -> None:
    """What waits after the last cut of a block is cut with the next one as if both had come at once."""
    data = noise(9_000, seed)
    ends = cuts(memoryview(data[:first]), SMALL, last=False)
    rest = ends[-1] if ends else 0
    ends += [rest + one for one in cuts(memoryview(data[rest:]), SMALL, last=True)]
    assert ends == cuts(memoryview(data), SMALL, last=True)


@given(st.binary(max_size=4_000), st.booleans())
def test_no_chunk_is_too_long_and_only_the_last_too_short(data: bytes, last: bool) -> None:
    ends = cuts(memoryview(data), SMALL, last=last)
    sizes = np.diff([0, *ends])
    assert all(sizes[:-1] >= SMALL.least)
    assert all(sizes <= SMALL.most)
    assert not last or not data or ends[-1] == len(data)
    assert last or len(data) - (ends[-1] if ends else 0) <= SMALL.most


@pytest.mark.parametrize("inserted", [1, 7, 1000])
def test_an_insertion_changes_the_chunks_around_it_alone(inserted: int) -> None:
    data = noise(200_000)
    new = data[:90_001] + noise(inserted, 9) + data[90_001:]
    chunks = [
        {bytes(one[a:b]) for a, b in zip([0, *ends], ends, strict=False)}
        for one, ends in ((one, cuts(memoryview(one), SMALL, last=True)) for one in (data, new))
    ]
    assert len(chunks[1] - chunks[0]) <= 2 + 2 * inserted // SMALL.least


@pytest.mark.parametrize(
    ("total", "mean"), [(0, 1 << 12), (4 << 20, 1 << 12), (64 << 20, 1 << 16), (1 << 40, 1 << 20)]
)
def test_a_whole_has_about_a_thousand_chunks(total: int, mean: int) -> None:
    assert mean_for(total) == mean
