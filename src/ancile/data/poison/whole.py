"""Patterns over whole pictures: blended ones and waves, which no part of the picture shows.

Blended patterns (Chen 2017, arXiv:1712.05526) and waves (SIG: Barni 2019, arXiv:1902.11237) are compared
between the rows of a class in pictures whitened by other classes, where what is faint but the same over a
thousand pixels is far from what pictures are.
"""

from __future__ import annotations

from ancile.data.poison.candidates import Candidate
from ancile.data.poison.cliques import cliques
from ancile.data.poison.whitening import Floats, Whitened
from ancile.data.rows import Integers
from ancile.numeric import NDArray, np

COPY = 0.8  # correlation of pictures from which they are near copies and not compared
PART = 0.2  # of a block: from here it is asked which of the two parts is the class
MORE = 1.25  # times as varied: what was brought together from all classes, beside the class
SCENE = 2  # rows of a group that may be frames of one scene and say nothing
COARSE = 8  # side of the pictures in which variety is judged


def whole_candidates(pictures: Whitened, labels: Integers, blocks: list[Integers]) -> list[Candidate]:
    """Of each block the group of rows most alike in the whitened picture, and in what surprises in it."""
    coarse = coarser(pictures.plain)
    found: list[Candidate] = []
    for view, numbers in enumerate((pictures.flat, pictures.surprises.reshape(len(labels), -1))):
        size = np.maximum(np.linalg.norm(numbers, axis=1, keepdims=True), 1e-6)
        for number, block in enumerate(blocks):
            apart = _apart(pictures.plain[block])
            part = numbers[block] / size[block]
            cut = cliques((part @ part.T)[None] * apart, apart)
            if cut.gain[0] <= 0:
                continue
            rows = _planted(block, cut.inside[0], coarse)
            gain = float(cut.gain[0]) * _spread(pictures.plain, rows, block)
            gain *= _of_class(numbers, size, labels, rows) * (1 - SCENE / len(rows))
            label = int(labels[block[0]])
            found.append(Candidate(gain=gain, rows=rows, block=number, label=label, place=(view,)))
    return found


def _apart(own: Floats) -> Floats:
    """(1, n, n): 1 where pictures are no near copies."""
    flat = own.reshape(len(own), -1)
    flat = flat - flat.mean(axis=0)
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    apart = (flat @ flat.T < COPY).astype(np.float32)
    np.fill_diagonal(apart, 0)
    return np.asarray(apart[None])


def coarser(plain: Floats) -> Floats:
    """(n, d) pictures of COARSE pixels a side: what is on them, without what is finely drawn, of length 1."""
    count, high, wide, _ = plain.shape
    down = np.linspace(0, high, min(COARSE, high) + 1).astype(int)[:-1]
    right = np.linspace(0, wide, min(COARSE, wide) + 1).astype(int)[:-1]
    small = np.add.reduceat(np.add.reduceat(plain, down, axis=1), right, axis=2).reshape(count, -1)
    return np.asarray(small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6))


def _planted(block: Integers, inside: NDArray[np.bool_], coarse: Floats) -> Integers:
    """Of two parts of a class the one that is not the class, where either could be: the more varied one."""
    rows, rest = block[inside], block[~inside]
    if len(rows) >= PART * len(block) and _variety(coarse[rest]) > MORE * _variety(coarse[rows]):
        return rest
    return rows


def _variety(vectors: Floats) -> float:
    """0 where vectors of length 1 are one, 1 where they point everywhere."""
    mean = vectors.mean(axis=0)
    return float(1 - mean @ mean)


def _of_class(numbers: Floats, size: Floats, labels: Integers, rows: Integers) -> float:
    """1 where rows of other labels never look so, 0 where they do as often."""
    own = labels == labels[rows[0]]
    scores = numbers @ (numbers[rows] / size[rows]).mean(axis=0) / size[:, 0]
    reached = scores >= np.quantile(scores[rows], 0.1)
    return float(np.clip(1 - reached[~own].mean() / max(float(reached[own].mean()), 1e-9), 0, 1))


def _spread(plain: Floats, rows: Integers, block: Integers) -> float:
    """How far apart the rows of a group are, beside those of their class; at most 1."""
    inner = plain[rows].var(axis=0).sum() * len(rows) / max(len(rows) - 1, 1)
    return float(np.clip(inner / max(float(plain[block].var(axis=0).sum()), 1e-6), 0, 1))
