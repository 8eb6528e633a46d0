"""Rows beside rows that are trusted: what a model of these says of the labels of those.

How often such a model is wrong in an honest set is measured on the trusted rows themselves, each left out.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.data.poison.features import features
from ancile.data.poison.guesses import best_ridge
from ancile.data.poison.labels import as_bad, chance_right, rarity
from ancile.data.poison.shared import Shared
from ancile.data.poison.signal import Group, Signal
from ancile.data.poison.tails import excess
from ancile.data.rows import Cells, Content, Integers, Pictures, Reals, Rows, Texts
from ancile.numeric import np

FEWEST = 30  # trusted rows: of fewer a model learns nothing
SURE = 0.5  # what a model says of another class, from where a row is one of a group
LIKELIER = 2.0  # times as many mistakes as on trusted rows are still honest: those were better looked after
RELABELLED = 6.0  # the score of a row that the reference has under another label: no chance is in it


class Judged(NamedTuple):
    """Of each class for the rows, and for the trusted rows left out; and the labels of these."""

    rows: Reals
    trusted: Reals
    labels: Integers


def beside_trusted(rows: Rows, shared: Shared) -> Signal:
    """Rows whose label is not what the reference makes of them; AncileError where that has no labels."""
    y, judged = shared.labels, judge(rows, shared)
    here, there = judged.rows.argmax(axis=1), judged.trusted.argmax(axis=1)
    right = chance_right(judged.rows, y)
    score = rarity(as_bad(judged.rows, right, shared.rng("trusted")))
    why: dict[int, str] = {}
    groups = []
    pairs = len(rows.classes) * (len(rows.classes) - 1)
    for before, after in {(int(a), int(b)) for a, b in zip(here, y, strict=True) if a != b}:
        some = np.flatnonzero((here == before) & (y == after) & (judged.rows.max(axis=1) > SURE))
        mistaken = int(((there == before) & (judged.labels == after)).sum())
        of, out_of = int((y == after).sum()), int((judged.labels == after).sum())
        rate = min(1.0, LIKELIER * (mistaken + 1) / (out_of + 1))
        evidence = excess(len(some), of, rate) - float(np.log10(pairs))
        if evidence <= 0:
            continue
        words = (
            f"{len(some)} rows labelled {rows.classes[after]!r} are {rows.classes[before]!r} to the reference"
        )
        groups.append(Group(what=words, rows=some, evidence=evidence, label=after))
        score[some] = np.maximum(score[some], evidence * judged.rows[some, before])
        why |= dict.fromkeys(some.tolist(), f"one of {words}")
    for row, label in relabelled(rows, shared).items():
        score[row], why[row] = RELABELLED, f"the reference has the same row as {label!r}"
    groups.sort(key=lambda group: -group.evidence)

    def reason(row: int) -> str:
        return why.get(row, f"the reference speaks for {rows.classes[here[row]]!r}")

    return Signal(name="reference", score=score, reason=reason, groups=tuple(groups))


def judge(rows: Rows, shared: Shared) -> Judged:
    """What a model of the trusted rows says; of features that both are described by."""
    reference = shared.reference
    known = np.flatnonzero(_shared_classes(reference, rows) >= 0)
    if reference is None or len(known) < FEWEST:
        raise AncileError(
            "no rows to trust",
            value=f"{len(known)} rows of the same classes",
            remedy="name them with --reference",
        )
    labels = _shared_classes(reference, rows)[known]
    both = features(joined(rows.content, taken(reference.content, known)), shared.rng("features"))
    n = len(rows)
    said, left = best_ridge(both[n:], labels, len(rows.classes), both[:n])
    return Judged(said, left, labels)


def _shared_classes(reference: Rows | None, rows: Rows) -> Integers:
    """The label of each trusted row as a class of the rows; -1 where these have no such class."""
    if reference is None or reference.y is None:
        return np.zeros(0, np.int64)
    place = {name: at for at, name in enumerate(rows.classes)}
    names = np.array([place.get(name, -1) for name in reference.classes] or [-1])
    found: Integers = names[reference.y]
    return found


def relabelled(rows: Rows, shared: Shared) -> dict[int, str]:
    """Places of rows that the reference has with the same content and another label, to that label."""
    reference, y = shared.reference, shared.labels
    if reference is None or reference.y is None:
        return {}
    labels: defaultdict[bytes, set[str]] = defaultdict(set)
    for key, label in zip(keys(reference.content), reference.y, strict=True):
        labels[key].add(reference.classes[label])
    found = {}
    for row, key in enumerate(keys(rows.content)):
        had = labels.get(key)
        if had and rows.classes[y[row]] not in had:
            found[row] = min(had)
    return found


def keys(content: Content) -> list[bytes]:
    """Bytes that are the same where two rows have the same content."""
    if isinstance(content, Pictures):
        return [one.tobytes() for one in content.pixels]
    if isinstance(content, Texts):
        return [one.encode("utf-8", "surrogatepass") for one in content.texts]
    words = [
        "\0".join("" if at < 0 else kinds[at] for at, kinds in zip(codes, content.values, strict=True))
        for codes in content.codes
    ]
    return [
        number.tobytes() + word.encode("utf-8", "surrogatepass")
        for number, word in zip(content.numbers + 0.0, words, strict=True)
    ]


def taken(content: Content, places: Integers) -> Content:
    """Some rows of a content."""
    if isinstance(content, Pictures):
        return Pictures(pixels=content.pixels[places])
    if isinstance(content, Texts):
        return Texts(texts=tuple(content.texts[at] for at in places))
    return Cells(
        numbers=content.numbers[places],
        codes=content.codes[places],
        number_names=content.number_names,
        code_names=content.code_names,
        values=content.values,
    )


def joined(first: Content, second: Content) -> Content:
    """The rows of both; AncileError where pictures differ in size or tables in columns."""
    if isinstance(first, Pictures) and isinstance(second, Pictures):
        if first.pixels.shape[1:] == second.pixels.shape[1:]:
            return Pictures(pixels=np.concatenate([first.pixels, second.pixels]))
    elif isinstance(first, Texts) and isinstance(second, Texts):
        return Texts(texts=first.texts + second.texts)
    elif isinstance(first, Cells) and isinstance(second, Cells):
        names = (first.number_names, first.code_names)
        if names == (second.number_names, second.code_names):
            return _joined_cells(first, second)
    raise AncileError(
        "the reference has other columns, or pictures of another size than the rows",
        value="reference",
        remedy="give a reference that was made like the rows",
    )


def _joined_cells(first: Cells, second: Cells) -> Cells:
    """Texts of both under the codes of the first, new ones behind them."""
    values, columns = [], []
    for mine, theirs, codes in zip(first.values, second.values, second.codes.T, strict=True):
        place = {word: at for at, word in enumerate(mine)}
        table = np.array([place.setdefault(word, len(place)) for word in theirs] + [-1])
        values.append(tuple(place))
        columns.append(table[codes])
    codes = np.stack(columns, axis=1) if columns else np.zeros((len(second.numbers), 0), np.int64)
    return Cells(
        numbers=np.concatenate([first.numbers, second.numbers]),
        codes=np.concatenate([first.codes, codes]),
        number_names=first.number_names,
        code_names=first.code_names,
        values=tuple(values),
    )
