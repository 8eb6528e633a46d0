"""Pictures for reports, drawn with numpy and packed as PNG (ISO 15948) without anything else installed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from ancile.numeric import NDArray, np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR = 0, 2  # colour types
Pixels = NDArray[np.uint8]

# Okabe and Ito 2008: eight colours that people with any colour vision tell apart; black is for marks
COLOURS = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (150, 140, 0),
)
MARK = (200, 0, 0)
PAPER = 255


def png(pixels: Pixels) -> bytes:
    """The PNG of (height, width, 1 or 3)."""
    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, GREY if channels == 1 else COLOUR, 0, 0, 0)
    # Each line as the difference to the one above (filter 2), which photographs shrink by
    lines = np.zeros((height, 1 + width * channels), dtype=np.uint8)
    lines[:, 0] = 2
    flat = pixels.reshape(height, -1)
    lines[:, 1:] = flat
    lines[1:, 1:] -= flat[:-1]
    packed = min((zlib.compress(one, 9) for one in (lines.tobytes(), _plain(flat))), key=len)
    return SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _plain(flat: Pixels) -> bytes:
    """Lines without a filter, which drawings shrink by."""
    return np.hstack((np.zeros((len(flat), 1), dtype=np.uint8), flat)).tobytes()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def enlarged(picture: Pixels, side: int) -> Pixels:
    """The picture in colour, each pixel as many times as fit into ``side``; a larger one thinned out."""
    height, width = picture.shape[:2]
    whole = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    times = max(1, side // max(height, width))
    thin = max(1, -(-max(height, width) // side))
    found: Pixels = np.repeat(np.repeat(whole[::thin, ::thin], times, axis=0), times, axis=1)
    return found


def framed(picture: Pixels, mask: NDArray[np.bool_], side: int) -> Pixels:
    """The picture enlarged, with a red frame around the place that ``mask`` marks."""
    large = enlarged(picture, side).copy()
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return large
    up, across = large.shape[0] / mask.shape[0], large.shape[1] / mask.shape[1]
    # Around it, as far as there is room, so that the pattern itself is seen
    top, bottom = max(0, int(rows[0] * up) - 1), min(large.shape[0] - 1, int((rows[-1] + 1) * up))
    left = max(0, int(columns[0] * across) - 1)
    right = min(large.shape[1] - 1, int((columns[-1] + 1) * across))
    for line in (top, bottom):
        large[line, left : right + 1] = MARK
    for line in (left, right):
        large[top : bottom + 1, line] = MARK
    return large


def sheet(pictures: Sequence[Pixels], across: int, gap: int = 4) -> Pixels:
    """Pictures of one size beside and below each other."""
    height, width, channels = pictures[0].shape
    down = -(-len(pictures) // across)
    shape = (down * (height + gap) + gap, min(across, len(pictures)) * (width + gap) + gap, channels)
    whole = np.full(shape, PAPER, dtype=np.uint8)
    for at, one in enumerate(pictures):
        top, left = gap + at // across * (height + gap), gap + at % across * (width + gap)
        whole[top : top + height, left : left + width] = one
    return whole


def scatter(
    points: NDArray[np.float64], kinds: NDArray[np.int64], marked: NDArray[np.bool_], size: tuple[int, int]
) -> Pixels:
    """Dots at points (n, 2), coloured by kind, the marked ones last, larger and in a black ring.

    size  (width, height)
    """
    width, height = size
    whole = np.full((height, width, 3), PAPER, dtype=np.uint8)
    low, high = np.quantile(points, [0.005, 0.995], axis=0)
    share = np.clip((points - low) / np.maximum(high - low, 1e-12), 0, 1)
    at = (10 + share * (np.array([width, height]) - 20)).astype(int)
    for place in np.argsort(marked, kind="stable"):
        x, y = at[place]
        radius = 4 if marked[place] else 2
        if marked[place]:
            _disc(whole, x, y, radius + 2, (0, 0, 0))
        _disc(whole, x, y, radius, COLOURS[int(kinds[place]) % len(COLOURS)])
    return whole


def _disc(whole: Pixels, x: int, y: int, radius: int, colour: tuple[int, int, int]) -> None:
    top, left = max(0, y - radius), max(0, x - radius)
    rows, columns = np.ogrid[top : y + radius + 1, left : x + radius + 1]
    inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius * radius
    part = whole[top : y + radius + 1, left : x + radius + 1]
    part[inside[: part.shape[0], : part.shape[1]]] = colour
