"""The one error that a user sees: what is wrong, with which value, and what to do."""

from __future__ import annotations


class AncileError(Exception):
    """A fault that the user can mend; one line, exit code 2.

    what    the fault, lower case, no full stop
    value   the offending value, as the user gave it
    remedy  what to do, as an instruction
    """

    def __init__(self, what: str, *, value: str, remedy: str) -> None:
        super().__init__(what, value, remedy)
        self.what = what
        self.value = value
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}: {self.value}" if self.value else self.what
