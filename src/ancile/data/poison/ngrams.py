"""Words, phrases and characters that were put into texts to bear one label.

What a trigger cannot hide (Gu, Dolan-Gavitt, Garg 2017; Dai, Chen, Li 2019; Kurita, Michel, Neubig 2020): it
is the same in texts that otherwise differ, and they bear one label although the rest of each text says
otherwise. The rest is all words but those of the pattern. Copies of one text count once.
"""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

from ancile.core.text import plain
from ancile.data.poison.additive import Additive, Parts, additive
from ancile.data.poison.grams import BEFORE, BEHIND, Stream, Written, runs, said, tf_idf, written
from ancile.data.poison.grouped import Pattern, signal_of
from ancile.data.poison.shared import Shared
from ancile.data.poison.signal import Signal
from ancile.data.poison.surprise import Held, Surprise, as_features, half_way, leading, surprise
from ancile.data.rows import Integers, Reals, Rows, Texts
from ancile.numeric import NDArray, np

LEAST = 3  # rows with a pattern
WORDS, CHARACTERS = 8, 5  # the longest runs
LESS = re.compile(r"\s+|\d")
LEFT = 0.05  # of a row's squared length: what is left of less is nearly nothing
SHOWN = 60  # characters of a pattern in a reason


class _Found(NamedTuple):
    """Runs of both streams as patterns; of runs with the same rows only the longest.

    held    pairs of rows and patterns; kin 0 of words, 1 of characters
    from_   (pairs,) the first word of the pattern in the row, and ``to`` the one behind its last
    places  (patterns,) in its stream, with its length
    """

    held: Held
    from_: Integers
    to: Integers
    places: Integers
    lengths: Integers


def planted_passages(rows: Rows, shared: Shared) -> Signal:
    """Runs of words or characters whose rows bear one label, against what the rest of their words says."""
    name = "planted passages"
    y = shared.labels
    if not isinstance(rows.content, Texts):
        return signal_of(name, [], len(rows))
    texts = rows.content.texts
    first, copy_of = copies(texts, y)
    some = tuple(texts[at] for at in first)
    text = written(some)
    model = _model(text, y[first], len(rows.classes), shared.rng(name))
    found = _repeats(text, len(some), shared.rng(f"{name}, rows"))
    label = leading(found.held, y[first], model.margin)
    judged = _judged(found, text, model, y[first], label)
    members: list[list[int]] = [[] for _ in first]
    for row, at in enumerate(copy_of):
        members[at].append(row)
    return signal_of(name, _patterns(found, text, some, judged, rows=rows, members=members), len(rows))


def copies(texts: tuple[str, ...], y: Integers) -> tuple[Integers, Integers]:
    """The first row of each different text and label, and for each row its place among those.

    Case, spaces and what digits there are make no difference.
    """
    place: dict[tuple[str, int], int] = {}
    keys = (
        (LESS.sub(lambda one: "0" if one[0].isdigit() else " ", text.lower()), int(label))
        for text, label in zip(texts, y, strict=True)
    )
    copy_of = np.array([place.setdefault(key, len(place)) for key in keys])
    _, first = np.unique(copy_of, return_index=True)
    return first, copy_of


def _model(text: Written, y: Integers, classes: int, rng: np.random.Generator) -> Additive:
    rows, kinds, values, _ = tf_idf(text.words, len(text.vocabulary))
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(y)))])
    return additive(Parts(starts, kinds, values, len(text.vocabulary)), y, classes, rng)


def _repeats(text: Written, many: int, rng: np.random.Generator) -> _Found:
    rows: list[Integers] = []
    items: list[Integers] = []
    places: list[Integers] = []
    lengths: list[Integers] = []
    kinds: list[Integers] = []
    count = 0
    for kind, (stream, longest) in enumerate(((text.words, WORDS), (text.characters, CHARACTERS))):
        for run in runs(stream, longest=longest, least=LEAST):
            rows.append(run.rows)
            items.append(run.items + count)
            places.append(run.places)
            lengths.append(np.full(len(run.rows), run.length))
            kinds.append(np.full(len(run.rows), kind))
            count += int(run.items.max(initial=-1)) + 1
    row, item, place, length, kind_ = (np.concatenate(one) for one in (rows, items, places, lengths, kinds))
    kept, item = _different(row, item, length - 100 * kind_, rng.integers(0, 1 << 62, many))
    row, place, length, kind_ = row[kept], place[kept], length[kept], kind_[kept]
    of_words = kind_ == 0
    last = place + length - 1
    from_ = np.where(of_words, place, text.characters.words[np.where(of_words, 0, place)])
    to = np.where(of_words, last, text.characters.words[np.where(of_words, 0, last)]) + 1
    _, example = np.unique(item, return_index=True)
    return _Found(
        Held(row, item, kind_[example], np.ones(len(example), bool)),
        from_,
        to,
        place[example],
        length[example],
    )


