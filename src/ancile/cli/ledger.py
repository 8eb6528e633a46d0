"""``ancile ledger``: log, show, verify, prove, checkpoint, export, witness."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from ancile.cli.home import Home, need_home
from ancile.cli.output import chosen, deliver, output_options, talk, write_whole
from ancile.cli.recorder import open_recorder
from ancile.core.errors import AncileError
from ancile.core.report import Record
from ancile.core.text import plain
from ancile.core.wire import read_record
from ancile.trust.audit import audit
from ancile.trust.checks import audit_report
from ancile.trust.dsse import unverified
from ancile.trust.leaf import parse_leaf
from ancile.trust.ledger import Ledger, open_ledger
from ancile.trust.notary import sign_head
from ancile.trust.statement import parse_statement
from ancile.trust.tlog_proof import write_proof

LARGEST_KEPT = 64 << 20  # bytes of a report or checkpoint that was kept


@click.group()
def ledger() -> None:
    """Read, verify and prove what was recorded."""


def reading(home: Home) -> Ledger:
    """The ledger of a home, for reading."""
    return open_ledger(home.folder, clock=lambda: datetime.now(UTC), create=False)


@ledger.command()
@click.option("--kind", help="Only entries of this kind: report, decision, run, key, …")
@click.option("-n", "--last", type=click.IntRange(min=1), default=20, help="How many, from the end.")
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def log(kind: str | None, last: int, format_: str) -> None:
    """List entries, the latest last."""
    home = need_home(Path.cwd())
    with reading(home) as opened:
        size = opened.size()
        rows = []
        for entry in opened.entries(0 if kind else max(0, size - last), size):
            leaf = parse_leaf(entry.leaf or b"")
            if kind in (None, leaf.kind):
                rows.append((entry.index, leaf, _about(leaf.kind, entry.body)))
    for index, leaf, about in rows[-last:]:
        time = datetime.fromtimestamp(leaf.time_ms / 1000, UTC)
        if format_ == "json":
            line = {"index": index, "kind": leaf.kind, "time": time.isoformat(), "author": leaf.author.hex()}
            click.echo(json.dumps(line | {"about": about}))
        else:
            click.echo(f"{index:>7} {time:%Y-%m-%d %H:%M:%S} {leaf.kind:9} {plain(about, 44)}")


def _about(kind: str, body: bytes | None) -> str:
    if body is None:
        return "(erased)"
    try:
        subjects = parse_statement(unverified(body).payload).subjects
    except AncileError:
        return f"({kind} of {len(body)} bytes)"
    name, digest = next(iter(subjects.items()))
    return f"{name} {digest[:19]}"


@ledger.command()
@click.argument("index", type=click.IntRange(min=0))
def show(index: int) -> None:
    """Print what entry INDEX says, as JSON."""
    home = need_home(Path.cwd())
    with reading(home) as opened:
        entry = opened.entry(index)
    leaf = parse_leaf(entry.leaf)
    said = None if entry.body is None else json.loads(unverified(entry.body).payload)
    shown = {
        "index": index,
        "kind": leaf.kind,
        "time": datetime.fromtimestamp(leaf.time_ms / 1000, UTC).isoformat(),
        "author": f"sha256:{leaf.author.hex()}",
        "statement": said,
    }
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
        found = audit(opened, vkeys=[*home.log.keys, *home.log.before], against=kept)
    report = audit_report(found, origin=home.log.origin, started=started, finished=datetime.now(UTC))
    return deliver(Record(report=report), way)


def kept_checkpoint(path: Path) -> str:
    """The checkpoint in a file: a signed note, or a JSON report with its evidence."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_KEPT)
    except OSError as reason:
        raise AncileError(
            "kept checkpoint cannot be read", value=f"{path}: {reason.strerror}", remedy="name a file"
        ) from reason
    if not data.lstrip().startswith(b"{"):
        return data.decode("utf-8", "replace")
    evidence = read_record(data, name="report").evidence
    if evidence is None:
        raise AncileError(
            "this report was not recorded", value=str(path), remedy="give one with evidence, or a checkpoint"
        )
    return evidence.checkpoint


@ledger.command()
@click.argument("index", type=click.IntRange(min=0))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to FILE, not to stdout.")
def prove(index: int, output: Path | None) -> None:
    """Write a self-contained proof (C2SP tlog-proof) that entry INDEX is under a signed checkpoint."""
    home = need_home(Path.cwd())
    with reading(home) as opened:
        proof = write_proof(opened, index)
    if output:
        write_whole(output, proof.encode("utf-8"))
        talk(f"proof of entry {index} in {output}")
    else:
        click.echo(proof, nl=False)


@ledger.command()
def checkpoint() -> None:
    """Sign the ledger as it is now and print the checkpoint: keep it where this machine cannot write."""
    home = need_home(Path.cwd())
    with open_recorder(home) as recorder:
        click.echo(sign_head(recorder.ledger, recorder.log, clock=recorder.clock.now), nl=False)
