"""``ancile data`` on the content of data: check."""

from __future__ import annotations

from pathlib import Path

import click

from ancile.cli.output import apart, chosen, output_options, quiet_option, record_option

ROWS = 25_000  # searched; cost grows faster than their number


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
@click.option(
    "--rows",
    type=click.IntRange(20),
    default=ROWS,
    show_default=True,
    help="At most so many are searched for poison, drawn at random.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the draw and the search."
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
    from ancile.data.checking.report import Order  # noqa: PLC0415 - likewise
    from ancile.data.checking.tables import Asked  # noqa: PLC0415 - likewise

    way = chosen(format_, output, strict=strict)
    if output is not None:
        apart("the report", output, read=[str(one) for one in (path, reference) if one is not None])
    order = Order(
        path=path, asked=Asked(label=label, source=source), rows=rows, seed=seed, reference=reference
    )
    return checking(order, way, record=record, quiet=quiet)


CHECKING: tuple[click.Command, ...] = (check,)
