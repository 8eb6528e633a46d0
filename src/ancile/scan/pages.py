"""Pages of HTML and SVG, alone or stored in a notebook: scripts that read what is not theirs or call out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine, fail, ok
from ancile.scan.part import Formatted, Part

SCRIPT = re.compile(r"(?is)<script\b|\bon(?:error|load|click|mouseover)\s*=|javascript:|<iframe\b")
ACTS = re.compile(
    r"document\.cookie|localStorage|sendBeacon|kernel\.(?:execute|requestExecute)|notebook\.kernel"
    r"|eval\s*\(\s*atob|String\.fromCharCode|new\s+WebSocket"
)
CALLS_OUT = re.compile(r"\bfetch\s*\(|XMLHttpRequest|\.src\s*=|\bimport\s*\(|window\.location")
LIBRARY = 50_000  # characters: a plotting library that an output carries
PAGE = re.compile(
    r"(?i)\s*<(?:!doctype\s+(?:html|svg)|html|head|body|svg|script"
    r"|\?xml[^>]{0,200}\?>\s*<(?:!doctype\s+)?(?:svg|html))\b"
)


class PageFacts(NamedTuple):
    """A page, and what its scripts do in words."""

    part: Part
    acting: str = ""


@check("page-script", severity="medium", refs=("CWE-79 (CWE 4.17)",))
def page_script(facts: PageFacts) -> Iterator[Remark]:
    """A page of HTML or SVG has a script that reads what a browser keeps, or calls out.

    Why   It runs for whoever opens the page, with the rights of the place where it is shown.
    Fix   Remove it, or read what it does before the page is shown to anyone.
    """
    yield fail(facts.acting, where=facts.part.where()) if facts.acting else ok()


PAGE_CHECKS: tuple[Check[PageFacts], ...] = (page_script,)


def acting(page: str) -> str:
    """The piece of a page's script that acts; empty where there is none."""
    if not SCRIPT.search(page):
        return ""
    found = ACTS.search(page) or (CALLS_OUT.search(page) if len(page) < LIBRARY else None)
    return f"a script with {found.group()}" if found else ""


def examine_page(part: Part, text: str) -> Formatted | None:
    """What a page's scripts do; None where the text is no page."""
    if PAGE.match(text.lstrip("\ufeff")) is None:
        return None
    return Formatted("page", examine(PAGE_CHECKS, PageFacts(part, acting(text))))
