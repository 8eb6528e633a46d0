"""``ancile data`` on what is personal: pii, redact."""

from __future__ import annotations

from pathlib import Path

import click

from ancile.cli.output import chosen, output_options, quiet_option, record_option


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@record_option
@quiet_option
@output_options
def pii(
    paths: tuple[Path, ...],
    *,
    record: bool | None,
    quiet: bool,
    format_: str | None,
    output: Path | None,
    strict: bool,
) -> int:
    """Say which personal data and secrets text files hold, and in which lines.

    By published forms and checksums: addresses of mail and net, telephones, cards, accounts, numbers of
    people, keys and tokens. Names and addresses of houses have no form and are not looked for. What stands
    there is in no report.
    """
    from ancile.cli.personal import looking  # noqa: PLC0415 - not needed for --help

    return looking(paths, chosen(format_, output, strict=strict), record=record, quiet=quiet)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="New file.")
@click.option("--kind", "kinds", multiple=True, help="Only this kind, as `pii` names it; else all.")
@click.option(
    "--pseudonyms",
    "key",
    type=click.Path(path_type=Path),
    metavar="KEYFILE",
    help="Write other values of the same form, the same for the same, under the key in this file.",
)
def redact(file: Path, output: Path, kinds: tuple[str, ...], key: Path | None) -> None:
    """Write FILE with its personal data and secrets replaced by their kinds in brackets, or by pseudonyms.

    A pseudonym has the form of what it stands for, and stands for it wherever it is, in all files that are
    written under one key: cards fulfil their checksum, addresses of mail stay such. Secrets have none.
    """
    from ancile.cli.personal import redacting  # noqa: PLC0415 - not needed for --help

    redacting(file, output, kinds, key)


PRIVACY = (pii, redact)
