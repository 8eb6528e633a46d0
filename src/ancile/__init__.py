"""Protect machine-learning systems over their whole life: every answer measured, signed and checkable.

``import ancile`` loads nothing heavy; ``ancile.assess(model, x, y, eps=…)`` loads its room when it is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ancile.version import __version__

if TYPE_CHECKING:
    from ancile.assess.call import assess as assess


__all__ = ["__version__"]

CALLABLE_ROOMS = ("assess",)  # rooms that are called by their own name


def __getattr__(name: str) -> object:
    if name in CALLABLE_ROOMS:
        return import_module(f"ancile.{name}")
    raise AttributeError(f"module 'ancile' has no attribute {name!r}")
