"""Pictures as the directions in which their brightness changes, cell by cell: Dalal and Triggs, CVPR 2005.

Signed directions, the strongest channel, and the energy of the cells around as measure, so that light and
contrast of the picture do not count.
"""

from __future__ import annotations

from ancile.numeric import NDArray, np

CELLS = 8  # along a side
BINS = 8  # directions around the circle
CLIPPED = 0.5  # share of one direction in the energy around: section 6.4 clips at 0.2 of the whole block
FLAT = 0.01  # energy that a cell without any change is measured by
AT_ONCE = 512  # pictures


def gradient_features(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, at most some 650) of pictures (n, high, wide, channels) from 0 to 255, linear in n."""
    n, high, wide, _ = small.shape
    cell = max(1, max(high, wide) // CELLS)
    found = np.zeros((n, (high // cell) * (wide // cell) * BINS), np.float32)
    for start in range(0, n, AT_ONCE):
        strength, angle = gradients(np.sqrt(small[start : start + AT_ONCE] / 255))
        found[start : start + AT_ONCE] = histograms(strength, angle, cell)
    return found


def gradients(light: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Strength and angle (0 to 8, in bins) of the change at each pixel, in the strongest channel."""
    down, across = np.zeros_like(light), np.zeros_like(light)
    down[:, 1:-1] = light[:, 2:] - light[:, :-2]
    across[:, :, 1:-1] = light[:, :, 2:] - light[:, :, :-2]
    each = np.hypot(down, across)
    channel = each.argmax(axis=-1)[..., None]
    steep, side = (np.take_along_axis(part, channel, axis=-1)[..., 0] for part in (down, across))
    angle = (np.arctan2(steep, side) % (2 * np.pi) * (BINS / (2 * np.pi))).astype(np.float32)
    strength: NDArray[np.float32] = np.take_along_axis(each, channel, axis=-1)[..., 0]
    return strength, angle


def histograms(strength: NDArray[np.float32], angle: NDArray[np.float32], cell: int) -> NDArray[np.float32]:
    """Strength by direction in each cell, in shares of the energy of the cell and the eight around it."""
    m, high, wide = strength.shape
    down, across = high // cell, wide // cell
    lower = np.floor(angle)
    upper_share = angle - lower
    found = np.zeros((m, down, across, BINS), np.float32)
    for one in range(BINS):
        share = np.where(lower % BINS == one, 1 - upper_share, 0) + np.where(
            (lower + 1) % BINS == one, upper_share, 0
        )
        part = (strength * share)[:, : down * cell, : across * cell]
        found[..., one] = part.reshape(m, down, cell, across, cell).sum(axis=(2, 4))
    energy = np.pad(np.square(found).sum(axis=-1), ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = sum(energy[:, i : i + down, j : j + across] for i in range(3) for j in range(3)) / 9
    shares: NDArray[np.float32] = np.minimum(found / np.sqrt(around + FLAT)[..., None], CLIPPED)
    return shares.reshape(m, -1)
