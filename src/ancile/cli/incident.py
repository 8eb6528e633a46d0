"""``ancile incident list | show``: what the gateway's verdicts add up to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from ancile.cli.home import Home, need_home
from ancile.cli.ledger import reading
from ancile.cli.output import talk
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.render.json import written
from ancile.serve.config import ServeConfig
from ancile.serve.incidents.correlate import incidents_of
from ancile.serve.incidents.evidence import verdicts
from ancile.serve.incidents.incident import Incident, document_of, instant
from ancile.serve.incidents.rules import Rule, rules_of

SHOWN = 10  # identities and entries in a table


@click.group()
def incident() -> None:
    """Say what the gateway's verdicts add up to."""


@incident.command("list")
@click.option("-n", "--last", type=click.IntRange(min=1), default=20, help="How many, from the end.")
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def list_(*, last: int, format_: str) -> None:
    """List incidents, the latest last; the same ledger has the same ones."""
    home = need_home(Path.cwd())
    rules = _rules(home)
    found = _incidents(home, rules)[-last:]
    if format_ == "json":
        click.echo(written([document_of(one, rules) for one in found]), nl=False)
        return
    if not found:
        talk("no incidents")
    for one in found:
        click.echo(_line(one, rules[one.rule]))


@incident.command()
@click.argument("id_", metavar="ID")
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def show(id_: str, *, format_: str) -> None:
    """Show incident ID: who, what was said, what to do, and the entries that prove it."""
    home = need_home(Path.cwd())
    rules = _rules(home)
    found = next((one for one in _incidents(home, rules) if one.id == id_), None)
    if found is None:
        raise AncileError("no such incident", value=plain(id_), remedy="see `ancile incident list`")
    if format_ == "json":
        click.echo(written(document_of(found, rules)), nl=False)
        return
    rule = rules[found.rule]
    rows = [
        ("what", rule.title),
        ("severity", rule.severity),
        ("from", f"{instant(found.first):%Y-%m-%d %H:%M:%S} UTC"),
        ("to", f"{instant(found.last):%Y-%m-%d %H:%M:%S} UTC"),
        ("who", _many([f"{plain(name, 64) or '(unknown)'} x{n}" for name, n in found.who.most_common()])),
        ("models", _many(sorted(plain(name, 64) for name in found.models if name))),
        ("verdicts", _many([f"{g} {said} {status} x{n}" for (g, said, status), n in _said(found)])),
        ("entries", _many([str(entry) for entry in sorted(found.entries)])),
        ("proof", f"ancile ledger prove {min(found.entries)}"),
        ("do", rule.advice),
        ("see", ", ".join(rule.refs)),
    ]
    click.echo(f"{found.id} {found.rule}")
    for name, text in rows:
        if text:
            click.echo(f"{name:9} {text}")


def _rules(home: Home) -> Mapping[str, Rule]:
    return rules_of(home.config.get("serve", ServeConfig).incidents)


def _incidents(home: Home, rules: Mapping[str, Rule]) -> list[Incident]:
    def skipped(entry: int, error: AncileError) -> None:
        talk(f"entry {entry} is left out: {error}")

    with reading(home) as ledger:
        return incidents_of(verdicts(ledger.entries(0, ledger.size()), skipped=skipped), rules)


def _line(one: Incident, rule: Rule) -> str:
    names = [plain(name, 24) or "(unknown)" for name, _ in one.who.most_common(2)]
    more = f" and {len(one.who) - 2} more" if len(one.who) > 2 else ""
    when = f"{instant(one.first):%Y-%m-%d %H:%M:%S}"
    return f"{one.id} {when} {rule.severity:6} {one.rule:20} x{one.count:<7} {', '.join(names)}{more}"


def _said(one: Incident) -> list[tuple[tuple[str, str, int], int]]:
    return sorted(one.verdicts.items())


def _many(words: list[str]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more
