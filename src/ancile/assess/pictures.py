"""Small PNG pictures of samples: PNG specification (ISO/IEC 15948), sections 5 and 9, filter type 0."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EDGE = 96  # pixels of the longer edge to which a small picture is enlarged, so that people can see it
LARGEST = 80  # pixels of the longer edge beyond which a picture is thinned: three in colour stay below 64 KiB
GAP = 4


def side_by_side(
    before: NDArray[np.float32], after: NDArray[np.float32], *, low: float, high: float
) -> bytes:
    """PNG of a sample, the changed one and their difference around mid-grey, each in [low, high].

    before, after  (h, w), (channels, h, w) or (h, w, channels) with 1 or 3 channels; of others the first
    """
    span = (high - low) or 1.0
    difference = (_pixels(after) - _pixels(before)) / (2 * span) + 0.5
    parts = [(_pixels(before) - low) / span, (_pixels(after) - low) / span, difference]
    enlarged = [_resized(np.clip(np.nan_to_num(p), 0, 1)) for p in parts]
    gap = np.ones((enlarged[0].shape[0], GAP, enlarged[0].shape[2]), dtype=np.float64)
    whole = np.concatenate([enlarged[0], gap, enlarged[1], gap, enlarged[2]], axis=1)
    return png(np.round(whole * 255).astype(np.uint8))


def _pixels(sample: NDArray[np.float32]) -> NDArray[np.float64]:
    """The sample as (h, w, 1 or 3)."""
    image = np.asarray(sample, dtype=np.float64)
    while image.ndim > 3:
        image = image[0]
    if image.ndim == 2:
        return image[:, :, None]
    if image.shape[0] in (1, 3):
        return np.moveaxis(image, 0, 2)
    return image if image.shape[2] in (1, 3) else np.ascontiguousarray(image[:1]).transpose(1, 2, 0)


def _resized(image: NDArray[np.float64]) -> NDArray[np.float64]:
    edge = max(image.shape[:2])
    every = -(-edge // LARGEST)
    times = max(1, EDGE // edge)
    return image[::every, ::every].repeat(times, axis=0).repeat(times, axis=1)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """PNG of (h, w, 1) grey or (h, w, 3) colour pixels."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
