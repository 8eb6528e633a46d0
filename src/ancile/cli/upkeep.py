"""``ancile ledger erase | backup | restore | accept-loss``: what is done to a ledger as a whole."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from ancile.cli.home import Home, need_home
from ancile.cli.output import talk
from ancile.cli.recorder import open_recorder
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.audit import audit
from ancile.trust.keys import list_keys
from ancile.trust.last_signed import set_back
from ancile.trust.leaf import parse_leaf
from ancile.trust.ledger import open_ledger
from ancile.trust.notary import accept_loss
from ancile.trust.notary import erase as erase_body
from ancile.trust.sqlite_backup import backup_ledger, restore_ledger
from ancile.trust.subjects import FILE as INDEX

LONGEST_REASON = 500  # characters


def erasing(home: Home) -> list[str]:
    """Who may erase in this ledger: the authors of the policy, and those whose keys are kept here."""
    own = [key.public for key in list_keys(home.keys) if key.public.purpose == "author"]
    return [*home.policy.authors, *(key.text for key in own)]


@click.command()
@click.argument("index", type=click.IntRange(min=0))
@click.option("--reason", required=True, help="Why: it stands in the ledger.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(index: int, reason: str, *, yes: bool) -> None:
    """Erase what entry INDEX says, for good. Its leaf stays, and a signed entry says who did it and why.

    Nothing but this ledger is touched: reports, exports, backups and other machines keep their copies.
    """
    home, why = need_home(Path.cwd()), _reason(reason)
    with open_recorder(home) as recorder:
        leaf = parse_leaf(recorder.ledger.require_erasable(index).leaf)
        what = f"the {leaf.kind} of {leaf.time:%Y-%m-%d %H:%M:%S}, entry {index}"
        _confirmed(f"erase {what}, for good?", yes=yes)
        done = erase_body(
            recorder.ledger,
            index,
            reason=why,
            author=recorder.author,
            log=recorder.log,
            clock=recorder.clock.now,
        )
    (home.cache / INDEX).unlink(missing_ok=True)  # it names the digests that the body named
    talk(f"body of entry {index} erased, entry {done.index} says so")
    talk("copies in reports, exports, backups and .ancile/cache are not touched")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Write the whole ledger to the new FILE, consistent while others write, and verified."""
    home = need_home(Path.cwd())
    found = backup_ledger(home.folder, file, vkeys=_vkeys(home), authors=erasing(home))
    talk(f"{found.size} entries in {file}: keep it away from this machine; keys have a backup of their own")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def restore(file: Path) -> None:
    """Put the ledger of a backup where none is, once it verifies. Nothing is overwritten."""
    home = need_home(Path.cwd())
    found = restore_ledger(file, home.folder, vkeys=_vkeys(home), authors=erasing(home))
    with open_ledger(home.folder, clock=lambda: datetime.now(UTC), create=False) as ledger:
        short = set_back(ledger)
    talk(f"{found.size} entries restored")
    if short:
        talk(f"entries are missing: {short}. Look for a later backup before you write to this one")
        talk("where they are lost for good: ancile ledger accept-loss --reason TEXT")


@click.command("accept-loss")
@click.option("--reason", required=True, help="Why: it stands in the ledger.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def accept(reason: str, *, yes: bool) -> None:
    """Go on with a ledger that was set back behind what this machine signed; a signed entry says so.

    Whoever kept a later checkpoint will still see that entries are gone: tell them.
    """
    home, why = need_home(Path.cwd()), _reason(reason)
    with open_recorder(home) as recorder:
        found = audit(recorder.ledger.store, vkeys=_vkeys(home), authors=erasing(home))
        if found.first is not None:
            raise AncileError(
                "the ledger that is left was changed, and is not signed",
                value=f"{found.first.place}: {found.first.what}",
                remedy="restore another backup: `ancile ledger restore`",
            )
        short = set_back(recorder.ledger)
        if short:
            _confirmed(f"{short}: go on without the entries that are missing?", yes=yes)
        done = accept_loss(
            recorder.ledger,
            reason=why,
            author=recorder.author,
            log=recorder.log,
            clock=recorder.clock.now,
        )
    talk(f"entry {done.index} says what is lost and why; the ledger goes on from there")


def _vkeys(home: Home) -> list[str]:
    return [*home.log.keys, *home.log.before]


def _reason(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_REASON:
        raise AncileError(
            "no reason, or too long a one",
            value=f"{len(text)} characters",
            remedy=f"say why in 1 to {LONGEST_REASON} characters: --reason TEXT",
        )
    return plain(text.strip(), LONGEST_REASON)


def _confirmed(question: str, *, yes: bool) -> None:
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise AncileError(
                "this asks before it acts, and nobody can answer", value=question, remedy="give --yes"
            )
        click.confirm(f"ancile: {question}", abort=True, err=True)
