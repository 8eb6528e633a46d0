"""Protect machine-learning systems over their whole life: every answer measured, signed and checkable."""

__version__ = "0.1.0"
