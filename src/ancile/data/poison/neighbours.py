"""The rows most like each row, by the angle between what is left of their features after rotation."""

from __future__ import annotations

from typing import NamedTuple

from ancile.data.rows import Integers
from ancile.numeric import NDArray, np

PARTS = 96  # principal components that are compared: more are noise at some thousand rows
AT_ONCE = 1 << 24  # distances held at a time: 64 MiB


class Neighbours(NamedTuple):
    """rows (n, k) the nearest first; distances (n, k), 0 to 2 of unit vectors."""

    rows: Integers
    distances: NDArray[np.float32]


def neighbours(unit: NDArray[np.float32], most: int) -> Neighbours:
    """Of each unit vector its ``most`` nearest, fewer where there are no more; n^2 * d multiplications."""
    n = len(unit)
    k = min(most, n - 1)
    rows = np.empty((n, k), np.int64)
    distances = np.empty((n, k), np.float32)
    step = max(1, AT_ONCE // max(n, 1))
    for start in range(0, n, step):
        some = slice(start, min(start + step, n))
        near = unit[some] @ unit.T
        near[np.arange(near.shape[0]), np.arange(some.start, some.stop)] = -np.inf
        places = np.argpartition(near, -k, axis=1)[:, -k:] if k else np.empty((near.shape[0], 0), np.int64)
        likeness = np.take_along_axis(near, places, axis=1)
        order = np.argsort(-likeness, axis=1, kind="stable")
        rows[some] = np.take_along_axis(places, order, axis=1)
        distances[some] = np.sqrt(np.maximum(2 - 2 * np.take_along_axis(likeness, order, axis=1), 0))
    return Neighbours(rows, distances)


def directions(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit vectors (n, at most 96) along the principal components, which keep the root of their spread."""
    d = features.shape[1]
    spread, axes = np.linalg.eigh((features.T @ features).astype(np.float64) / max(len(features), 1))
    kept = slice(max(0, d - PARTS), d)
    damp = np.maximum(spread[kept], 1e-6) ** -0.25
    turned = features @ (axes[:, kept] * damp).astype(np.float32)
    length = np.linalg.norm(turned, axis=1, keepdims=True)
    unit: NDArray[np.float32] = turned / np.maximum(length, 1e-9)
    return unit
