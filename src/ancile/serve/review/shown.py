"""A request that waits as a person sees it: its input, what guards hold against it, and its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import np
from ancile.serve.inference import parse_request
from ancile.serve.refusal import Refused
from ancile.serve.review.store import Held, Reviews
from ancile.serve.tensors import BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_VALUES = 24  # of an input that are shown
MOST_COMPARED = 500  # requests of the same model among which neighbours are looked for, the latest
NEIGHBOURS = 5


class Input(NamedTuple):
    """A tensor in words."""

    name: str
    datatype: str
    shape: str
    values: str


class Neighbour(NamedTuple):
    """An earlier request of the same model and how it was decided.

    distance  root mean square of the differences of its first samples, each value in units of its standard
              deviation among those compared
    """

    id: str
    distance: float
    who: str
    state: str
    label: str


class Page(NamedTuple):
    """All that is shown of one request.

    said  guard to how often it spoke up lately, the latest counting most
    gone  why there is no input, or empty
    """

    held: Held
    said: dict[str, float]
    inputs: tuple[Input, ...]
    neighbours: tuple[Neighbour, ...]
    gone: str


def page_of(reviews: Reviews, id_: str, *, now: float) -> Page:
    """The request with this id; AncileError where there is none."""
    held = reviews.get(id_)
    said = msgspec.json.decode(held.said, type=dict[str, float])
    try:
        body = reviews.body(id_)
    except AncileError as error:
        return Page(held, said, (), (), error.what)
    if body is None:
        return Page(held, said, (), (), "the input was not kept")
    return Page(held, said, _inputs(body), _neighbours(reviews, held, body, now=now), "")


def _inputs(body: bytes) -> tuple[Input, ...]:
    found = []
    for tensor in parse_request(body, None).inputs:
        flat = tensor.array.ravel()
        values = [_value(one) for one in flat[:MOST_VALUES].tolist()]
        more = f" … {flat.size - MOST_VALUES} more" if flat.size > MOST_VALUES else ""
        shape = "x".join(map(str, tensor.array.shape))
        found.append(Input(plain(tensor.name, 64), tensor.datatype, shape, ", ".join(values) + more))
    return tuple(found)


def _value(one: object) -> str:
    if isinstance(one, bytes):
        return plain(one.decode("utf-8", "replace"), 80)
    return f"{one:.6g}" if isinstance(one, float) else str(one)


def _neighbours(reviews: Reviews, held: Held, body: bytes, *, now: float) -> tuple[Neighbour, ...]:
    own = _point(body)
    others = [
        one for one in reviews.list(last=MOST_COMPARED) if one.model == held.model and one.id != held.id
    ]
    points = []
    for one in others:
        try:
            sealed = reviews.body(one.id)
        except AncileError:
            continue
        point = None if sealed is None else _point(sealed)
        if own is not None and point is not None and point.shape == own.shape:
            points.append((one, point))
    if own is None or not points:
        return ()
    stacked = np.stack([own, *(point for _, point in points)])
    spread = stacked.std(axis=0)
    scaled = stacked / np.where(spread > 0, spread, 1.0)
    distances = np.sqrt(np.square(scaled[1:] - scaled[0]).mean(axis=1))
    nearest = np.argsort(distances, kind="stable")[:NEIGHBOURS]
    return tuple(
        Neighbour(one.id, float(distances[at]), one.who, one.shown(now), one.label)
        for at in nearest
        for one in [points[at][0]]
    )


def _point(body: bytes) -> NDArray[np.float64] | None:
    """The first sample's numbers; None where it has none."""
    try:
        tensors = parse_request(body, None).inputs
    except Refused:
        return None
    parts = [one.array[:1].ravel().astype(np.float64) for one in tensors if one.datatype != BYTES]
    return np.concatenate(parts) if parts else None
