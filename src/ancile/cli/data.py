"""``ancile data``: add, log, diff, verify, get, lineage; pii, redact."""

from __future__ import annotations

from pathlib import Path

import click

from ancile.cli.checking import CHECKING
from ancile.cli.output import chosen, output_options, quiet_option, record_option
from ancile.cli.overlapping import OVERLAPPING
from ancile.cli.privacy import PRIVACY
from ancile.cli.protecting import PROTECTING


@click.group()
def data() -> None:
    """Know where data came from, and prove that it did not change."""


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="Of the data set; else PATH as seen from the project's folder.")
@click.option("--source", default="", help="Address or place that it was taken from.")
@click.option("--collector", default="", help="Who collected it.")
@click.option("--licence", default="", help="SPDX expression, such as CC-BY-4.0, or words.")
@click.option("--parent", "parents", multiple=True, metavar="NAME@N", help="Made from this version.")
@click.option("--transformation", default="", help="What was done to the parents.")
@click.option("--access", default="", help="Who may have it.")
@click.option("--note", default="", help="What else is to be known.")
@click.option(
    "--subject",
    metavar="COLUMN",
    help="Seal each row under a key of whom this column says it is about, so that `erase` reaches it.",
)
@quiet_option
@output_options
def add(
    path: Path,
    *,
    name: str | None,
    source: str,
    collector: str,
    licence: str,
    parents: tuple[str, ...],
    transformation: str,
    access: str,
    note: str,
    subject: str | None,
    quiet: bool,
    format_: str | None,
    output: Path | None,
    strict: bool,
) -> int:
    """Keep PATH, a file or a folder, as the next version of a data set, with where it came from.

    The version is kept in the home in chunks that versions share, and is evidence in the ledger. Nothing of
    PATH is touched.
    """
    from ancile.cli.versioning import adding  # noqa: PLC0415 - not needed for --help
    from ancile.data.version import Provenance  # noqa: PLC0415 - likewise

    provenance = Provenance(
        source=source,
        collector=collector,
        licence=licence,
        transformation=transformation,
        access=access,
        note=note,
        parents=parents,
    )
    way = chosen(format_, output, strict=strict)
    return adding(path, name, provenance, way, subject=subject, quiet=quiet)


@data.command()
@click.argument("name", required=False)
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def log(name: str | None, format_: str) -> None:
    """List the versions of all data sets, or those of NAME."""
    from ancile.cli.versioning import list_versions  # noqa: PLC0415 - not needed for --help

    list_versions(name, as_json=format_ == "json")


@data.command()
@click.argument("old", metavar="V1")
@click.argument("new", metavar="V2")
@click.option("-f", "--format", "format_", type=click.Choice(["table", "json"]), default="table")
def diff(old: str, new: str, format_: str) -> int:
    """Say what differs between two versions, NAME@N each; exit code 1 where something does."""
    from ancile.cli.versioning import difference  # noqa: PLC0415 - not needed for --help

    return difference(old, new, as_json=format_ == "json")


@data.command()
@click.argument("version", metavar="NAME[@N]")
@click.option("--path", type=click.Path(path_type=Path), help="Where the files lie; else where NAME says.")
@record_option
@quiet_option
@output_options
def verify(
    version: str,
    *,
    path: Path | None,
    record: bool | None,
    quiet: bool,
    format_: str | None,
    output: Path | None,
    strict: bool,
) -> int:
    """Say whether the files are those of a version, the latest without @N, and which rows changed."""
    from ancile.cli.versioning import verifying  # noqa: PLC0415 - not needed for --help

    return verifying(version, path, chosen(format_, output, strict=strict), record=record, quiet=quiet)


@data.command()
@click.argument("version", metavar="NAME[@N]")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="New file or folder.")
def get(version: str, output: Path) -> None:
    """Write a version as it was added, to a place where nothing is yet."""
    from ancile.cli.versioning import getting  # noqa: PLC0415 - not needed for --help

    getting(version, output)


@data.command()
@click.argument("version", metavar="NAME[@N]")
@click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice(["table", "mermaid", "json", "openlineage"]),
    default="table",
)
def lineage(version: str, format_: str) -> None:
    """Say what a version was made from, back to the sources."""
    if format_ == "openlineage":
        from ancile.cli.exporting import show_events  # noqa: PLC0415 - not needed for --help

        show_events(version)
        return
    from ancile.cli.versioning import show_lineage  # noqa: PLC0415 - not needed for --help

    show_lineage(version, format_)


@data.command()
@click.argument("version", metavar="NAME[@N]")
@click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice(["croissant", "cyclonedx"]),
    required=True,
    help="Croissant 1.1, or a data component of CycloneDX 1.6.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to FILE, not to stdout.")
def export(version: str, format_: str, output: Path | None) -> None:
    """Describe a version to other programs: files, digests, origin, licence, and columns of tables."""
    from ancile.cli.exporting import exporting  # noqa: PLC0415 - not needed for --help

    exporting(version, format_, output)


@data.command()
@click.argument("version", metavar="NAME[@N]")
@click.argument("path", required=False)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File of the proof.")
@click.option("--bytes", "span", metavar="FIRST-LAST", help="These bytes of the file alone.")
@click.option("--row-group", "group", type=click.IntRange(min=0), help="This row group of a Parquet file.")
@click.option("--row", type=click.IntRange(min=0), help="This row of the file, from 0 without a header.")
@click.option(
    "--content", type=click.Path(path_type=Path), help="What is in FILE: the whole, and each of its rows."
)
@quiet_option
def prove(
    version: str,
    path: str | None,
    *,
    output: Path,
    span: str | None,
    group: int | None,
    row: int | None,
    content: Path | None,
    quiet: bool,
) -> None:
    """Write a proof that a file, a part of it or a row is in a version, or is not.

    PATH is a file of the version, or would be one; a version of one file needs none. The proof carries the
    evidence of the version, and `ancile data check-proof` verifies it without data and without a ledger. The
    first proof of a row lists all rows of the version once, which is evidence too.
    """
    from ancile.cli.proving import proving  # noqa: PLC0415 - not needed for --help

    proving(version, path, span=span, group=group, row=row, content=content, output=output, quiet=quiet)


@data.command("check-proof")
@click.argument("proof", type=click.Path(path_type=Path))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--key", "keys", multiple=True, help="Verifier keys of the log; else those in ancile.toml.")
@click.option("--signer", "signers", multiple=True, help="Id of an author; else those in ancile.toml.")
def check_proof(proof: Path, file: Path | None, keys: tuple[str, ...], signers: tuple[str, ...]) -> int:
    """Verify a proof offline, and whether FILE is what it speaks of.

    Exit code 1 where FILE is something else, 2 where the proof does not hold, or nobody has signed it who is
    relied on.
    """
    from ancile.cli.proving import checking  # noqa: PLC0415 - not needed for --help

    return checking(proof, file, keys=keys, signers=signers)


for overlapping in OVERLAPPING:
    data.add_command(overlapping)


for protecting in PROTECTING:
    data.add_command(protecting)


for checking in CHECKING:
    data.add_command(checking)


for private in PRIVACY:
    data.add_command(private)
