"""Triggers in pictures as the search asks for them: what rows of a class share, and where."""

from __future__ import annotations

from collections.abc import Sequence

from ancile.core.errors import AncileError
from ancile.data.poison.candidates import Candidate, evidence, strongest
from ancile.data.poison.patches import SIDE, patch_candidates
from ancile.data.poison.shared import Shared
from ancile.data.poison.signal import Group, Signal
from ancile.data.poison.whitening import Floats
from ancile.data.rows import Pictures, Rows
from ancile.numeric import NDArray, np

SAME = 0.25  # of the usual spread of a pixel: below it the pixel belongs to the pattern that is shown
AROUND = 4  # pixels beyond the window in which the rest of a larger patch is looked for


def patches(rows: Rows, shared: Shared) -> Signal:
    """Rows of one class that are the same in a small part of the picture, and different everywhere else."""
    pictures = shared.pictures
    found = patch_candidates(pictures, shared.labels, shared.blocks)
    return _signal("patches", rows, shared, found)


def _signal(name: str, rows: Rows, shared: Shared, found: Sequence[Candidate]) -> Signal:
    """A row's score is the evidence of its strongest group."""
    of_blocks = [int(shared.labels[block[0]]) for block in shared.blocks]
    groups: list[Group] = []
    score = np.zeros(len(rows))
    said: dict[int, str] = {}
    for one, proof in strongest(found, evidence(found, of_blocks)):
        mask = _mask(shared.pictures.plain, one, _size(rows))
        what = f"the same patch of {_extent(mask)} in {len(one.rows)} pictures that differ elsewhere"
        groups.append(Group(what=what, rows=one.rows, evidence=proof, label=one.label, mask=mask))
        for row in one.rows[score[one.rows] < proof]:
            said[int(row)] = what
        score[one.rows] = np.maximum(score[one.rows], proof)
    return Signal(name=name, score=score, reason=lambda row: said.get(row, ""), groups=tuple(groups))


def _size(rows: Rows) -> tuple[int, int]:
    if not isinstance(rows.content, Pictures):
        raise AncileError("rows are no pictures", value=f"{len(rows)} rows", remedy="give pictures")
    return rows.content.pixels.shape[1], rows.content.pixels.shape[2]


def _mask(plain: Floats, one: Candidate, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where in the pictures as they were given the pattern stands: what is the same in its rows."""
    own = plain[one.rows]
    spread, usual = own.std(axis=0).min(axis=-1), plain.std(axis=0).min(axis=-1)
    shift = np.abs(own.mean(axis=0) - plain.mean(axis=0)).max(axis=-1)
    near = np.zeros(usual.shape, np.bool_)
    top, left = (max(0, start - AROUND) for start in one.place)
    near[top : one.place[0] + SIDE + AROUND, left : one.place[1] + SIDE + AROUND] = True
    small = near & ((spread < SAME * usual) | (shift > 2 * np.maximum(spread, 4 / SAME)))
    if not small.any():
        small[one.place[0] : one.place[0] + SIDE, one.place[1] : one.place[1] + SIDE] = True
    down = np.minimum(np.arange(size[0]) * small.shape[0] // size[0], small.shape[0] - 1)
    right = np.minimum(np.arange(size[1]) * small.shape[1] // size[1], small.shape[1] - 1)
    return np.asarray(small[down][:, right])


def _extent(mask: NDArray[np.bool_]) -> str:
    down, right = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    high, wide = down[-1] - down[0] + 1, right[-1] - right[0] + 1
    return f"{high} by {wide} pixels at row {down[0]}, column {right[0]}"
