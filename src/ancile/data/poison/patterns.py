"""Triggers in pictures as the search asks for them: what rows of a class share, and where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.data.poison.candidates import Candidate, evidence, strongest
from ancile.data.poison.patches import LEAST, patch_candidates
from ancile.data.poison.shared import Shared
from ancile.data.poison.signal import Group, Signal
from ancile.data.poison.whitening import Floats
from ancile.data.poison.whole import whole_candidates
from ancile.data.rows import Pictures, Rows
from ancile.numeric import NDArray, np

SAME = 0.25  # of the usual spread of a pixel: below it the pixel belongs to the pattern that is shown
SEEN = 16.0  # grey levels: a smaller spread is not told from none
AROUND = 4  # pixels beyond the window in which the rest of a larger patch is looked for


def patches(rows: Rows, shared: Shared) -> Signal:
    """Rows of one class that are the same in a small part of the picture, and different everywhere else."""
    size = _size(rows)
    found = patch_candidates(shared.pictures, shared.labels, shared.blocks)

    def shown(one: Candidate) -> Shown:
        mask = _mask(shared.pictures.plain, one, size)
        words = f"the same patch of {_extent(mask)} in {len(one.rows)} pictures that differ elsewhere"
        return Shown(words, mask)

    return _signal("patches", shared, found, shown)


def overlays(rows: Rows, shared: Shared) -> Signal:
    """Rows of one class that share a pattern over the whole picture, and not what is on it."""
    size = _size(rows)
    found = whole_candidates(shared.pictures, shared.labels, shared.blocks)

    def shown(one: Candidate) -> Shown:
        words = f"the same pattern over the whole of {len(one.rows)} pictures that differ in what is on them"
        return Shown(words, np.ones(size, np.bool_))

    return _signal("overlays", shared, found, shown)


class Shown(NamedTuple):
    """A pattern for people: in words, and where it stands."""

    words: str
    mask: NDArray[np.bool_]


def _signal(
    name: str, shared: Shared, found: Sequence[Candidate], shown: Callable[[Candidate], Shown]
) -> Signal:
    """A row's score is the evidence of its strongest group."""
    of_blocks = [int(shared.labels[block[0]]) for block in shared.blocks]
    groups: list[Group] = []
    score = np.zeros(len(shared.rows))
    said: dict[int, str] = {}
    for one, proof in strongest(found, evidence(found, of_blocks)):
        words, mask = shown(one)
        groups.append(Group(what=words, rows=one.rows, evidence=proof, label=one.label, mask=mask))
        for row in one.rows[score[one.rows] < proof]:
            said[int(row)] = words
        score[one.rows] = np.maximum(score[one.rows], proof)
    return Signal(name=name, score=score, reason=lambda row: said.get(row, ""), groups=tuple(groups))


def _size(rows: Rows) -> tuple[int, int]:
    """Height and width; AncileError for what is no picture, and where groups of a class fill the picture."""
    if not isinstance(rows.content, Pictures):
        raise AncileError("rows are no pictures", value=f"{len(rows)} rows", remedy="give pictures")
    _, high, wide, _ = rows.content.pixels.shape
    if min(high, wide) < LEAST:
        raise AncileError(
            "pictures are too small to tell a pattern from what is on them",
            value=f"{high} by {wide} pixels",
            remedy=f"give pictures of at least {LEAST} by {LEAST} pixels",
        )
    return high, wide


def _mask(plain: Floats, one: Candidate, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where in the pictures as they were given the pattern stands: what is the same in its rows."""
    top, left, side = one.place
    own = plain[one.rows]
    spread, usual = own.std(axis=0).min(axis=-1), plain.std(axis=0).min(axis=-1)
    shift = np.abs(own.mean(axis=0) - plain.mean(axis=0)).max(axis=-1)
    near = np.zeros(usual.shape, np.bool_)
    near[max(0, top - AROUND) : top + side + AROUND, max(0, left - AROUND) : left + side + AROUND] = True
    small = near & ((spread < SAME * usual) | (shift > 2 * np.maximum(spread, SEEN)))
    if not small.any():
        small[top : top + side, left : left + side] = True
    down = np.minimum(np.arange(size[0]) * small.shape[0] // size[0], small.shape[0] - 1)
    right = np.minimum(np.arange(size[1]) * small.shape[1] // size[1], small.shape[1] - 1)
    return np.asarray(small[down][:, right])


def _extent(mask: NDArray[np.bool_]) -> str:
    down, right = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    high, wide = down[-1] - down[0] + 1, right[-1] - right[0] + 1
    return f"{high} by {wide} pixels at row {down[0]}, column {right[0]}"
