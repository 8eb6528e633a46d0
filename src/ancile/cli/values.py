"""Values that several commands take in one spelling."""

from __future__ import annotations

import json
import math

import msgspec

from ancile.core.errors import AncileError
from ancile.core.measure import Scalar


def numbers(flag: str, text: object) -> tuple[float, ...]:
    """The comma-separated numbers of a flag; none where it is absent."""
    if text is None:
        return ()
    try:
        found = tuple(float(part) for part in str(text).split(","))
    except ValueError:
        found = (math.nan,)
    if not all(math.isfinite(value) for value in found):
        raise AncileError(
            "not numbers", value=f"{flag} {text}", remedy="give finite ones, separated by commas: 0,1"
        )
    return found


def quoted(text: str) -> str:
    """A string as TOML writes it: what JSON escapes in a string of valid names, TOML escapes alike."""
    return json.dumps(text, ensure_ascii=False)


def factory_arguments(text: object) -> dict[str, Scalar]:
    """Keyword arguments of a factory from a JSON object of plain values."""
    if text is None:
        return {}
    try:
        return msgspec.json.decode(str(text), type=dict[str, Scalar])
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as reason:
        raise AncileError(
            "factory arguments are no JSON object of plain values",
            value=str(text),
            remedy="""give for example --factory-args '{"name": "small"}'""",
        ) from reason
