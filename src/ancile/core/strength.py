"""How hard a subject was tried and what of it was open to the attack: scales that stages and gates share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Effort = Literal["quick", "standard", "thorough"]
Access = Literal["labels", "scores", "white-box"]

EFFORTS: tuple[Effort, ...] = ("quick", "standard", "thorough")  # weakest first
ACCESSES: tuple[Access, ...] = ("labels", "scores", "white-box")  # weakest first


def reaches(given: object, wanted: str, scale: Sequence[str]) -> bool:
    """Whether ``given`` is on the scale and not below ``wanted``."""
    return given in scale and scale.index(str(given)) >= scale.index(wanted)
