"""Where rows lie beside each other: their features along the directions in which most rows differ."""

from __future__ import annotations

from ancile.numeric import NDArray, np

PARTS = 96  # principal components that are compared: more are noise at some thousand rows


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
