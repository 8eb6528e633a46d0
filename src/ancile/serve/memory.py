"""What the guards remember of one caller and one model: a field for each, made when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.serve.seen import Seen

if TYPE_CHECKING:
    from ancile.serve.guards.allowance import Allowance
    from ancile.serve.guards.fingerprint import Shelf
    from ancile.serve.guards.sequence import Window


class Memory:
    """Its size does not grow with the requests.

    seen      inputs that came before
    sequence  the last queries
    fingerprint  the last texts
    information, noise  what is left of the budgets of a day
    collusion, outlier, strange, confidence, timing, squeezing, trigger, disagreement  sums of how rare
        what they look at was
    """

    __slots__ = (
        "collusion",
        "confidence",
        "disagreement",
        "fingerprint",
        "information",
        "noise",
        "outlier",
        "seen",
        "sequence",
        "squeezing",
        "strange",
        "timing",
        "trigger",
    )

    def __init__(self) -> None:
        self.seen = Seen()
        self.sequence: Window | None = None
        self.fingerprint: Shelf | None = None
        self.information: Allowance | None = None
        self.noise: Allowance | None = None
        self.outlier = self.strange = self.confidence = self.timing = 0.0
        self.squeezing = self.trigger = self.disagreement = self.collusion = 0.0
