"""The names of the formats, each imported when it is asked for: ``--help`` needs the names alone."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from ancile.core.errors import AncileError
from ancile.core.report import Record

# each is the module of that name in this room
FORMATS = ("table", "json", "sarif", "html", "markdown", "junit")


def render_as(name: str, record: Record, *, colour: bool = False, width: int = 80) -> str:
    """The record in the format ``name``, ending in one newline; it always encodes to UTF-8.

    colour, width  for the table alone: the other formats are read by programs, or wrap by themselves
    """
    if name not in FORMATS:
        raise AncileError("no such format", value=name, remedy=f"choose one of {', '.join(FORMATS)}")
    render: Callable[..., str] = import_module(f"ancile.render.{name}").render
    return render(record, colour=colour, width=width) if name == "table" else render(record)
