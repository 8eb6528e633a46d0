"""``ancile data recipient``, ``seal``, ``open``, ``access``: data that only who has a key can read."""

from __future__ import annotations

from pathlib import Path

import click

from ancile.cli.output import chosen, quiet_option


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to FILE, not to stdout.")
def recipient(output: Path | None) -> None:
    """Write what others need to seal data to you: public keys, signed by your author key."""
    from ancile.cli.sealed import writing_recipient  # noqa: PLC0415 - not needed for --help

    writing_recipient(output)


@click.command()
@click.argument("what", metavar="PATH|NAME@N")
@click.option("-o", "--output", "target", required=True, type=click.Path(path_type=Path), help="New file.")
@click.option(
    "--to",
    multiple=True,
    metavar="[ROLE=]FILE",
    help="Whose `recipient` file, and in which role; without it you alone.",
)
@click.option("--report", type=click.Path(path_type=Path), help="Write the report to FILE, not to stdout.")
@click.option("--strict", is_flag=True, help="A WARN makes the exit code 1.")
@quiet_option
def seal(
    what: str, *, target: Path, to: tuple[str, ...], report: Path | None, strict: bool, quiet: bool
) -> int:
    """Encrypt a file, a folder or a version so that only the recipients can open it.

    The plain files stay where they are. The sealed file can be kept anywhere; that it was sealed, and to
    whom, is evidence in the ledger.
    """
    from ancile.cli.sealed import sealing  # noqa: PLC0415 - not needed for --help

    return sealing(what, target, to, chosen(None, report, strict=strict), quiet=quiet)


@click.command("open")
@click.argument("sealed", metavar="FILE", type=click.Path(path_type=Path))
@click.option("-o", "--output", "target", required=True, type=click.Path(path_type=Path), help="New place.")
@click.option("--file", help="Only this file of a sealed folder.")
@click.option("--bytes", "range_", metavar="FIRST:END", help="Only these bytes of the file.")
@click.option("--row-groups", metavar="N,…", help="Only these row groups of a Parquet file, from 0.")
@click.option("--report", type=click.Path(path_type=Path), help="Write the report to FILE, not to stdout.")
@click.option("--strict", is_flag=True, help="A WARN makes the exit code 1.")
@quiet_option
def open_(
    sealed: Path,
    *,
    target: Path,
    file: str | None,
    range_: str | None,
    row_groups: str | None,
    report: Path | None,
    strict: bool,
    quiet: bool,
) -> int:
    """Decrypt a sealed file, or a part of it, to a place where nothing is yet.

    That it is opened, by whose key and which part, stands in the ledger before a byte comes out.
    """
    from ancile.cli.sealed import opening  # noqa: PLC0415 - not needed for --help

    return opening(
        sealed,
        target,
        chosen(None, report, strict=strict),
        file=file,
        range_=range_,
        groups=row_groups,
        quiet=quiet,
    )


@click.command()
@click.argument("data", metavar="[NAME|DIGEST]", required=False)
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def access(data: str | None, format_: str) -> None:
    """List who opened sealed data, from the ledger; of one set where its name or digest is given."""
    from ancile.cli.sealed import list_accesses  # noqa: PLC0415 - not needed for --help

    list_accesses(data, as_json=format_ == "json")


PROTECTING = (recipient, seal, open_, access)
