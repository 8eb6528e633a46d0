"""The reaction ladder: what may happen to a request, from nothing to a refusal."""

from __future__ import annotations

from typing import Literal

Reaction = Literal["allow", "flag", "degrade", "review", "throttle", "deny"]
LADDER: tuple[Reaction, ...] = ("allow", "flag", "degrade", "review", "throttle", "deny")
