"""Stretches of a text that are personal or secret, and the text without them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from ancile.patterns.named import find_named
from ancile.patterns.names import find_names
from ancile.patterns.personal import find_personal

# In JSON and source code: a line that ends within a string is no letter before what follows
ESCAPE = re.compile(r"""\\[nrt"'/]""")


class Spot(NamedTuple):
    """A stretch of a text that is not for everybody.

    sure  high, medium or low, as the pattern that found it says
    """

    kind: str
    start: int
    end: int
    sure: str
    secret: bool = False


Finder = Callable[[str], list[Spot]]


def spots(text: str, *, with_names: bool = False) -> list[Spot]:
    """What is personal or secret in a text, by place; none lies in another.

    with_names  whether names of people and addresses of houses are looked for too
    """
    found = [Spot(*one, secret=True) for one in find_named(text)]
    found += [Spot(*one) for one in find_personal(ESCAPE.sub("  ", text))]
    if with_names:
        taken = sorted((one.start, one.end) for one in found)
        found += [Spot(*one) for one in find_names(text) if not _meets(taken, one.start, one.end)]
    kept: list[Spot] = []
    for one in sorted(found, key=lambda one: (one.start, not one.secret, -one.end)):
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
        elif one.secret and not kept[-1].secret:  # a password in an address: all of it goes
            kept[-1] = one._replace(start=kept[-1].start, end=max(one.end, kept[-1].end))
    return kept


def _meets(taken: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    """Whether one of the stretches, which are in order, shares a letter with this."""
    place = bisect_left(taken, (end, 0))
    return any(one[1] > start for one in taken[max(0, place - 3) : place])


def finder(*, with_names: bool) -> Finder:
    """What says what a text holds."""
    return partial(spots, with_names=with_names)


class Redacted(NamedTuple):
    """A text without what was personal or secret in it, how many places that were, all kinds that it held."""

    text: str
    places: int
    kinds: frozenset[str] = frozenset()


def redacted(
    text: str,
    kinds: Iterable[str] = (),
    pseudonym: Callable[[str, str], str] | None = None,
    *,
    find: Finder = spots,
) -> Redacted:
    """The text with what is personal or secret replaced by its kind in brackets; of all kinds without any.

    find       what a text holds
    pseudonym  gives what is personal, by kind and value, another value instead; a secret has none
    """
    wanted, parts, end, places = frozenset(kinds), [], 0, 0
    found = find(text)
    for one in found:
        if not wanted or one.kind in wanted:
            instead = f"[{one.kind}]"
            if pseudonym is not None and not one.secret:
                instead = pseudonym(one.kind, text[one.start : one.end])
            parts += [text[end : one.start], instead]
            end, places = one.end, places + 1
    return Redacted("".join(parts) + text[end:], places, frozenset(one.kind for one in found))
