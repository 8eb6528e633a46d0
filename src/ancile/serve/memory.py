"""What the guards remember of one caller and one model: a field for each, made when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.serve.seen import Seen

if TYPE_CHECKING:
    from ancile.serve.guards.sequence import Window


class Memory:
    """Its size does not grow with the requests.

    seen      inputs that came before
    sequence  the last queries
    """

    __slots__ = ("seen", "sequence")

    def __init__(self) -> None:
        self.seen = Seen()
        self.sequence: Window | None = None
