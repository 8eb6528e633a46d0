"""Writing to the ledger of a home: keys unlocked once, every entry under a checkpoint."""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ancile.cli.home import Home
from ancile.cli.own_home import mark_proven
from ancile.core.decision import Decision
from ancile.core.errors import AncileError
from ancile.core.private_memory import close_memory
from ancile.core.report import Evidence, Parameters, Record, Report
from ancile.core.subject import Subject
from ancile.trust.checkpoint import open_checkpoint
from ancile.trust.events import RunStarted
from ancile.trust.key import AuthorKey, NoteKey
from ancile.trust.keys import active_key, unlock_key
from ancile.trust.ledger import Ledger, open_ledger
from ancile.trust.notary import record
from ancile.trust.passphrase import passphrase
from ancile.trust.statement import Predicate, statement_of
from ancile.version import __version__
from ancile.work.clock import Clock, system_clock


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """An open ledger with the keys to write to it."""

    ledger: Ledger
    author: AuthorKey
    log: NoteKey
    clock: Clock

    @property
    def seal(self) -> bytes:
        """A secret of this author, for files that only this author's runs may have written."""
        seeds = self.author.seeds
        return hashlib.sha256(b"ancile-seal/v1\n" + seeds.ed25519 + seeds.mldsa).digest()

    def started(self, stage: str, subject: Subject, parameters: Parameters) -> Evidence:
        """Say that a run begins, so that one that is aborted shows."""
        begun = RunStarted(
            run=secrets.token_hex(16),
            stage=stage,
            subject=subject,
            parameters=parameters,
            started=self.clock.now(),
            version=__version__,
        )
        return self.write(begun)

    def report(self, report: Report) -> Record:
        """The report with its place in the ledger."""
        return Record(report=report, evidence=self.write(report))

    def decision(self, decision: Decision) -> Evidence:
        """Where the decision stands."""
        return self.write(decision)

    def write(self, predicate: Predicate) -> Evidence:
        """Sign, append and put under a checkpoint; durable on return."""
        return record(
            self.ledger, statement_of(predicate), author=self.author, log=self.log, clock=self.clock.now
        )


@contextmanager
def open_recorder(home: Home) -> Iterator[Recorder]:
    """The recorder of a home; asks for the passphrase before any long work begins."""
    clock = system_clock()
    log = active_key(home.keys, "log")
    if log.public.name != home.log.origin:
        raise AncileError(
            f"the log that {home.config_file.name} pins is another one than the key's",
            value=f"{home.log.origin or 'none'}, the key is for {log.public.name}",
            remedy="set [ledger] origin and keys to what `ancile keys list --public` prints",
        )

    if not set(log.public.vkeys) <= set(home.log.keys):  # nobody could verify what it signs
        raise AncileError(
            f"the log's key is not the one that {home.config_file.name} pins",
            value=log.public.id,
            remedy="where a rotation was interrupted, `ancile keys rotate log` finishes it; "
            "else set [ledger] keys to what `ancile keys list --public` prints",
        )
    close_memory()
    secret = functools.cache(lambda: passphrase(os.environ, prompt="passphrase of the keys"))
    signer, sequencer = unlock_key(home.keys, "author", secret), unlock_key(home.keys, "log", secret)
    mark_proven(home)
    with open_ledger(home.folder, clock=clock.now) as ledger:
        _require_signed(ledger, [*home.log.keys, *home.log.before])
        yield Recorder(ledger=ledger, author=signer, log=sequencer, clock=clock)


def _require_signed(ledger: Ledger, vkeys: Sequence[str]) -> None:
    """What is signed next must continue what was signed last, or the key would vouch for a rewriting."""
    size, note = ledger.size(), ledger.latest_checkpoint()
    if size and note is None:
        raise _not_continued(f"{size} entries, and no checkpoint")
    if note is not None:
        last = open_checkpoint(note, vkeys)
        if last.size > size or ledger.root(last.size) != last.root:
            raise _not_continued(f"the checkpoint at size {last.size} is of another tree")


def _not_continued(value: str) -> AncileError:
    return AncileError(
        "the ledger is not what its log signed, and nothing is added to it",
        value=value,
        remedy="see `ancile ledger verify`, and restore a copy from before",
    )