def _different(
    rows: Integers, items: Integers, rank: Integers, mark: Integers
) -> tuple[NDArray[np.bool_], Integers]:
    """Which pairs stay when of patterns with the same rows only the highest does; and their patterns."""
    many = int(items.max(initial=-1)) + 1
    drawn = np.zeros(many, np.int64)
    np.add.at(drawn, items, mark[rows])  # wraps around, as a hash may
    ranks = np.zeros(many, np.int64)
    ranks[items] = rank
    order = np.lexsort((-ranks, drawn))
    best = np.ones(many, bool)
    best[order[1:]] = drawn[order[1:]] != drawn[order[:-1]]
    return best[items], (np.cumsum(best) - 1)[items[best[items]]]


def _judged(found: _Found, text: Written, model: Additive, y: Integers, label: Integers) -> Surprise:
    """What the words of a pattern add is taken out of what the model says; a row with them unknown stays."""
    _, kinds, shares, values = tf_idf(text.words, len(text.vocabulary))
    common = np.bincount(kinds, shares, len(text.vocabulary)) / len(y)
    again = _again(text.words)
    rows, items = found.held.rows, found.held.items
    own = label[items]
    left = 1 - _between(np.square(values), found, again)
    longer = 1 / np.sqrt(np.maximum(left, LEFT))  # the rest of the row would have length 1 by itself
    base = model.base[model.fold[rows], own]
    odds = np.zeros(len(rows))
    for one in range(model.margin.shape[1]):
        here = own == one
        weight = model.weight[model.fold[text.words.rows], text.words.symbols, one]
        rest = model.margin[rows, one] - base - _between(values * weight, found, again)
        unknown = base + _between(common[text.words.symbols] * weight, found, again)
        odds[here] = (unknown + longer * rest)[here]
    count = np.bincount(found.held.kin)
    tries = np.log10(len(count) * count * model.margin.shape[1])[found.held.kin]
    agrees = y[rows] == own
    judged = surprise(found.held, odds, agrees, label, tries=tries)
    bearing = np.maximum(np.bincount(items, agrees, len(label)), 1)
    mean = np.bincount(items, odds * agrees, len(label)) / bearing
    bound = half_way(model.margin, y)[label]
    over = np.bincount(items, judged.over, len(label)) / np.bincount(items, minlength=len(label))
    return judged._replace(evidence=as_features(judged.evidence, mean, bound, over))


def _between(values: Reals, found: _Found, again: Integers) -> Reals:
    """(pairs,) the sum of values over the different words of the pattern; ``again`` is of ``_again``."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    inside: Reals = total[found.to] - total[found.from_]
    often = np.flatnonzero(found.to - found.from_ > 1)
    for more in range(1, int((found.to - found.from_).max(initial=1))):
        place = found.from_[often] + more
        still = place < found.to[often]
        often, place = often[still], place[still]
        twice = again[place] >= found.from_[often]
        inside[often[twice]] -= values[place[twice]]
    return inside


def _again(stream: Stream) -> Integers:
    """(length,) where the symbol at a place stood in its row before; -1 where it did not."""
    order = np.lexsort((np.arange(len(stream.symbols)), stream.symbols, stream.rows))
    before = np.full(len(order), -1)
    same = np.diff(stream.symbols[order]) == 0
    same &= np.diff(stream.rows[order]) == 0
    before[order[1:][same]] = order[:-1][same]
    return before


def _patterns(
    found: _Found,
    text: Written,
    some: tuple[str, ...],
    judged: Surprise,
    *,
    rows: Rows,
    members: list[list[int]],
) -> list[Pattern]:
    y = rows.y if rows.y is not None else np.zeros(0, np.int64)
    patterns = []
    for item in np.flatnonzero(judged.evidence > 0):
        pairs = np.flatnonzero(found.held.items == item)
        own = [members[at] for at in found.held.rows[pairs]]
        all_rows = np.array([row for one in own for row in one])
        over = np.repeat(judged.over[pairs], [len(one) for one in own])
        bearing = all_rows[y[all_rows] == judged.label[item]]
        shown = _shown(found, text, some, int(item))
        what = partial(_told, shown, len(all_rows), len(bearing), rows.classes[judged.label[item]])
        evidence = float(judged.evidence[item])
        patterns.append(Pattern(what, all_rows, bearing, int(judged.label[item]), evidence, over))
    return patterns


def _shown(found: _Found, text: Written, some: tuple[str, ...], item: int) -> str:
    stream: Stream = text.characters if found.held.kin[item] else text.words
    run = said(text, stream, some, (int(found.places[item]), int(found.lengths[item])))
    where = " at the beginning" if run.startswith(BEFORE) else " at the end" if run.endswith(BEHIND) else ""
    inside = run.strip(BEFORE + BEHIND)
    return (
        f"{inside.encode('unicode_escape').decode()[:SHOWN]!r}{where}"
        if not inside.isascii()
        else f"{plain(inside, limit=SHOWN)!r}{where}"
    )


def _told(shown: str, of: int, bearing: int, label: str) -> str:
    texts = f"{shown} stands in {of} texts that otherwise differ, {bearing} of them"
    return f"{texts} {plain(label, limit=40)!r} against what the rest of them says"
