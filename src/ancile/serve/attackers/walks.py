"""Walks along a decision boundary, each a plain function that asks until its target is spent.

All move in the attacker's units and draw a proposal again, a little farther away, where the disguise says
that it would be noticed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

from ancile.numeric import np
from ancile.serve.attackers.target import Spent, Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Point = NDArray[np.float32]

Rng = np.random.Generator
REDRAWN = 6  # proposals until one passes; then the last is asked, or nothing would come of it
WIDER = 1.25  # of the radius, for each of them
BISECTED = 0.01  # of the way: where a naive search for the boundary ends
ANGLES = (0.5, 0.25, 0.12)  # of circles, in radians, to both sides
LAST_ANGLE = -ANGLES[-1]  # which is asked in any case, or nothing would come of it
PROBES = 20  # of the first estimate of a gradient; HopSkipJump's 100 is for images of 3 x 224 x 224


def bisect(target: Target, outside: Point) -> Point:
    """An example near the boundary, on the way from one that fools the model to the sample."""
    low, high = 0.0, 1.0
    while high - low > BISECTED:
        middle = (low + high) / 2
        point = _between(target, outside, middle)
        if target.disguise.adaptive and not target.passes(point):
            break
        if target.fooled(point):
            low = middle
        else:
            high = middle
    target.reached_boundary()
    return _between(target, outside, low)


def _between(target: Target, outside: Point, share: float) -> Point:
    return (outside + np.float32(share) * (target.origin - outside)).astype(np.float32)


def _drawn(target: Target, make: Callable[[float], Point], radius: float) -> Point:
    """A proposal at about that radius that passes."""
    point = make(radius)
    for _ in range(REDRAWN):
        if target.passes(point):
            break
        radius *= WIDER
        point = make(radius)
    return point


def hopskipjump(target: Target, start: Point, rng: Rng) -> None:
    """Chen, Jordan, Wainwright, S&P 2020, arXiv:1904.02144, in L2."""
    best = bisect(target, start)
    for turn in count(1):
        distance = target.distance(best)
        gradient = _estimate(target, best, rng, probes=int(PROBES * math.sqrt(turn)))
        step = distance / math.sqrt(turn)
        while step > 1e-4 * distance:
            point = best + np.float32(step) * gradient
            if target.fooled(point):
                best = point
                break
            step /= 2
        best = bisect(target, best)


def _estimate(target: Target, best: Point, rng: Rng, *, probes: int) -> Point:
    """The direction in which more answers change, by its answers around a point."""
    directions, signs = [], []
    centre, radius = best, 0.05 * target.distance(best) + 1e-6

    def around(size: float) -> Point:
        return (centre + np.float32(size) * _unit(rng, len(centre))).astype(np.float32)

    for _ in range(probes):
        point = _drawn(target, around, radius)
        directions.append(point - best)
        signs.append(1.0 if target.fooled(point) else -1.0)
    weights = np.array(signs, np.float32)
    if abs(weights.mean()) < 1:
        weights -= weights.mean()
    found = weights @ np.array(directions)
    return np.asarray(found / (np.linalg.norm(found) + 1e-12), np.float32)


def boundary(target: Target, start: Point, rng: Rng) -> None:
    """Brendel, Rauber, Bethge, ICLR 2018, arXiv:1712.04248: sideways on the sphere, then inwards."""
    best = bisect(target, start)
    sideways, inwards = 0.1, 0.1
    for _ in count():
        centre, distance = best, target.distance(best)

        def beside(size: float, centre: Point = centre, distance: float = distance) -> Point:
            away = centre - target.origin
            noise = _unit(rng, len(centre))
            noise -= (noise @ away) / (away @ away) * away
            moved = away + np.float32(size) * noise / np.linalg.norm(noise)
            return (target.origin + moved * np.float32(distance / np.linalg.norm(moved))).astype(np.float32)

        beside_best = _drawn(target, beside, sideways * distance)
        if not target.fooled(beside_best):
            sideways = max(sideways * 0.9, 1e-3)
            continue
        sideways = min(sideways * 1.1, 1.0)

        def inside(size: float, beside_best: Point = beside_best) -> Point:
            away = target.distance(beside_best)
            return _between(target, beside_best, min(size / away, 0.9) if away else 0.0)

        nearer = _drawn(target, inside, inwards * distance)
        if target.fooled(nearer):
            best, inwards = nearer, min(inwards * 1.2, 0.5)
        else:
            best, inwards = beside_best, max(inwards * 0.8, 1e-3)


def surfree(target: Target, start: Point, rng: Rng) -> None:
    """Maho, Furon, Le Merrer, CVPR 2021, arXiv:2011.12807: circles in planes that hold the sample."""
    best = bisect(target, start)
    for _ in count():
        away = best - target.origin
        distance = float(np.linalg.norm(away))
        towards: Point = np.asarray(away / (distance + 1e-12), np.float32)
        other = _unit(rng, len(best))
        other -= (other @ towards) * towards
        other /= np.linalg.norm(other) + np.float32(1e-12)

        def at(
            angle: float, towards: Point = towards, other: Point = other, distance: float = distance
        ) -> Point:
            turned = np.float32(math.cos(angle)) * towards + np.float32(math.sin(angle)) * other
            return (target.origin + np.float32(distance * math.cos(angle)) * turned).astype(np.float32)

        angle = _angle(target, at)
        if angle:
            best = at(angle)


def _angle(target: Target, at: Callable[[float], Point]) -> float:
    """The largest angle found at which the model is still fooled, 0 for none."""
    for size in ANGLES:
        for angle in (size, -size):
            if (angle != LAST_ANGLE and not target.passes(at(angle))) or not target.fooled(at(angle)):
                continue
            low, high = angle, 2 * angle
            for _ in range(4):
                middle = (low + high) / 2
                if not target.passes(at(middle)):
                    break
                if target.fooled(at(middle)):
                    low = middle
                else:
                    high = middle
            return low
    return 0.0


def square(target: Target, start: Point, rng: Rng) -> None:
    """Andriushchenko et al., ECCV 2020, arXiv:1912.00049, on scores.

    It stays within half of the first boundary distance. The squares are runs of neighbouring values, so that
    it goes for tables as well.
    """
    bisect(target, start)
    size = len(target.origin)
    eps = 0.5 * target.first / math.sqrt(size)
    best = target.origin + np.float32(eps) * rng.choice([-1.0, 1.0], size=size).astype(np.float32)
    margin = _margin(target, best)
    for turn in count(1):
        share = 0.3 / (1 + turn / 50)
        centre = best

        def patched(_: float, centre: Point = centre, share: float = share) -> Point:
            point = centre.copy()
            length = max(1, int(share * size))
            first = int(rng.integers(size))
            point[first : first + length] = target.origin[first : first + length] + np.float32(
                eps
            ) * rng.choice([-1.0, 1.0])
            return point

        point = _drawn(target, patched, eps)
        found = _margin(target, point)
        if found < margin:
            best, margin = point, found


def _margin(target: Target, point: Point) -> float:
    scores = np.array(target.scores(point), np.float64)
    own = scores[target.label]
    scores[target.label] = -np.inf
    return float(own - scores.max())


def _unit(rng: Rng, size: int) -> Point:
    found = rng.normal(size=size).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found), np.float32)


WALKS: dict[str, Callable[[Target, Point, Rng], None]] = {
    "hopskipjump": hopskipjump,
    "boundary": boundary,
    "surfree": surfree,
    "square": square,
}


def walk(name: str, target: Target, start: NDArray[np.floating], rng: Rng) -> None:
    """Run one until its target is spent; ``start`` in the model's units fools the model already."""
    try:
        WALKS[name](target, target.point(start), rng)
    except Spent:
        return
