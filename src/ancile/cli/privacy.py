"""``ancile data`` on what is personal: pii, redact, retain, erase, risk."""

from __future__ import annotations

from pathlib import Path

import click

from ancile.cli.output import chosen, output_options, quiet_option, record_option

names_option = click.option(
    "--names",
    "with_names",
    is_flag=True,
    help="Look for names of people and addresses of houses as well, by lists and forms: neither is sure.",
)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@names_option
@record_option
@quiet_option
@output_options
def pii(
    paths: tuple[Path, ...],
    *,
    with_names: bool,
    record: bool | None,
    quiet: bool,
    format_: str | None,
    output: Path | None,
    strict: bool,
) -> int:
    """Say which personal data and secrets files hold, and in which lines or columns.

    Texts, and tables as CSV, JSON lines, Parquet or Arrow. By published forms and checksums: addresses of
    mail and net, telephones, cards, accounts, numbers of people, keys and tokens; by names of columns what
    has no form. What stands there is in no report.
    """
    from ancile.cli.personal import looking  # noqa: PLC0415 - not needed for --help

    way = chosen(format_, output, strict=strict, read=paths)
    return looking(paths, way, with_names=with_names, record=record, quiet=quiet)


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
@names_option
def redact(file: Path, output: Path, kinds: tuple[str, ...], *, key: Path | None, with_names: bool) -> None:
    """Write FILE with its personal data and secrets replaced by their kinds in brackets, or by pseudonyms.

    A pseudonym has the form of what it stands for, and stands for it wherever it is, in all files that are
    written under one key: cards fulfil their checksum, addresses of mail stay such. Secrets have none.
    """
    from ancile.cli.personal import redacting  # noqa: PLC0415 - not needed for --help

    redacting(file, output, kinds, key, with_names=with_names)


@click.command()
@click.argument("name", required=False)
@click.option("--older-than", required=True, metavar="DURATION", help="Such as 365d: counted from now.")
@click.option("--column", help="Of the day: rows of NAME that are older go, and not whole versions.")
@click.option("--reason", default="", help="Why: it stands in the ledger.")
@click.option("--yes", is_flag=True, help="Do it, for good; without it is only said what would go.")
def retain(name: str | None, *, older_than: str, column: str | None, reason: str, yes: bool) -> None:
    """Erase the content of versions older than that, of all data sets or of NAME.

    Chunks that no other version has are gone; names, digests and entries stay, and `ancile data verify` says
    by which entry a version was erased. With --column the latest version of NAME, a CSV or JSON lines file or
    a folder of them, is kept on as a new one without rows that are too old, and all before it end.
    """
    from ancile.cli.forgetting import retaining  # noqa: PLC0415 - not needed for --help

    retaining(name, older_than, column, reason, yes=yes)


@click.command()
@click.option("--subject", required=True, metavar="ID", help="Whom, as the column has it.")
@click.option("--reason", default="", help="Why: it stands in the ledger.")
@click.option("--yes", is_flag=True, help="Do it, for good; without it only rows are counted.")
@output_options
def erase(
    subject: str, *, reason: str, yes: bool, format_: str | None, output: Path | None, strict: bool
) -> int:
    """Erase a subject from all versions of sets that were added with --subject, by deleting the key.

    No version can show the rows any more, nor can any copy of the data. The report, which is evidence and
    does not say whom it is about, counts the rows, and names versions in the open that may hold some, and
    models that the ledger knows with such data.
    """
    from ancile.cli.erasing import erasing  # noqa: PLC0415 - not needed for --help

    return erasing(subject, reason, chosen(format_, output, strict=strict), yes=yes)


@click.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--quasi", default="", metavar="A,B,…", help="What others may know; else what is suggested.")
@click.option("--sensitive", default="", metavar="C,…", help="What they are not to learn.")
@click.option(
    "--k", "least_k", type=click.IntRange(2), help="FAIL where a class has fewer rows; else a WARN below 5."
)
@click.option(
    "--l", "least_l", type=click.IntRange(2), help="FAIL where it has fewer sensitive values; else a WARN."
)
@record_option
@output_options
def risk(
    path: Path,
    *,
    quasi: str,
    sensitive: str,
    least_k: int | None,
    least_l: int | None,
    record: bool | None,
    format_: str | None,
    output: Path | None,
    strict: bool,
) -> int:
    """Say how well a table hides its people: k-anonymity, l-diversity, the chance of being found.

    A class is the rows that are equal in what others may know (quasi-identifiers: age, sex, place). Without
    --quasi columns are suggested, those first that single out most rows.
    """
    from ancile.cli.risk import risking  # noqa: PLC0415 - not needed for --help
    from ancile.data.risk import Wanted  # noqa: PLC0415 - likewise

    known, hidden = (
        tuple(one.strip() for one in said.split(",") if one.strip()) for said in (quasi, sensitive)
    )
    wanted = Wanted(known, hidden, least_k, least_l)
    return risking(path, wanted, chosen(format_, output, strict=strict, read=(path,)), record=record)


PRIVACY = (pii, redact, retain, erase, risk)
