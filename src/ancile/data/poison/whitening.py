"""Pictures less what pictures of their kind have in common.

Each class is whitened by the covariance of other classes: what was planted under one label is not in the
covariance that judges it, however often it stands there. (Plain whitening hides a pattern that a twentieth
of the rows carry, which is why SPECTRE, Hayase 2021, arXiv:2104.11315, estimates its covariance robustly.)
"""

from __future__ import annotations

from typing import NamedTuple

from ancile.data.rows import Integers
from ancile.numeric import NDArray, np

LARGEST = 32  # side in pixels; larger pictures are averaged down: cost grows with the sixth power of the side
FOLDS = 3  # groups of classes; each is judged by the others
SHRINK = 0.002  # towards the diagonal: enough that rows fewer than pixels give a covariance at all
SMOOTH = 0.05  # the same for single pixels, whose predictions are else fitted to noise
FLOOR = 4.0  # variance that every pixel has: a deviation of two of 255 says nothing
CLIP = 6.0  # deviations: a single pixel never decides alone

Floats = NDArray[np.float32]


class Whitened(NamedTuple):
    """Pictures of n rows in deviations.

    plain      (n, h, w, c) less the median of all, in grey levels
    surprises  (n, h, w, c) each pixel less what all other pixels of its channel let expect
    flat       (n, h*w*c) with the identity as covariance
    """

    plain: Floats
    surprises: Floats
    flat: Floats


def smaller(pixels: NDArray[np.uint8]) -> Floats:
    """Pictures of at most LARGEST pixels a side, by averages of blocks; a part of a block is left out."""
    _, height, width, _ = pixels.shape
    block = -(-max(height, width) // LARGEST)
    if block == 1:
        return pixels.astype(np.float32)
    high, wide = max(1, height // block), max(1, width // block)
    down, right = min(block, height), min(block, width)
    cut = pixels[:, : high * down, : wide * right]
    shape = (len(cut), high, down, wide, right, cut.shape[-1])
    return np.asarray(cut.reshape(shape).mean(axis=(2, 4), dtype=np.float32))


def whitened(pixels: NDArray[np.uint8], labels: Integers) -> Whitened:
    """Pictures (n, height, width, channels) with at least two labels, whitened fold by fold.

    Cost: for each fold and channel a decomposition of (h*w)^2; the same answer each time.
    """
    plain = smaller(pixels)
    plain -= np.median(plain, axis=0)
    count, high, wide, channels = plain.shape
    surprises = np.empty_like(plain)
    flat = np.empty((count, channels, high * wide), np.float32)
    fold = folds(labels)
    for channel in range(channels):
        layer = np.ascontiguousarray(plain[..., channel].reshape(count, -1))
        inner = _within(layer, labels)
        whole = inner.T @ inner
        for one in np.unique(fold):
            own = fold == one
            rest = (whole - inner[own].T @ inner[own]).astype(np.float64) / max(1, np.sum(~own))
            flat[own, channel] = layer[own] @ _root(rest, SHRINK)
            surprises[own, :, :, channel] = (layer[own] @ _expecting(rest, SMOOTH)).reshape(-1, high, wide)
    np.clip(surprises, -CLIP, CLIP, out=surprises)
    np.clip(flat, -CLIP, CLIP, out=flat)
    return Whitened(plain, surprises, flat.reshape(count, -1))


def _within(layer: Floats, labels: Integers) -> Floats:
    """Rows less the median of their class."""
    inner = layer.copy()
    for label in np.unique(labels):
        own = labels == label
        inner[own] -= np.median(inner[own], axis=0)
    return inner


def _shrunk(covariance: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    own = np.diag(covariance).copy()
    shrunk = covariance * (1 - share)
    shrunk[np.diag_indices(len(shrunk))] += share * own + FLOOR
    return shrunk


def _root(covariance: NDArray[np.float64], share: float) -> Floats:
    """(d, d) what makes the identity of it."""
    return np.linalg.inv(np.linalg.cholesky(_shrunk(covariance, share))).T.astype(np.float32)


def _expecting(covariance: NDArray[np.float64], share: float) -> Floats:
    """(d, d) what leaves of each pixel its error of prediction from all others, in deviations."""
    inverse = np.linalg.inv(_shrunk(covariance, share))
    return np.asarray((inverse / np.sqrt(np.diag(inverse))).astype(np.float32))


def folds(labels: Integers) -> Integers:
    """The fold of each row: a class lies in one; the largest are dealt first, to the smallest fold."""
    classes, sizes = np.unique(labels, return_counts=True)
    many = min(FOLDS, len(classes))
    held = np.zeros(many, np.int64)
    fold = np.zeros(int(labels.max()) + 1, np.int64)
    for at in np.argsort(-sizes, kind="stable"):
        fold[classes[at]] = held.argmin()
        held[held.argmin()] += sizes[at]
    return np.asarray(fold[labels])
