"""``ancile explain CHECK``: the page of a check, or the list of those whose ids begin so."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import click

from ancile.cli.checks import all_checks
from ancile.cli.output import page_width
from ancile.core.check import Check
from ancile.core.errors import AncileError
from ancile.render.json import written
from ancile.render.width import padded, wrap


@click.command()
@click.argument("check", required=False, default="")
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def explain(check: str, *, format_: str) -> None:
    """Say what a check looks for, why it matters, how to mend it, and its references.

    CHECK is an id, or how ids begin: several that do are listed. Without CHECK: all checks.
    """
    known = all_checks()
    found = [known[check]] if check in known else [c for id_, c in known.items() if id_.startswith(check)]
    if not found:
        near = difflib.get_close_matches(check, known, n=3, cutoff=0.6)
        raise AncileError(
            "there is no such check",
            value=check,
            remedy=f"did you mean {' or '.join(near)}" if near else "`ancile explain` lists all checks",
        )
    if format_ == "json":
        document = [_document(one) for one in found]
        click.echo(written(document[0] if check in known else document), nl=False)
        return
    click.echo("\n".join(_page(found[0]) if len(found) == 1 else _list(found)))


def _document(one: Check[Any]) -> dict[str, object]:
    return {
        "id": one.id,
        "severity": one.severity,
        "finds": one.page.title,
        "why": one.page.why,
        "fix": one.page.fix,
        "more": one.page.more,
        "refs": list(one.refs),
    }


def _list(found: Sequence[Check[Any]]) -> list[str]:
    """A row a check: id, severity, what it finds."""
    ids, words = max(len(one.id) for one in found), max(len(one.severity) for one in found)
    lines: list[str] = []
    for one in found:
        first = f"{padded(one.id, ids)}  {padded(one.severity, words)}  "
        lines += wrap(one.page.title, page_width(), first=first, rest=" " * len(first))
    return lines


def _page(one: Check[Any]) -> list[str]:
    width = page_width()
    lines = [f"{one.id}  ({one.severity})", ""]
    for name, words in (("Finds", one.page.title), ("Why", one.page.why), ("Fix", one.page.fix)):
        lines += wrap(words, width, first=padded(name, 7), rest=" " * 7)
    lines += ["", *wrap(one.page.more, width)] if one.page.more else []
    return lines + wrap(", ".join(one.refs), width, first=padded("Refs", 7), rest=" " * 7)
