"""Pictures as what their patches look like, pooled over the quarters: Coates, Ng, Lee, AISTATS 2011.

Patches are normalised and whitened; the filters are drawn from the patches themselves, which the paper finds
close to the best dictionaries, and an answer is how far it is above a threshold (Coates and Ng, ICML 2011).
"""

from __future__ import annotations

from ancile.numeric import NDArray, np

SIDE = 6  # pixels of a patch: section 4.5 finds small ones best
FILTERS = 64  # each with both signs, in four quarters: 512 columns
DRAWN = 20_000  # patches that the filters and the whitening come from
LARGEST = 48  # pixels of a side: larger pictures are averaged down to this or less
THRESHOLD = 0.5  # of an answer, in standard deviations: section 4 of the second paper finds 0.25 to 0.5 good
SOFT = 10.0  # added to the variance of a patch in grey levels, so that flat patches stay flat: section 3.1
AT_ONCE = 128  # pictures


def patch_features(small: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """(n, 512) roots of the answers of filters in the quarters of each picture, linear in n."""
    side = min(SIDE, small.shape[1], small.shape[2])
    filters, offset = dictionary(small, rng, side)
    n = len(small)
    found = np.empty((n, 8 * filters.shape[1]), np.float32)
    for start in range(0, n, AT_ONCE):
        some = small[start : start + AT_ONCE]
        found[start : start + AT_ONCE] = pooled(some, filters, offset, side)
    return found


def smaller(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pictures whose sides are at most 48, by the mean of blocks."""
    n, high, wide, depth = pixels.shape
    step = max(1, -(-max(high, wide) // LARGEST))
    if step == 1:
        return pixels.astype(np.float32)
    rows, columns = max(1, high // step), max(1, wide // step)
    found = np.empty((n, rows, columns, depth), np.float32)
    up, across = min(step, high), min(step, wide)
    for start in range(0, n, AT_ONCE):
        some = pixels[start : start + AT_ONCE, : rows * up, : columns * across].astype(np.float32)
        found[start : start + AT_ONCE] = some.reshape(-1, rows, up, columns, across, depth).mean(axis=(2, 4))
    return found


def dictionary(
    small: NDArray[np.float32], rng: np.random.Generator, side: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Filters (side * side * channels, 64) for normalised patches, and what their answers have to be less."""
    n, high, wide, _ = small.shape
    who = rng.integers(0, n, DRAWN)
    top, left = rng.integers(0, high - side + 1, DRAWN), rng.integers(0, wide - side + 1, DRAWN)
    steps = np.arange(side)
    drawn = small[who[:, None, None], (top[:, None] + steps)[:, :, None], (left[:, None] + steps)[:, None, :]]
    patches = normal(drawn.reshape(DRAWN, -1))
    mean = patches.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(patches.T).reshape(patches.shape[1], -1).astype(np.float64))
    whiten = ((axes / np.sqrt(np.maximum(spread, 0) + 0.1)) @ axes.T).astype(np.float32)
    white = (patches - mean) @ whiten
    chosen = white[rng.permutation(DRAWN)[:FILTERS]]
    chosen = chosen / np.maximum(np.linalg.norm(chosen, axis=1, keepdims=True), 1e-6)
    filters: NDArray[np.float32] = whiten @ chosen.T
    offset: NDArray[np.float32] = mean @ filters
    return filters, offset


def normal(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each patch with mean 0 and, where it is not flat, variance 1."""
    middle = patches - patches.mean(axis=-1, keepdims=True)
    scaled: NDArray[np.float32] = middle / np.sqrt(middle.var(axis=-1, keepdims=True) + SOFT)
    return scaled


def pooled(
    some: NDArray[np.float32], filters: NDArray[np.float32], offset: NDArray[np.float32], side: int
) -> NDArray[np.float32]:
    """(pictures, 8 * filters) the root of the mean answer of both signs in each quarter."""
    windows = np.lib.stride_tricks.sliding_window_view(some, (side, side), axis=(1, 2))
    m, down, across = windows.shape[:3]
    patches = np.moveaxis(windows, 3, 5).reshape(m * down * across, -1)
    answers = (normal(patches) @ filters - offset).reshape(m, down, across, -1)
    signed = np.concatenate([answers, -answers], axis=3)
    signed -= THRESHOLD
    np.maximum(signed, 0, out=signed)
    halves = [
        (slice(0, -(-down // 2)), slice(down // 2, None)),
        (slice(0, -(-across // 2)), slice(across // 2, None)),
    ]
    parts = [signed[:, up, side_].mean(axis=(1, 2)) for up in halves[0] for side_ in halves[1]]
    found: NDArray[np.float32] = np.sqrt(np.hstack(parts))
    return found
