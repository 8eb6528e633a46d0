"""How often an attack does something: at least once."""

from __future__ import annotations

from ancile.core.errors import AncileError


def require_some(**counts: int) -> None:
    """AncileError where a count of an attack, by the name that its caller gives it, is below 1."""
    if min(counts.values()) < 1:
        what = "steps or classes" if "classes" in counts else "steps"
        raise AncileError(
            f"an attack of no {what}",
            value=", ".join(f"{name}={count}" for name, count in counts.items()),
            remedy="give 1 or more of each",
        )
