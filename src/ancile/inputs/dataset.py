"""Labelled inputs, checked, with the digest of where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.subject import Subject
from ancile.inputs.faults import raise_faults
from ancile.inputs.labels import Labels, labels, misplaced
from ancile.inputs.values import Bounds, Edge, Floats, Kind, Units, Values, values
from ancile.numeric import NDArray, np

REMEDY = "mend these in the file"


class Draw(NamedTuple):
    """Samples drawn from a data set, in the order of the draw.

    indices  (n,) places in the data set
    rows     (n,) rows of the file, counted from 0 without a header line
    x, y     (n, *shape) float32, (n,) int64
    """

    indices: NDArray[np.int64]
    rows: NDArray[np.int64]
    x: Floats
    y: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Labelled inputs in their own units and layout; arrays are read-only.

    x          (n, *shape) float32, finite, within ``low`` and ``high``
    y          (n,) int64, classes from 0
    rows       (n,) int64, the row of the file that each sample is
    low, high  scalars, or one value a feature, broadcastable to a sample
    scale      range of each feature where the bounds are the data's own, else None
    features   names of the columns of a table
    classes    names of the classes in the order of their numbers
    notes      what was done to the data on the way in
    doubts     what was assumed; each weakens a figure that rests on it and is worth a WARN
    units      ``8-bit`` where pictures that are usually divided by 255 were not: eps means another thing then
    """

    subject: Subject
    x: Floats
    y: NDArray[np.int64]
    rows: NDArray[np.int64]
    low: Edge
    high: Edge
    scale: Floats | None = None
    kind: Kind
    features: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    units: Units = "data"

    def __len__(self) -> int:
        return len(self.y)

    def draw(self, n: int | None, *, seed: int) -> Draw:
        """``n`` samples at random without replacement, all where ``n`` is None or no less than there are.

        The order is random too, so that any first part of a draw is a fair sample, and a larger draw of the
        same seed begins with the smaller. Places follow from ranks of raw Philox words (Salmon et al. 2011),
        whose stream numpy keeps between versions.
        """
        if seed < 0 or (n is not None and n < 1):
            raise AncileError(
                "samples cannot be drawn",
                value=f"n={n}, seed={seed}",
                remedy="give n of at least 1 and a seed of at least 0",
            )
        words = np.random.Philox(key=seed % (1 << 128)).random_raw(len(self))
        indices = np.argsort(words, kind="stable")[:n].astype(np.int64)
        return Draw(indices, self.rows[indices], self.x[indices], self.y[indices])

    def require_classes(self, classes: int) -> None:
        """An error where a label is none of a model's ``classes`` classes."""
        fault = misplaced(self.y, classes)
        raise_faults([fault] if fault else [], remedy="number the classes as the model does, from 0")


def assemble(
    subject: Subject,
    *,
    x: NDArray[np.generic],
    y: NDArray[np.generic] | Labels,
    bounds: Bounds | None,
    kind: Kind | None = None,
    rows: NDArray[np.int64] | None = None,
    features: tuple[str, ...] | None = None,
    classes: tuple[str, ...] | None = None,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """The data set of raw arrays; all that is wrong with either is told in one error."""
    if not (x.ndim and x.size):
        raise_faults(
            [f"it is empty: x of shape {x.shape}"], remedy="give at least one sample of at least one value"
        )
    inputs, truth = values(x, kind=kind, bounds=bounds), y if isinstance(y, Labels) else labels(y)
    raise_faults(_faults(inputs, truth, samples=len(x), classes=classes), remedy=REMEDY)
    places = np.arange(len(truth.y), dtype=np.int64) if rows is None else rows
    for array in (inputs.x, truth.y, places):
        array.setflags(write=False)
    return Dataset(
        subject=subject,
        x=inputs.x,
        y=truth.y,
        rows=places,
        low=inputs.low,
        high=inputs.high,
        scale=inputs.scale,
        kind=inputs.kind,
        features=features,
        classes=truth.classes or classes,
        notes=(*notes, *inputs.notes, *truth.notes),
        doubts=inputs.doubts,
        units=inputs.units,
    )


def _faults(inputs: Values, truth: Labels, *, samples: int, classes: tuple[str, ...] | None) -> list[str]:
    faults = [*inputs.faults, *truth.faults]
    if not truth.faults and samples != len(truth.y):
        faults.append(f"x has {samples} samples, y has {len(truth.y)}")
    beyond = misplaced(truth.y, len(classes)) if classes else None
    return [*faults, beyond] if beyond else faults
