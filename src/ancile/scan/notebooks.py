"""Notebooks: cells are programs, and stored outputs are pages (nbformat 4, 3: Jupyter's notebook format)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine, fail, ok
from ancile.formats import python_source
from ancile.formats.json_text import Document, Json, walk
from ancile.scan.code import examine_python
from ancile.scan.notebook_cells import sort_cell
from ancile.scan.pages import acting
from ancile.scan.part import Formatted, Part

PRINTED = re.compile(r"(?m)^(\s*)print[ \t]+(?![=(])(.+)$")  # as Python 2 prints


class NotebookFacts(NamedTuple):
    """What the stored pages of a notebook do, and what is decoded and run."""

    part: Part
    scripts: tuple[str, ...] = ()


@check("notebook-stored-script", severity="high", refs=("CWE-79 (CWE 4.17)",))
def stored_script(facts: NotebookFacts) -> Iterator[Remark]:
    """A stored output of a notebook is a script that reads cookies, calls out or drives the kernel.

    Why   It runs when the notebook is opened and trusted, before any cell does.
    Fix   Clear all outputs before you open it.
    """
    for one in facts.scripts[:20]:
        yield fail(one, where=facts.part.where())
    if not facts.scripts:
        yield ok()


NOTEBOOK_CHECKS: tuple[Check[NotebookFacts], ...] = (stored_script,)


def is_notebook(document: Document) -> bool:
    """Whether a JSON document has a notebook's cells."""
    root = document.root
    return isinstance(root, dict) and (
        isinstance(root.get("cells"), list)
        or ("nbformat" in root and isinstance(root.get("worksheets"), list))
    )


def examine_notebook(part: Part, document: Document) -> Iterator[Formatted]:
    """What its cells and outputs do."""
    python, shell, pages = [], [], []
    sets_off: list[str] = []
    for cell in _cells(document.root):
        if cell.get("cell_type") == "code" or "input" in cell:
            held = sort_cell(_text(cell.get("source", cell.get("input", ""))))
            python.append(held.python)
            shell.append(held.commands)
            pages += [held.page, *_pages(cell.get("outputs"))]
            sets_off += held.sets_off
        else:
            pages.append(_text(cell.get("source", "")))
    sources = ["\n".join(python)]
    if python_source.parse(sources[0]).fault:
        newer = [PRINTED.sub(r"\1print(\2)", one) for one in python]
        sources = [one for one in newer if not python_source.parse(one).fault]
    commands = "\n".join(one for one in shell if one)
    for number, one in enumerate(sources or [""]):
        first = number == 0
        found = examine_python(
            part, one, notebook=True, commands=commands if first else "", sets_off=sets_off if first else ()
        )
        if found is not None:
            yield found
    scripts = [told for one in pages if (told := acting(one))]
    yield Formatted("notebook", examine(NOTEBOOK_CHECKS, NotebookFacts(part, tuple(scripts))))


def _cells(root: Json) -> Iterator[dict[str, Json]]:
    for one in walk(root):
        if one.path and one.path[-1] == "cells" and isinstance(one.value, dict):
            yield one.value


def _text(value: Json) -> str:
    if isinstance(value, list):
        return "".join(one for one in value if isinstance(one, str))
    return value if isinstance(value, str) else ""


def _pages(outputs: Json) -> Iterator[str]:
    for one in walk(outputs):
        kind = one.path[-1] if one.path else ""
        if kind in ("text/html", "application/javascript", "image/svg+xml", "html", "javascript"):
            if isinstance(one.value, list):
                text = _text(one.value)
            elif isinstance(one.value, str):
                text = one.value
            else:
                continue
            yield f"<script>{text}" if "javascript" in kind else text
