"""Answers that change when the input is made coarser: Xu, Evans and Qi, NDSS 2018, arXiv:1704.01155.

Two squeezers: fewer bits of each value, and for images a median over 3x3 pixels. The largest L1 distance
between the plain answer's probabilities and a squeezed one's is ranked among those of the reference set. An
attacker who knows the squeezers gets past them (He et al., WOOT 2017): this raises his cost, no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np
from ancile.serve.ranks import Ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW = 3  # pixels
LEAST_PIXELS = 8  # of an image's sides
MIDDLE = 4
# After these, the smaller to the left each time, the middle of nine stands in its place: Smith, "Implementing
# median filters in XC4000E FPGAs", XCell 23, 1996.
EXCHANGES = """
    12 45 78 01 34 67 12 45 78 03 58 47 36 14 25 47 42 64 42
""".split()  # noqa: SIM905 - nineteen pairs in one line


class Squeezing(NamedTuple):
    """How a sample is squeezed, and how much answers of benign ones change.

    low, step  of each value's grid
    axes       of the pixels within a sample; none where it is no image
    """

    low: NDArray[np.floating]
    step: NDArray[np.floating]
    axes: tuple[int, ...]
    ranks: Ranks

    @property
    def copies(self) -> int:
        """Squeezed forms of a sample."""
        return 2 if self.axes else 1

    def forms(self, sample: NDArray[np.floating]) -> NDArray[np.floating]:
        """(copies, *shape) of a sample."""
        coarse = self.low + np.rint((sample - self.low) / self.step) * self.step
        found = [coarse, _median(sample, self.axes)] if self.axes else [coarse]
        return np.array(found, sample.dtype)


def squeezing_of(x: NDArray[np.floating], *, bits: int) -> Squeezing:
    """The squeezers for samples like ``x``, (n, *shape), without ranks."""
    low, high = x.min(axis=0), x.max(axis=0)
    step = np.where(high > low, (high - low) / (2**bits - 1), 1.0)
    return Squeezing(low, step, _pixels(x.shape[1:]), Ranks((), 0.0))


def disagreement(plain: NDArray[np.floating], squeezed: NDArray[np.floating]) -> float:
    """The largest L1 distance, 0 to 2, of rows of ``squeezed`` probabilities to the plain ones."""
    return float(np.abs(squeezed - plain).sum(axis=1).max())


def _pixels(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The two axes of an image, channels first or last or none."""
    if len(shape) == 2 and min(shape) >= LEAST_PIXELS:
        return (0, 1)
    if len(shape) == 3:
        axes = (1, 2) if shape[0] <= shape[-1] else (0, 1)
        if min(shape[axis] for axis in axes) >= LEAST_PIXELS:
            return axes
    return ()


def _median(sample: NDArray[np.floating], axes: tuple[int, ...]) -> NDArray[np.floating]:
    """Of each pixel and its eight neighbours, by exchanges of whole planes: a fifth of what sorting costs."""
    widths = [(1, 1) if axis in axes else (0, 0) for axis in range(sample.ndim)]
    padded = np.pad(sample, widths, mode="edge")
    planes = []
    for down in range(WINDOW):
        for right in range(WINDOW):
            place = [slice(None)] * sample.ndim
            for axis, start in zip(axes, (down, right), strict=True):
                place[axis] = slice(start, start + sample.shape[axis])
            planes.append(padded[tuple(place)])
    for low, high in (map(int, pair) for pair in EXCHANGES):
        planes[low], planes[high] = (
            np.minimum(planes[low], planes[high]),
            np.maximum(planes[low], planes[high]),
        )
    return planes[MIDDLE]
