"""Values that several commands take in one spelling."""

from __future__ import annotations

import msgspec

from ancile.core.errors import AncileError
from ancile.core.measure import Scalar


def numbers(flag: str, text: object) -> tuple[float, ...]:
    """The comma-separated numbers of a flag; none where it is absent."""
    if text is None:
        return ()
    try:
        return tuple(float(part) for part in str(text).split(","))
    except ValueError as reason:
        raise AncileError(
            "not numbers", value=f"{flag} {text}", remedy="separate them by commas: 0,1"
        ) from reason


def factory_arguments(text: object) -> dict[str, Scalar]:
    """Keyword arguments of a factory from a JSON object of plain values."""
    if text is None:
        return {}
    try:
        return msgspec.json.decode(str(text), type=dict[str, Scalar])
    except (msgspec.DecodeError, msgspec.ValidationError) as reason:
        raise AncileError(
            "factory arguments are no JSON object of plain values",
            value=str(text),
            remedy="""give for example --factory-args '{"name": "small"}'""",
        ) from reason
