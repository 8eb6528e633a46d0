"""``ancile data`` on the content of data: check, clean, vet."""

from __future__ import annotations

from pathlib import Path

import click

from ancile.cli.output import apart, chosen, output_options, quiet_option, record_option

ROWS = 25_000  # searched; cost grows faster than their number
MOST = 2**53 - 1  # what a report can hold of a number


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--label", metavar="COLUMN", default="", help="Of the classes; else one called label, target or y."
)
@click.option("--source", metavar="COLUMN", default="", help="Who or what brought each row.")
@click.option(
    "--reference",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Rows of the same kind that are trusted.",
)
@click.option("--against", metavar="NAME@N", help="Version to compare with; else the latest of PATH.")
@click.option("--expect", metavar="FILE", type=click.Path(path_type=Path), help="What it has to keep to.")
@click.option("--freeze", metavar="FILE", type=click.Path(path_type=Path), help="Write what it keeps to now.")
@click.option(
    "--rows",
    type=click.IntRange(20, MOST),
    default=ROWS,
    show_default=True,
    help="At most so many are searched for poison, drawn at random.",
)
@click.option(
    "--seed", type=click.IntRange(0, MOST), default=0, show_default=True, help="Of the draw and the search."
)
@record_option
@quiet_option
@output_options
def check(
    path: Path,
    *,
    label: str,
    source: str,
    reference: Path | None,
    against: str | None,
    expect: Path | None,
    freeze: Path | None,
    rows: int,
    seed: int,
    record: bool | None,
    quiet: bool,
    format_: str | None,
    output: Path | None,
    strict: bool,
) -> int:
    """Say what is wrong with the data at PATH, and which rows were planted or mislabelled.

    PATH is a table (CSV, Parquet, Arrow), JSON lines or chats, lines of text, an array (.npz), an idx file,
    or a folder of pictures or texts, where the class is the folder. The report ranks the rows, worst first.
    """
    from ancile.cli.data_check import checking  # noqa: PLC0415 - not needed for --help
    from ancile.data.checking.expectations import read_expectations  # noqa: PLC0415 - likewise
    from ancile.data.checking.report import Order  # noqa: PLC0415 - likewise
    from ancile.data.checking.tables import Asked  # noqa: PLC0415 - likewise

    way = chosen(format_, output, strict=strict, read=(path, reference, expect))
    if freeze is not None:
        apart(
            "what is frozen", freeze, read=[str(one) for one in (path, reference, expect) if one is not None]
        )
    order = Order(
        path=path,
        asked=Asked(label=label, source=source),
        rows=rows,
        seed=seed,
        reference=reference,
        expected=None if expect is None else read_expectations(expect),
    )
    return checking(order, way, against=against, freeze=freeze, record=record, quiet=quiet)


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="New file or folder.")
@click.option(
    "--from",
    "report",
    metavar="REPORT",
    type=click.Path(path_type=Path),
    help="JSON of the check of PATH.",
)
@click.option(
    "--score", type=float, default=1.0, show_default=True, help="Of a report, rows from this score on."
)
@click.option("--rows", metavar="LIST", default="", help="Rows by number, from 0: 3,7,12-15.")
@quiet_option
def clean(path: Path, *, output: Path, report: Path | None, score: float, rows: str, quiet: bool) -> int:
    """Write the data at PATH without some of its rows to a new place; PATH stays as it is.

    Where PATH is a version that is kept, what is written becomes a version too, with PATH as its parent.
    """
    from ancile.cli.data_check import Wish, cleaning  # noqa: PLC0415 - not needed for --help

    if (report is None) == (not rows):
        raise click.UsageError("say which rows: --from REPORT, or --rows LIST")
    return cleaning(Wish(path, report, rows, score), output, quiet=quiet)


@click.command()
@click.argument("version", metavar="NAME[@N]")
@click.option("--label", metavar="COLUMN", default="", help="As given to check.")
@click.option(
    "--rows", type=click.IntRange(20, MOST), default=ROWS, show_default=True, help="As given to check."
)
@click.option("--seed", type=click.IntRange(0, MOST), default=0, show_default=True, help="As given to check.")
@record_option
@quiet_option
@output_options
def vet(
    version: str,
    *,
    label: str,
    rows: int,
    seed: int,
    record: bool | None,
    quiet: bool,
    format_: str | None,
    output: Path | None,
    strict: bool,
) -> int:
    """Give one verdict on a version: origin, licence, content, personal data.

    It is evidence of stage "data vet" about exactly these bytes, which a gate can require. It fails where no
    source or licence is named, where the check of the content fails, and where there are secrets.
    """
    from ancile.cli.data_vet import Wish, vetting  # noqa: PLC0415 - not needed for --help

    way = chosen(format_, output, strict=strict)
    return vetting(Wish(version, label, rows, seed), way, usual_rows=ROWS, record=record, quiet=quiet)


CHECKING: tuple[click.Command, ...] = (check, clean, vet)
