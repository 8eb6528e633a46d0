"""``ancile review list | show | approve | reject | label``: what the gateway holds for a person."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ancile.cli.home import Home, need_home
from ancile.cli.in_force import FOLDER
from ancile.cli.output import talk
from ancile.cli.recorder import open_recorder
from ancile.cli.sharing import exchanging
from ancile.core.text import plain
from ancile.render.json import written
from ancile.serve.config import ServeConfig
from ancile.serve.keys import Users
from ancile.serve.review.store import DAY_SECONDS, KEY_OF, LABELS, STATES, Held, Reviews, Said
from ancile.trust.events import ReviewChange

note_option = click.option("--note", default="", help="Why, in words; it stands in the ledger.")


@click.group()
def review() -> None:
    """Decide about requests that the gateway holds for a person."""


@review.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those.")
@click.option("-n", "--last", type=click.IntRange(min=1), default=20, help="How many, from the end.")
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def list_(*, state: str | None, last: int, format_: str) -> None:
    """List requests that wait or waited, the latest last."""
    with _reviews(need_home(Path.cwd())) as reviews:
        found = reviews.list(state, last=last)
    if format_ == "json":
        click.echo(written([_document(one) for one in found]), nl=False)
        return
    if not found:
        talk("nothing waits" if state in (None, "pending") else f"nothing is {state}")
    for one in found:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(one.made))
        said = f"{one.shown(time.time())} {one.label}".rstrip()
        click.echo(f"{one.id} {when} {plain(one.who, 24):16} {plain(one.model, 20):12} {one.guard:10} {said}")


@review.command()
@click.argument("id_", metavar="ID")
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def show(id_: str, *, format_: str) -> None:
    """Show request ID: its input, what guards hold against it, and the nearest earlier ones."""
    from ancile.serve.review.shown import page_of  # noqa: PLC0415 - needs numpy, which the rest does not

    with _reviews(need_home(Path.cwd())) as reviews:
        page = page_of(reviews, id_, now=time.time())
    if format_ == "json":
        shown = _document(page.held) | {
            "said": page.said,
            "inputs": [one._asdict() for one in page.inputs],
            "neighbours": [one._asdict() for one in page.neighbours],
        }
        click.echo(written(shown), nl=False)
        return
    held = page.held
    rows = [
        ("state", f"{held.shown(time.time())} {held.label}".rstrip()),
        ("who", f"{plain(held.who, 64)}, {plain(held.role, 64)}"),
        ("model", plain(held.model, 64)),
        ("held by", f"{held.guard}: {plain(held.why, 200)}"),
        ("evidence", ", ".join(f"{guard} {n:g}" for guard, n in sorted(page.said.items()))),
        ("note", plain(held.note, 400)),
        ("entry", "" if held.entry is None else str(held.entry)),
        *(("input", f"{one.name} {one.datatype} {one.shape}: {one.values}") for one in page.inputs),
        ("input", page.gone),
        *(
            ("near", f"{n.id} {n.distance:.3f} {plain(n.who, 24)} {n.state} {n.label}".rstrip())
            for n in page.neighbours
        ),
    ]
    click.echo(held.id)
    for name, text in rows:
        if text:
            click.echo(f"{name:9} {text}")


@review.command()
@click.argument("id_", metavar="ID")
@click.option("--label", type=click.Choice(LABELS), default="benign", show_default=True, help="What it was.")
@note_option
def approve(id_: str, *, label: str, note: str) -> None:
    """Let request ID pass: its caller gets the answer when it asks again."""
    _decide(id_, "approved", label=label, note=note)


@review.command()
@click.argument("id_", metavar="ID")
@click.option("--label", type=click.Choice(LABELS), default="attack", show_default=True, help="What it was.")
@note_option
def reject(id_: str, *, label: str, note: str) -> None:
    """Refuse request ID: its caller is told so when it asks again."""
    _decide(id_, "rejected", label=label, note=note)


@review.command()
@click.argument("id_", metavar="ID")
@click.argument("label", type=click.Choice(LABELS))
@note_option
def label(id_: str, *, label: str, note: str) -> None:
    """Say what request ID was, after it was decided."""
    _decide(id_, "labelled", label=label, note=note)


def _decide(id_: str, change: ReviewChange, *, label: str, note: str) -> None:
    home = need_home(Path.cwd())
    keep = home.config.get("serve", ServeConfig).review.keep_days * DAY_SECONDS
    with _reviews(home, needed=True) as reviews:
        reviews.get(id_)
        with open_recorder(home) as recorder:
            now = recorder.clock.now().timestamp()
            reviews.decide(id_, Said(change, label, note), now=now, until=now + keep)
            reviews.hand_over(recorder.write)
        entry = reviews.get(id_).entry
    talk(f"{id_} is {change}, {label}: entry {entry}")


@contextmanager
def _reviews(home: Home, *, needed: bool = False) -> Iterator[Reviews]:
    folder = home.folder / FOLDER
    with (
        Users(folder) as users,
        Reviews(folder, key=users.hash(KEY_OF)) as reviews,
        exchanging(users, reviews, needed=needed),
    ):
        yield reviews


def _document(held: Held) -> dict[str, object]:
    return held._asdict() | {"state": held.shown(time.time())}
