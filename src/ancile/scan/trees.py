"""Models of trees in their libraries' own formats: XGBoost's UBJSON, LightGBM's text, CatBoost's binary.

All three are data; what is looked for is what was put beside it. XGBoost's JSON is judged as any JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ancile.formats import catboost
from ancile.formats.extents import LayoutFault
from ancile.formats.ubjson import parse_ubjson
from ancile.scan.hidden import search_numbers, search_texts
from ancile.scan.part import Formatted, Part
from ancile.scan.tensors import held_in_gaps, layout
from ancile.scan.values import examine_values

# UBJSON: an object, then a key with its length as int64, int8 or uint8
XGBOOST = re.compile(rb"\{(L\x00{7}|[iU])[\x01-\x20](learner|version|Config)")
LIGHTGBM = b"tree\nversion="
LIGHTGBM_ENDS = (  # the Python package adds a line to what the library writes
    re.compile(rb"\npandas_categorical:[^\n]*\n?"),
    re.compile(rb"\nend of parameters\n"),
    re.compile(rb"\nend of trees\n[\s\S]*"),
)
TEXT_BYTES = 256 << 20


def is_xgboost(part: Part) -> bool:
    """Whether this begins as XGBoost's UBJSON."""
    return XGBOOST.match(part.head) is not None


def examine_xgboost(part: Part) -> Iterator[Formatted | Part]:
    """What its texts decode to, and what stands behind it."""
    yield from examine_values(part, "xgboost-ubj", parse_ubjson(part.data))


def is_lightgbm(part: Part) -> bool:
    """Whether this begins as LightGBM's text."""
    return part.head.startswith(LIGHTGBM)


def examine_lightgbm(part: Part) -> Iterator[Formatted | Part]:
    """What its text decodes to, and what stands behind its last line."""
    held = bytes(part.data[:TEXT_BYTES])
    end = next(filter(None, (pattern.search(held) for pattern in LIGHTGBM_ENDS)), None)
    gaps = [(end.end(), len(part.data))] if end and held[end.end() :].strip() else []
    long = (
        [LayoutFault("unread", TEXT_BYTES, "a longer text than is read")]
        if len(part.data) > len(held)
        else []
    )
    broken = [] if end or long else [LayoutFault("unread", len(held), "the text ends before its last line")]
    yield layout(part, "lightgbm", (*long, *broken), gaps)
    yield from held_in_gaps(part, gaps)
    stop = end.end() if end else len(held)
    yield from search_texts(part, "lightgbm", [("its text", held[:stop].decode("utf-8", "surrogateescape"))])
    yield search_numbers(part, "lightgbm", [(0, len(part.data))])


def is_catboost(part: Part) -> bool:
    """Whether this begins as CatBoost's binary."""
    return catboost.is_catboost(part.head)


def examine_catboost(part: Part) -> Iterator[Formatted | Part]:
    """Whether it is whole, and what stands behind its last part."""
    stop, fault = catboost.extent_of(part.data)
    faults = [LayoutFault("unread", 4, fault)] if fault else []
    gaps = [(stop, len(part.data))] if stop < len(part.data) else []
    yield layout(part, "catboost", faults, gaps)
    yield from held_in_gaps(part, gaps)
    yield search_numbers(part, "catboost", [(0, len(part.data))])
