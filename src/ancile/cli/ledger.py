"""``ancile ledger``: log, show, verify, prove, check-proof, checkpoint, export, witness; see ``upkeep``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from ancile.cli.home import Home, find_config, need_home
from ancile.cli.inputs import input_
from ancile.cli.output import chosen, deliver, output_options, talk, write_whole
from ancile.cli.reading import no_waiting
from ancile.cli.recorder import open_recorder
from ancile.cli.reprint import recorded
from ancile.cli.upkeep import accept, backup, erase, erasing, restore
from ancile.cli.verdicts import KIND as VERDICT
from ancile.cli.verdicts import list_verdicts
from ancile.cli.witnessing import serve_witness, witnessed
from ancile.core.decision import Decision
from ancile.core.errors import AncileError
from ancile.core.report import Record, Report
from ancile.core.text import plain
from ancile.core.wire import read_record
from ancile.render.formats import FORMATS
from ancile.trust.audit import audit
from ancile.trust.canonical import parse_canonical
from ancile.trust.checkpoint import parse_head
from ancile.trust.checks import audit_report
from ancile.trust.config import LedgerConfig
from ancile.trust.dsse import unverified
from ancile.trust.events import Erasure, Loss, Review, UserEvent
from ancile.trust.export import export_tiles
from ancile.trust.leaf import Leaf, parse_leaf
from ancile.trust.ledger import Ledger, open_ledger
from ancile.trust.notary import sign_head
from ancile.trust.note import parse_note
from ancile.trust.quorum import parse_policy
from ancile.trust.statement import parse_statement
from ancile.trust.store import Stored
from ancile.trust.subjects import Told, erasures
from ancile.trust.tlog_proof import TlogProof, parse_proof, verify_proof

LARGEST_KEPT = 64 << 20  # bytes of a report or checkpoint that was kept


@click.group()
def ledger() -> None:
    """Read, verify and prove what was recorded."""


def reading(home: Home) -> Ledger:
    """The ledger of a home, for reading."""
    return open_ledger(home.folder, clock=lambda: datetime.now(UTC), create=False)


@ledger.command()
@click.option("--kind", help="Only entries of this kind: report, decision, key, user, review, verdict, …")
@click.option("-n", "--last", type=click.IntRange(min=1), default=20, help="How many, from the end.")
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def log(kind: str | None, last: int, format_: str) -> None:
    """List entries, the latest last."""
    home = need_home(Path.cwd())
    with reading(home) as opened:
        if kind == VERDICT:
            list_verdicts(opened, last=last, as_json=format_ == "json")
            return
        size = opened.size()
        gone: dict[int, Told] = {}  # an erasure comes after what it erased, so it is met on the way
        rows = []
        for entry in opened.entries(0 if kind else max(0, size - last), size):
            gone |= erasures([entry])
            leaf = parse_leaf(entry.leaf or b"")
            if kind in (None, leaf.kind):
                rows.append((entry.index, leaf, None if entry.body is None else about(leaf, entry)))
    if not rows:
        talk(f"no entry of kind {kind}" if kind else "no entries")
    for index, leaf, spoken in rows[-last:]:
        said, outcome = spoken or (without_body(gone.get(index)), "")
        if format_ == "json":
            line = {
                "index": index,
                "kind": leaf.kind,
                "time": leaf.time.isoformat(),
                "author": leaf.author.hex(),
            }
            click.echo(json.dumps(line | {"about": said} | ({"outcome": outcome} if outcome else {})))
        else:
            words = f"{plain(said, 44)} {outcome.replace('_', ' ')}".rstrip()
            click.echo(f"{index:>7} {leaf.time:%Y-%m-%d %H:%M:%S} {leaf.kind:9} {words}")


def without_body(told: Told | None) -> str:
    """What is said of an entry whose body is gone."""
    return f"(erased by entry {told.by}: {told.said.reason})" if told else "(missing: see ledger verify)"


def about(leaf: Leaf, entry: Stored) -> tuple[str, str]:
    """What an entry speaks of, in a few words, and the outcome of a report or decision."""
    body = entry.body or b""
    if not leaf.commits_to(entry.salt or b"", body):
        return "(changed: see ledger verify)", ""
    try:
        read = parse_statement(unverified(body).payload)
    except AncileError:
        return f"({leaf.kind} of {len(body)} bytes)", ""
    said = read.predicate
    if isinstance(said, Erasure | Loss | Review | UserEvent):
        return _about_event(said), ""
    name, digest = next(iter(read.subjects.items()))
    return f"{name} {digest[:19]}", said.outcome if isinstance(said, Report | Decision) else ""


def _about_event(said: Erasure | Loss | Review | UserEvent) -> str:
    if isinstance(said, Erasure):
        return f"of entry {said.entry}: {said.reason}"
    if isinstance(said, Loss):
        return f"{said.kept} entries are left: {said.reason}"
    by = f" by {said.by}" if said.by else ""
    if isinstance(said, Review):
        return f"{said.review}: {said.change}, {said.label}{by}"
    return f"{said.user}: {said.change}{by}"


@ledger.command()
@click.argument("index", type=click.IntRange(min=0))
@click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice(tuple(FORMATS)),
    help="How to print it again.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write it to FILE, in the format of its suffix."
)
def show(index: int, format_: str | None, output: Path | None) -> None:
    """Print what entry INDEX says, as JSON.

    With a format or a file it prints a report or decision again, once its signatures and its place in the log
    hold.
    """
    home = need_home(Path.cwd())
    if format_ or output:
        way = chosen(format_, output, strict=False)
        with reading(home) as opened:
            record = recorded(home, opened, index)
        deliver(record, way)
        return
    with reading(home) as opened:
        entry = opened.entry(index)
        later = opened.entries(index + 1, opened.size()) if entry.body is None else ()
        gone = erasures(later).get(index)
    leaf = parse_leaf(entry.leaf)
    if entry.salt is not None and entry.body is not None and not leaf.commits_to(entry.salt, entry.body):
        raise AncileError(
            "the body of an entry was changed",
            value=f"entry {index}: it is not what its leaf commits to",
            remedy="run `ancile ledger verify` to learn what else was",
        )
    body = None if entry.body is None else unverified(entry.body).payload
    said = None if body is None else parse_canonical(body, name="statement")
    shown = {
        "index": index,
        "kind": leaf.kind,
        "time": leaf.time.isoformat(),
        "author": f"sha256:{leaf.author.hex()}",
        "statement": said,
    }
    if entry.body is None:
        shown["erased"] = {"by": gone.by, "reason": gone.said.reason} if gone else None
    click.echo(json.dumps(shown, indent=1))


@ledger.command()
@click.option(
    "--against", multiple=True, type=click.Path(path_type=Path), help="Report or checkpoint you kept."
)
@output_options
def verify(against: tuple[Path, ...], format_: str | None, output: Path | None, *, strict: bool) -> int:
    """Derive everything again from the leaves and name the first entry that is wrong."""
    way, home, started = chosen(format_, output, strict=strict), need_home(Path.cwd()), datetime.now(UTC)
    kept = [kept_checkpoint(path) for path in against]
    with reading(home) as opened:
        found = audit(opened, vkeys=[*home.log.keys, *home.log.before], against=kept, authors=erasing(home))
    report = audit_report(found, origin=home.log.origin, started=started, finished=datetime.now(UTC))
    return deliver(Record(report=report), way)


def kept_checkpoint(path: Path) -> str:
    """The checkpoint in a file: a signed note, or a JSON report with its evidence."""
    text = read_text(path, "kept checkpoint")
    if text.lstrip().startswith("<"):
        raise AncileError(
            "this is a page, not a checkpoint",
            value=str(path),
            remedy="give the JSON report, or the checkpoint itself: the page shows it at its end",
        )
    if not text.lstrip().startswith("{"):
        return text
    evidence = read_record(text.encode("utf-8"), name="report").evidence
    if evidence is None:
        raise AncileError(
            "this report was not recorded", value=str(path), remedy="give one with evidence, or a checkpoint"
        )
    return evidence.checkpoint


@ledger.command()
@click.argument("index", type=click.IntRange(min=0))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to FILE, not to stdout.")
def prove(index: int, output: Path | None) -> None:
    """Write a self-contained proof (C2SP tlog-proof) that entry INDEX is under a signed checkpoint.

    The leaf travels in its ``extra`` line; `ancile ledger check-proof` verifies it without any database.
    """
    home = need_home(Path.cwd())
    with reading(home) as opened:
        note = opened.latest_checkpoint()
        size, entries = parse_head(parse_note(note).text).size if note else 0, opened.size()
        if index >= entries:
            raise AncileError(
                f"there is no entry {index}",
                value=f"the last is {entries - 1}" if entries else "the ledger is empty",
                remedy="`ancile ledger log` lists them",
            )
        if note is None or index >= size:
            raise AncileError(
                "no checkpoint covers this entry",
                value=f"entry {index}, the last checkpoint is at {size}",
                remedy="sign one: `ancile ledger checkpoint`",
            )
        hashes = tuple(opened.inclusion_proof(index, size))
        text = TlogProof(index, hashes, note, opened.entry(index).leaf).text
    if output:
        write_whole(output, text.encode("utf-8"))
        talk(f"proof of entry {index} in {output}")
    else:
        click.echo(text, nl=False)


@ledger.command("check-proof")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", "keys", multiple=True, help="Verifier keys of the log; else those in ancile.toml.")
@click.option("--quorum", type=click.Path(path_type=Path), help="C2SP tlog-policy that must be satisfied.")
def check_proof(file: Path, keys: tuple[str, ...], quorum: Path | None) -> None:
    """Verify a proof that `ancile ledger prove` wrote, offline and without a ledger."""
    text = read_text(file, "proof")
    leaf = parse_proof(text).extra
    if leaf is None:
        raise AncileError("the proof carries no leaf", value=str(file), remedy="write it with `ledger prove`")
    config = find_config(Path.cwd()).get("ledger", LedgerConfig)
    policy = parse_policy(read_text(quorum, "quorum file").encode()) if quorum else None
    vkeys = keys or (*config.keys, *config.before)
    if not vkeys and policy is None:
        raise AncileError(
            "no key to verify the proof with",
            value=f"no ancile.toml that pins a log is in {Path.cwd()} or above",
            remedy="give both keys of the log as its ancile.toml has them: --key VKEY --key VKEY",
        )
    found = verify_proof(text, leaf, vkeys=vkeys, policy=policy)
    said = parse_leaf(leaf)
    place = f"entry {parse_proof(text).index} of {plain(found.origin)}"
    click.echo(f"{place}, {said.kind} of {said.time:%Y-%m-%d %H:%M:%S}")
    click.echo(f"by sha256:{said.author.hex()}, under the checkpoint at size {found.size}")


@ledger.command()
@click.option("--quorum", type=click.Path(path_type=Path), help="C2SP tlog-policy: ask its witnesses.")
def checkpoint(quorum: Path | None) -> None:
    """Sign the ledger as it is now and print the checkpoint: keep it where this machine cannot write."""
    home = need_home(Path.cwd())
    policy = parse_policy(read_text(quorum, "quorum file").encode()) if quorum else None
    with open_recorder(home) as recorder:
        note = sign_head(recorder.ledger, recorder.log, clock=recorder.clock.now)
        if policy is not None:
            note = witnessed(recorder.ledger, note, policy)
            recorder.ledger.store_checkpoint(note)
        click.echo(note, nl=False)


@ledger.command()
@click.argument("folder", type=click.Path(path_type=Path))
def export(folder: Path) -> None:
    """Write the log as static files (C2SP tlog-tiles) that any web server can offer. Bodies stay here."""
    home = need_home(Path.cwd())
    with reading(home) as opened, opened.store.snapshot() as reader:
        size = export_tiles(reader, folder)
    talk(f"{size} entries in {folder}")


@ledger.command()
@click.option("--name", help="Of the witness, like example.org/witness; needed the first time.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True)
def witness(name: str | None, host: str, port: int) -> None:
    """Cosign checkpoints (C2SP tlog-witness) of the logs that ancile.toml names, until stopped."""
    serve_witness(need_home(Path.cwd()), name=name, host=host, port=port)


for command in (erase, backup, restore, accept, input_):
    ledger.add_command(command)


def read_text(path: Path, what: str) -> str:
    """The text of a small file that a user names."""
    try:
        with open(path, "rb", opener=no_waiting) as file:
            return file.read(LARGEST_KEPT).decode("utf-8", "replace")
    except OSError as reason:
        raise AncileError(
            f"{what} cannot be read", value=f"{path}: {reason.strerror}", remedy="name a file that exists"
        ) from reason
