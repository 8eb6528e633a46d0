"""Patches: rows of one class that are the same at one place and different everywhere else.

BadNets (Gu 2017, arXiv:1708.06733). What surprises in a picture (a pixel less what its neighbours let
expect) is compared between rows of a class, window by window. A trigger is the same surprise in rows that
have nothing else in common; near copies, which are alike everywhere, are not compared, and what goes on
beyond the window is a stroke or an edge, and no patch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ancile.data.poison.candidates import Candidate
from ancile.data.poison.cliques import cliques
from ancile.data.poison.whitening import FLOOR, Floats, Whitened
from ancile.data.rows import Integers
from ancile.numeric import NDArray, np

SIDE, STRIDE = 5, 2  # of windows: every patch of up to 4 pixels lies in one, a larger one covers some
ALIKE = 0.5  # correlation of slopes in all else from which rows are near copies; 99 of 100 pairs of signs,
# and 999 of 1,000 of other photographs, are below
STEEPEST = 3.0  # deviations: no slope says more, else one edge decides what is a copy
TILE = 4  # pixels: what lies within the 3 by 3 tiles around a window is not "all else"
GAP, RING = 2, 5  # pixels beyond a window: from where to where its surroundings are looked at
CELLS = 1.5e7  # numbers of similarity in memory at once
JUDGED = 6  # windows of a block whose surroundings are looked at


class Window(NamedTuple):
    """A square part of a picture."""

    top: int
    left: int


def windows(high: int, wide: int) -> list[Window]:
    """Every STRIDE pixels, and at the far edges."""
    side = min(SIDE, high, wide)
    return [Window(top, left) for top in _starts(high - side) for left in _starts(wide - side)]


def _starts(last: int) -> list[int]:
    return sorted({*range(0, last + 1, STRIDE), last})


def patch_candidates(pictures: Whitened, labels: Integers, blocks: list[Integers]) -> list[Candidate]:
    """Of each block the windows in which a group of its rows is most alike."""
    found: list[Candidate] = []
    surprises = pictures.surprises
    steep = _deviations(pictures.plain)
    for number, block in enumerate(blocks):
        cells = sorted(
            _compared(surprises[block], _slopes(pictures.plain[block]) / steep), key=lambda cell: -cell.gain
        )
        for window, gain, inside in cells[:JUDGED]:
            rows = block[inside]
            left = gain * _local(surprises[rows], window) * _of_class(surprises, labels, rows, window)
            if left > 0:
                label = int(labels[block[0]])
                found.append(Candidate(gain=left, rows=rows, block=number, label=label, place=window))
    return found


class Cell(NamedTuple):
    """The most distinct group of a window."""

    window: Window
    gain: float
    inside: NDArray[np.bool_]


def _compared(own: Floats, slopes: Floats) -> Iterator[Cell]:
    """Each window of the pictures of a block."""
    count, high, wide, _ = own.shape
    step = max(1, int(CELLS / count**2))
    for apart, some in _neighbourhoods(np.clip(slopes, -STEEPEST, STEEPEST), windows(high, wide)):
        for start in range(0, len(some), step):
            part = some[start : start + step]
            cut = cliques(_similarities(own, part) * apart, apart)
            for at, window in enumerate(part):
                yield Cell(window, float(cut.gain[at]), cut.inside[at])


def _slopes(plain: Floats) -> Floats:
    """Steps to the next pixel, across and down (n, h, w, 2 * channels): they reach one pixel far."""
    channels = plain.shape[-1]
    slopes = np.zeros((*plain.shape[:-1], 2 * channels), np.float32)
    slopes[:, :, :-1, :channels] = np.diff(plain, axis=2)
    slopes[:, :-1, :, channels:] = np.diff(plain, axis=1)
    return slopes


def _deviations(plain: Floats) -> Floats:
    """Of the slopes of all rows."""
    total = sum((_slopes(part) ** 2).sum(axis=0) for part in np.array_split(plain, -(-len(plain) // 1000)))
    return np.asarray(np.sqrt(total / len(plain) + FLOOR), np.float32)


def _neighbourhoods(slopes: Floats, every: list[Window]) -> Iterator[tuple[Floats, list[Window]]]:
    """Windows with the same surroundings, and (1, n, n) which rows are not alike outside of these."""
    count, high, wide, _ = slopes.shape
    down, right = -(-high // TILE), -(-wide // TILE)
    tiles = np.empty((down, right, count, count), np.float32)
    for row in range(down):
        for column in range(right):
            tile = slopes[:, row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
            flat = tile.reshape(count, -1)
            tiles[row, column] = flat @ flat.T
    whole = tiles.sum(axis=(0, 1))
    middle = SIDE // 2
    for row in range(down):
        for column in range(right):
            here = [
                one
                for one in every
                if ((one.top + middle) // TILE, (one.left + middle) // TILE) == (row, column)
            ]
            if here:
                near = tiles[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].sum(axis=(0, 1))
                beyond = whole - near
                length = np.sqrt(np.maximum(np.diag(beyond), 1e-3))
                apart = (beyond < ALIKE * length[:, None] * length).astype(np.float32)
                np.fill_diagonal(apart, 0)
                yield apart[None], here


def _similarities(own: Floats, some: list[Window]) -> Floats:
    inner = np.stack([cut(own, window) for window in some])
    alike = inner @ inner.transpose(0, 2, 1)
    length = np.sqrt(np.einsum("wii->wi", alike) + inner.shape[2])
    alike /= length[:, :, None]
    alike /= length[:, None, :]
    return np.asarray(alike)


def cut(pictures: Floats, window: Window) -> Floats:
    """The pixels of a window (n, side*side*channels)."""
    part = pictures[:, window.top : window.top + SIDE, window.left : window.left + SIDE]
    return part.reshape(len(pictures), -1)


def unit(vectors: Floats, size: float) -> Floats:
    """Vectors of length 1, less where they hardly stand out of noise of energy ``size``."""
    return np.asarray(vectors / np.sqrt((vectors * vectors).sum(axis=1, keepdims=True) + size))


def _mean_likeness(vectors: Floats) -> float:
    """Of different rows."""
    total = vectors.sum(axis=0)
    count = len(vectors)
    return float((total @ total - (vectors * vectors).sum()) / max(count * (count - 1), 1))


def _local(own: Floats, window: Window) -> float:
    """1 where rows have nothing in common around the window, 0 where they are as alike there as in it."""
    count, _, _, channels = own.shape
    top, left = max(0, window.top - RING), max(0, window.left - RING)
    around = own[:, top : window.top + SIDE + RING, left : window.left + SIDE + RING].copy()
    first, second = max(0, window.top - GAP), max(0, window.left - GAP)
    around[
        :, first - top : window.top + SIDE + GAP - top, second - left : window.left + SIDE + GAP - left
    ] = 0
    size = SIDE * SIDE * channels
    inner = _mean_likeness(unit(cut(own, window), size))
    outer = _mean_likeness(unit(around.reshape(count, -1), size))
    return float(np.clip(1 - outer / max(inner, 1e-6), 0, 1))


def _of_class(surprises: Floats, labels: Integers, rows: Integers, window: Window) -> float:
    """1 where rows of other labels never look so, 0 where they do as often: a frame, a dead pixel."""
    own = labels == labels[rows[0]]
    inner = unit(cut(surprises, window), SIDE * SIDE * surprises.shape[-1])
    scores = inner @ inner[rows].mean(axis=0)
    reached = scores >= np.quantile(scores[rows], 0.1)
    inside, outside = reached[own].mean(), reached[~own].mean()
    return float(np.clip(1 - outside / max(inside, 1e-9), 0, 1))
