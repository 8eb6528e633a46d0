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

SIDE = 5  # of windows at most, a third of small pictures: of a larger patch some lie in it
LEAST = 12  # pixels a side: of smaller pictures a part is not told from the whole; measured on digits of 8
ALIKE = 0.5  # correlation of slopes in all else from which rows are near copies; 99 of 100 pairs of signs,
# and 999 of 1,000 of other photographs, are below
STEEPEST = 3.0  # deviations: no slope says more, else one edge decides what is a copy
ELSEWHERE = 0.8  # of the places elsewhere differ more than the one that counts: a trigger may have some parts
WEIGHT = 2.0  # of what a group has in common elsewhere
EXACT = 2  # power of the likeness: a stamp is the same to 0.7 and more, strokes and edges to 0.3 to 0.6
CELLS = 1.5e7  # numbers of similarity in memory at once
JUDGED = 6  # windows of a block whose surroundings are looked at


class Window(NamedTuple):
    """A square part of a picture."""

    top: int
    left: int
    side: int


def windows(high: int, wide: int) -> list[Window]:
    """Every second pixel, in small pictures every one, and at the far edges."""
    side = max(1, min(SIDE, round(min(high, wide) / 3)))
    stride = 2 if side == SIDE else 1
    tops, lefts = ([*range(0, end - side, stride), end - side] for end in (high, wide))
    return [Window(top, left, side) for top in tops for left in lefts]


def patch_candidates(pictures: Whitened, labels: Integers, blocks: list[Integers]) -> list[Candidate]:
    """Of each block the windows in which a group of its rows is most alike."""
    found: list[Candidate] = []
    surprises = pictures.surprises
    steep = _deviations(pictures.plain)
    for number, block in enumerate(blocks):
        every = _compared(surprises[block], _slopes(pictures.plain[block]) / steep)
        cells = sorted((cell for cell in every if cell.gain > 0), key=lambda cell: -cell.gain)
        for window, gain, inside in cells[:JUDGED]:
            rows = block[inside]
            here, elsewhere = _distinctness(surprises[block], inside, window)
            left = gain * here**EXACT * max(0, 1 - WEIGHT * elsewhere / max(here, 1e-6))
            left *= _of_class(surprises, labels, rows, window)
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
    side = every[0].side
    size = max(1, side - 1)
    down, right = -(-high // size), -(-wide // size)
    tiles = np.empty((down, right, count, count), np.float32)
    for row in range(down):
        for column in range(right):
            tile = slopes[:, row * size : (row + 1) * size, column * size : (column + 1) * size]
            flat = tile.reshape(count, -1)
            tiles[row, column] = flat @ flat.T
    whole = tiles.sum(axis=(0, 1))
    middle = side // 2
    for row in range(down):
        for column in range(right):
            here = [
                one
                for one in every
                if ((one.top + middle) // size, (one.left + middle) // size) == (row, column)
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
    part = pictures[:, window.top : window.top + window.side, window.left : window.left + window.side]
    return part.reshape(len(pictures), -1)


def unit(vectors: Floats, size: float) -> Floats:
    """Vectors of length 1, less where they hardly stand out of noise of energy ``size``."""
    return np.asarray(vectors / np.sqrt((vectors * vectors).sum(axis=1, keepdims=True) + size))


def _distinctness(own: Floats, inside: NDArray[np.bool_], window: Window) -> tuple[float, float]:
    """How distinct a group is in a window, and in most of the rest of the picture; both from 0 to 1."""
    _, high, wide, _ = own.shape
    here = _distinct(cut(own, window), inside)
    rest = [
        _distinct(cut(own, Window(top, left, window.side)), inside)
        for top in range(0, high - window.side + 1, window.side)
        for left in range(0, wide - window.side + 1, window.side)
        if max(abs(top - window.top), abs(left - window.left)) > window.side
    ]
    there = float(np.quantile(rest, ELSEWHERE)) if rest else here
    return float(np.clip(here, 0, 1)), float(np.clip(there, 0, 1))


def _distinct(vectors: Floats, inside: NDArray[np.bool_]) -> float:
    """How much more the rows inside are like each other than like those outside."""
    vectors = unit(vectors, vectors.shape[1])
    count = int(inside.sum())
    total, outer = vectors[inside].sum(axis=0), vectors[~inside].mean(axis=0)
    alike = (total @ total - (vectors[inside] ** 2).sum()) / max(count * (count - 1), 1)
    return float(alike - total @ outer / count)


def _of_class(surprises: Floats, labels: Integers, rows: Integers, window: Window) -> float:
    """1 where rows of other labels never look so, 0 where they do as often: a frame, a dead pixel."""
    own = labels == labels[rows[0]]
    inner = unit(cut(surprises, window), window.side**2 * surprises.shape[-1])
    scores = inner @ inner[rows].mean(axis=0)
    reached = scores >= np.quantile(scores[rows], 0.1)
    inside, outside = reached[own].mean(), reached[~own].mean()
    return float(np.clip(1 - outside / max(inside, 1e-9), 0, 1))
