"""What ends an attack early: a question that its caller answers between steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

OnStep: TypeAlias = Callable[[], bool] | None


def stopped(on_step: OnStep) -> bool:
    """Whether the caller wants the attack to end; False where nobody is to be asked."""
    return on_step is not None and on_step()
