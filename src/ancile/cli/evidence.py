"""``ancile evidence export | import``: carry evidence from one machine to another."""

from __future__ import annotations

from pathlib import Path

import click

from ancile.cli.bundle_file import read_bundle
from ancile.cli.home import need_home
from ancile.cli.ledger import reading
from ancile.cli.output import talk, write_whole
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.evidence import verify_bundle
from ancile.trust.imports import import_bundle
from ancile.trust.keys import list_keys
from ancile.trust.leaf import parse_leaf
from ancile.trust.notary import export_evidence

# a revocation travels with what the key has signed
CARRIED = ("report", "run", "decision", "release", "user", "key")


@click.group()
def evidence() -> None:
    """Carry evidence from one machine to another."""


@evidence.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--index", "indices", multiple=True, type=click.IntRange(min=0), help="Entry; else all evidence."
)
def export(file: Path, indices: tuple[int, ...]) -> None:
    """Write entries to FILE, with all that is needed to verify them offline."""
    home = need_home(Path.cwd())
    with reading(home) as ledger:
        kinds = {
            entry.index: parse_leaf(entry.leaf or b"").kind
            for entry in ledger.entries(0, ledger.size())
            if entry.body is not None
        }
        chosen = indices or tuple(index for index, kind in kinds.items() if kind in CARRIED)
        if not indices and all(kinds[index] == "key" for index in chosen):
            raise AncileError(
                "there is no evidence yet", value=str(home.folder), remedy="run `ancile assess`"
            )
        signers = [key.public for key in list_keys(home.keys) if key.public.purpose == "author"]
        data = export_evidence(ledger, chosen, logs=[*home.log.keys, *home.log.before], signers=signers)
    write_whole(file, data)
    talk(f"{len(chosen)} entries in {file}")


@evidence.command("import")
@click.argument("file", type=click.Path(path_type=Path))
def import_(file: Path) -> None:
    """Keep the evidence of FILE after verifying it; whether it counts is for the policy to say."""
    home = need_home(Path.cwd())
    data = read_bundle(file)
    pinned = [*home.log.keys, *home.log.before, *(key for log in home.policy.logs for key in log.keys)]
    found = verify_bundle(data, logs=pinned, authors=home.policy.authors)
    import_bundle(home.imports, data)
    doubts = sorted({doubt for one in found for doubt in one.doubts})
    talk(f"{len(found)} entries imported, {sum(one.accepted for one in found)} count under the policy")
    for doubt in doubts:
        talk(f"does not count: {plain(doubt)}")
    if doubts:
        talk("to let it count: `ancile keys export` where it was made, `ancile keys trust FILE` here")
