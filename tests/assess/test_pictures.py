"""Pictures of samples are valid PNG of a bounded size, whatever the layout of the sample."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from ancile.assess.pictures import GAP, png, side_by_side


def pixels(data: bytes) -> NDArray[np.uint8]:
    """The pixels of a PNG with filter type 0, by the specification alone; every checksum is checked."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(name + body),)
        chunks[name], at = body, at + 12 + length
    width, height, _, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    channels = {0: 1, 2: 3}[colour]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), dtype=np.uint8).reshape(
        height, 1 + width * channels
    )
    assert (lines[:, 0] == 0).all()
    return lines[:, 1:].reshape(height, width, channels)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_gives_its_pixels_back(channels: int) -> None:
    image = np.random.default_rng(channels).integers(0, 256, size=(5, 7, channels)).astype(np.uint8)
    np.testing.assert_array_equal(pixels(png(image)), image)


@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        ((8, 8), 1),
        ((1, 8, 8), 1),
        ((3, 8, 8), 3),
        ((8, 8, 3), 3),
        ((8, 8, 1), 1),
        ((5, 8, 8), 1),
        ((2, 3, 8, 8), 3),
    ],
)
def test_each_layout_becomes_three_pictures_beside_each_other(shape: tuple[int, ...], channels: int) -> None:
    sample = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    shown = pixels(side_by_side(sample, sample, low=0.0, high=1.0))
    edge = (shown.shape[1] - 2 * GAP) // 3
    assert shown.shape == (edge, 3 * edge + 2 * GAP, channels)
    np.testing.assert_array_equal(shown[:, :edge], shown[:, edge + GAP : 2 * edge + GAP])
    assert (shown[:, 2 * (edge + GAP) :] == 128).all()


def test_a_large_picture_is_thinned_and_odd_values_do_no_harm() -> None:
    sample = np.full((3, 1000, 500), np.nan, dtype=np.float32)
    sample[0] = 5.0
    assert pixels(side_by_side(sample, sample, low=0.0, high=0.0)).shape[0] <= 96
