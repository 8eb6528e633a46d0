"""``ancile explain CHECK``: the page of a check."""

from __future__ import annotations

import difflib
import textwrap

import click

from ancile.cli.checks import all_checks
from ancile.cli.output import page_width
from ancile.core.errors import AncileError


@click.command()
@click.argument("check", required=False)
def explain(check: str | None) -> None:
    """Say what a check looks for, why it matters, how to mend it, and its references.

    Without CHECK: list all checks.
    """
    known = all_checks()
    if check is None:
        for one in known.values():
            click.echo(f"{one.id:32} {one.page.title}")
        return
    if check not in known:
        near = difflib.get_close_matches(check, known, n=3, cutoff=0.4)
        raise AncileError(
            "there is no such check",
            value=check,
            remedy=f"did you mean {' or '.join(near)}" if near else "`ancile explain` lists all checks",
        )
    one, width = known[check], page_width()
    click.echo(f"{one.id}  ({one.severity})\n")
    for name, words in (("Finds", one.page.title), ("Why", one.page.why), ("Fix", one.page.fix)):
        click.echo(textwrap.fill(words, width, initial_indent=f"{name:6} ", subsequent_indent=" " * 7))
    if one.page.more:
        click.echo("\n" + textwrap.fill(one.page.more, width))
    if one.refs:
        click.echo(
            textwrap.fill(", ".join(one.refs), width, initial_indent="Refs   ", subsequent_indent=" " * 7)
        )
