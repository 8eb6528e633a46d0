"""Rows of a data set as the checks of their content take them, whatever file they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ancile.numeric import NDArray, np

Integers: TypeAlias = NDArray[np.int64]
Reals: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pictures:
    """Images of one size.

    pixels  (n, height, width, channels), channels 1 or 3, 0 to 255
    """

    pixels: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """A table without its column of labels.

    numbers       (n, p), NaN where a cell is empty
    codes         (n, q), the place of each text in ``values`` of its column; -1 where a cell is empty
    number_names  of the p columns of numbers
    code_names    of the q columns of texts
    values        for each of the q columns its different texts
    """

    numbers: Reals
    codes: Integers
    number_names: tuple[str, ...]
    code_names: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Texts:
    """Passages of text, one a row."""

    texts: tuple[str, ...]


Content: TypeAlias = Pictures | Cells | Texts


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """What a data set holds; arrays are read-only.

    content       n rows
    y             (n,) classes from 0, or None where the set has no labels
    classes       their names, in the order of their numbers
    places        (n,) the row of the file, from 0, or the place in ``names``
    names         of rows that are files of their own
    sources       (n,) the place in ``source_names`` of who or what brought each row; None where nobody says
    """

    content: Content
    y: Integers | None
    classes: tuple[str, ...]
    places: Integers
    names: tuple[str, ...] = ()
    sources: Integers | None = None
    source_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.places)
