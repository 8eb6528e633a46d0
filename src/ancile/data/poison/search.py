"""The one search for rows that were planted or mislabelled: every detector that fits them, and one ranking.

A detector is ``(rows, shared) -> Signal``; it stands below for the kind of content that it can look at. Where
it has nothing to work with (no labels, an extra that is not installed) it raises AncileError, and the search
says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ancile.core.errors import AncileError
from ancile.data.poison.combinations import planted_combinations
from ancile.data.poison.combine import Found, Skipped, combined
from ancile.data.poison.exchanged import exchanged_classes
from ancile.data.poison.floods import floods
from ancile.data.poison.labels import unexpected_labels
from ancile.data.poison.ngrams import planted_passages
from ancile.data.poison.patterns import overlays, patches
from ancile.data.poison.relations import broken_relations
from ancile.data.poison.shared import Shared, silent
from ancile.data.poison.signal import Signal
from ancile.data.poison.sources import bad_sources
from ancile.data.poison.trusted import beside_trusted
from ancile.data.rows import Cells, Content, Pictures, Rows, Texts

Detector: TypeAlias = Callable[[Rows, Shared], Signal]

OF_PICTURES: tuple[Detector, ...] = (patches, overlays)
OF_CELLS: tuple[Detector, ...] = (planted_combinations, broken_relations, floods)
OF_TEXTS: tuple[Detector, ...] = (planted_passages, floods)
OF_ALL: tuple[Detector, ...] = (unexpected_labels, exchanged_classes)
FEWEST = 20  # rows: of fewer nothing can be said


def search(
    rows: Rows, *, seed: int, reference: Rows | None = None, told: Callable[[str], None] | None = None
) -> Found:
    """Which rows were planted or mislabelled, ranked, with reasons and the groups that they form.

    rows       at most some ten thousand at a time: cost grows with their square beyond; draw from more
    seed       the same rows and seed give the same answer
    reference  rows of the same kind that are trusted
    told       is given a few words when something long begins
    AncileError where the reference is of another kind than the rows. Found.skipped: what was not looked for.
    """
    if reference is not None and type(reference.content) is not type(rows.content):
        raise AncileError(
            "the reference is of another kind than the rows",
            value=f"{KINDS[type(reference.content)]} beside {KINDS[type(rows.content)]}",
            remedy="give a reference with the same columns, or pictures of the same size",
        )
    if len(rows) < FEWEST:
        few = Skipped("search", f"{len(rows)} rows are too few: at least {FEWEST} are needed")
        return combined((), len(rows), (few,))
    shared = Shared(rows, seed, reference, told or silent)
    signals: list[Signal] = []
    skipped: list[Skipped] = []
    trusted = () if reference is None else (beside_trusted,)
    for detector in (*OF_KIND[type(rows.content)], *OF_ALL, *trusted):
        shared.told(detector.__name__.replace("_", " "))
        try:
            signals.append(detector(rows, shared))
        except AncileError as refused:
            skipped.append(Skipped(detector.__name__.replace("_", " "), f"{refused.what}: {refused.value}"))
    source = bad_sources(rows, signals)
    return combined([*signals, *([] if source is None else [source])], len(rows), skipped)


KINDS: dict[type[Content], str] = {Pictures: "pictures", Cells: "tables", Texts: "texts"}
OF_KIND: dict[type[Content], tuple[Detector, ...]] = {Pictures: OF_PICTURES, Cells: OF_CELLS, Texts: OF_TEXTS}
