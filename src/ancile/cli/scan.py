"""``ancile scan PATH…``: what files hold that could run, break or mislead whoever opens them."""

from __future__ import annotations

from pathlib import Path

import click

from ancile.cli.output import chosen, output_options, quiet_option, record_option
from ancile.core.errors import AncileError

POLICIES = ("standard", "strict")


@click.command()
@click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path(path_type=Path, readable=False))
@click.option("--again", is_flag=True, help="Everything in the ledger's scans, and what changed since.")
@click.option(
    "--policy",
    type=click.Choice(POLICIES),
    default="standard",
    show_default=True,
    help="strict: review and incomplete count as block.",
)
@click.option(
    "--baseline",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Accepted findings, each with reason and expiry.",
)
@click.option(
    "--write-baseline",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write what was found, for you to accept with a reason.",
)
@click.option("--no-digest", is_flag=True, help="Faster; nothing can be found again, so it is no evidence.")
@record_option
@quiet_option
@output_options
def scan(
    paths: tuple[Path, ...],
    *,
    again: bool,
    policy: str,
    baseline: Path | None,
    write_baseline: Path | None,
    no_digest: bool,
    record: bool | None,
    quiet: bool,
    format_: str | None,
    output: Path | None,
    strict: bool,
) -> int:
    """Say what is in PATH…: files, folders, archives; nothing in them is executed.

    Each file gets a verdict: data-only, named-classes (and which packages to pin), review, block or
    incomplete. Exit code 1 for block and review, 2 for incomplete or nothing examined.
    """
    from ancile.cli.scanning import Wanted, scanning  # noqa: PLC0415 - not needed for --help

    _fitting(paths, again=again, no_digest=no_digest, record=record, baseline=baseline or write_baseline)
    way = chosen(format_, output, strict=strict)
    wanted = Wanted(
        paths=paths,
        again=again,
        policy="strict" if policy == "strict" else "standard",
        baseline=baseline,
        write_baseline=write_baseline,
        digest=not no_digest,
        record=record,
        quiet=quiet,
    )
    return scanning(wanted, way)


def _fitting(
    paths: tuple[Path, ...], *, again: bool, no_digest: bool, record: bool | None, baseline: Path | None
) -> None:
    """Refuse options that take each other's ground away."""
    if again and paths:
        raise click.UsageError("--again scans what was scanned before: give no PATH with it")
    if not (again or paths):
        raise click.UsageError("give a PATH to scan, or --again")
    needing = {"--again": again, "--record": record, "--baseline": baseline}
    for option in (name for name, given in needing.items() if no_digest and given):
        raise AncileError(
            f"{option} needs the digests of the files",
            value=f"{option} --no-digest",
            remedy="leave one of the two out",
        )
