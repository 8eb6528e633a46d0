"""Inputs as float32 in the data's own units, with the bounds inside which an attacker may move them."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import NDArray, np

Kind = Literal["images", "table", "rows"]
Units = Literal["data", "8-bit"]
Floats: TypeAlias = NDArray[np.float32]
Edge: TypeAlias = float | Floats

ROUNDING = 1e-6  # of the span: 8 ulp of float32 at its end; -3e-08 below a bound of 0 is arithmetic, not data
EXACT = 1 << 24  # integers up to here are exact in float32
PICTURE_AXES = (3, 4)  # of an array of pictures: samples, height, width, and a channel axis on either side


class Bounds(NamedTuple):
    """Where every feature of an input lies, ends included, in the data's own units."""

    low: float
    high: float


class Values(NamedTuple):
    """Inputs with what was found out about them.

    low, high  scalars, or one value a feature
    scale      range of each feature where the bounds are the data's own, else None
    units      ``data``; ``8-bit`` where bounds kept 8-bit pictures from being divided by 255
    notes      what was done to the data
    doubts     what was assumed and weakens a figure that rests on it
    faults     what makes the data unusable
    """

    x: Floats
    low: Edge
    high: Edge
    scale: Floats | None
    kind: Kind
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    units: Units = "data"


def bounds_of(text: str) -> Bounds:
    """The bounds in ``LOW,HIGH``."""
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise AncileError(
            "bounds are not two numbers in order",
            value=plain(text),
            remedy="give the lowest and the highest value of an input, for example 0,1",
        )
    return Bounds(low, high)


def values(raw: NDArray[np.generic], *, kind: Kind | None = None, bounds: Bounds | None = None) -> Values:
    """Inputs (n, *shape) from booleans, integers or floats.

    8-bit pictures (3 or 4 axes) become float32 / 255 in [0, 1], unless bounds beyond 1 ask for 8-bit units;
    floats of 3 and more axes within [0, 1] are taken as pictures with these bounds. Anything else keeps its
    units, with bounds from the data (each feature its own where a sample is a row) unless they are given.
    What lies outside the bounds by rounding is clipped, what lies further is a fault.
    """
    if raw.dtype.kind not in "biuf" or raw.ndim < 2:
        wrong = f"x of type {raw.dtype} and shape {raw.shape} is not numbers by sample and feature"
        return _unusable(wrong, kind)
    if raw.dtype == np.uint8 and raw.ndim in PICTURE_AXES and (bounds is None or bounds.high <= 1):
        x = raw.astype(np.float32)
        x /= 255
        note = "8-bit pictures were divided by 255; eps is in these units (8/255 = 0.0314)"
        return _inside(x, bounds or Bounds(0, 1), kind or "images", (note,))
    with np.errstate(over="ignore"):  # a number beyond float32 is infinite there, and told below
        x = raw.astype(np.float32)
    broken = ~np.isfinite(x)
    if broken.any():
        return _unusable(_broken(broken), kind)
    notes = _rounded(raw)
    if bounds:
        eight_bit = raw.ndim in PICTURE_AXES and raw.dtype == np.uint8
        pictures = eight_bit or (raw.ndim in PICTURE_AXES and bounds == Bounds(0, 1))
        found = _inside(x, bounds, kind or ("images" if pictures else "rows"), notes)
        return found._replace(units="8-bit") if eight_bit else found
    unit = Bounds(0, 1)
    if raw.dtype.kind == "b" or (raw.dtype.kind == "f" and raw.ndim >= 3 and not _outside(x, unit).any()):
        pictures = raw.ndim in PICTURE_AXES
        return _inside(x, unit, kind or ("images" if pictures else "rows"), notes)
    return _in_own_bounds(x, kind or "rows", notes)


def _in_own_bounds(x: Floats, kind: Kind, notes: tuple[str, ...]) -> Values:
    if x.ndim > 2:  # features of a picture or a series share their unit
        low, high = float(x.min()), float(x.max())
        doubt = (
            f"bounds were taken from the data, {low:g} to {high:g} for all features: give --bounds LOW,HIGH"
        )
        return Values(x, low, high, None, kind, notes, (doubt,))
    lows, highs = x.min(axis=0), x.max(axis=0)
    constant = int(np.count_nonzero(lows == highs))
    doubt = (
        "bounds were taken from the data, each feature its own: give --bounds LOW,HIGH where all share one"
    )
    if constant:
        doubt += f"; {constant} features never change here and stay as they are"
    with np.errstate(over="ignore"):
        scale = highs - lows
    if not np.isfinite(scale).all():
        return _unusable("the range of a feature is beyond float32", kind)
    return Values(x, lows, highs, scale, kind, notes, (doubt,))


def _inside(x: Floats, bounds: Bounds, kind: Kind, notes: tuple[str, ...]) -> Values:
    outside = _outside(x, bounds)
    if outside.any():
        return _unusable(
            f"{np.count_nonzero(outside)} values lie outside the bounds {bounds.low:g}..{bounds.high:g}: "
            f"{x.min():g} to {x.max():g}",
            kind,
        )
    low, high = np.float32(bounds.low), np.float32(bounds.high)
    clipped = int(np.count_nonzero((x < low) | (x > high)))
    if clipped:
        np.clip(x, low, high, out=x)
        notes = (*notes, f"{clipped} values lay outside the bounds by rounding and were clipped")
    return Values(x, float(low), float(high), None, kind, notes)


def _outside(x: Floats, bounds: Bounds) -> NDArray[np.bool_]:
    slack = ROUNDING * (bounds.high - bounds.low)
    found: NDArray[np.bool_] = (x < bounds.low - slack) | (x > bounds.high + slack)
    return found


def _broken(broken: NDArray[np.bool_]) -> str:
    samples = np.flatnonzero(broken.reshape(len(broken), -1).any(axis=1))
    return f"x has NaN or infinite values in {samples.size} samples, the first is sample {samples[0]}"


def _rounded(raw: NDArray[np.generic]) -> tuple[str, ...]:
    if raw.dtype.kind in "iu" and raw.size and max(-int(raw.min()), int(raw.max())) > EXACT:
        return (f"integers beyond {EXACT} were rounded to float32",)
    return ()


def _unusable(fault: str, kind: Kind | None) -> Values:
    return Values(np.zeros((0, 1), dtype=np.float32), 0.0, 1.0, None, kind or "rows", faults=(fault,))
