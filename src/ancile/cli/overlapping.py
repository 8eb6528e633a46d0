"""``ancile data overlap``."""

from __future__ import annotations

from pathlib import Path

import click

from ancile.cli.output import chosen, output_options, quiet_option, record_option


@click.command()
@click.argument("train", type=click.Path(path_type=Path))
@click.argument("test", type=click.Path(path_type=Path))
@click.option("--label", metavar="COLUMN", default="", help="Of the classes: compared for itself.")
@click.option("--group", metavar="COLUMN", default="", help="Of people, films, sessions: one side each.")
@click.option("--train-where", metavar="COLUMN=VALUE", default="", help="Only these rows of TRAIN.")
@click.option("--test-where", metavar="COLUMN=VALUE", default="", help="Only these rows of TEST.")
@record_option
@quiet_option
@output_options
def overlap(
    train: Path,
    test: Path,
    *,
    label: str,
    group: str,
    train_where: str,
    test_where: str,
    record: bool | None,
    quiet: bool,
    format_: str | None,
    output: Path | None,
    strict: bool,
) -> int:
    """Say which rows of TEST are rows of TRAIN too, or nearly.

    Tables, JSON lines, lines of text, arrays (.npz: x_train of the one, x_test of the other), idx files, or
    folders of pictures. Both may be one file, where columns say which rows are meant.
    """
    from ancile.cli.data_overlap import comparing  # noqa: PLC0415 - not needed for --help
    from ancile.data.leakage_reading import Chosen  # noqa: PLC0415 - likewise

    way = chosen(format_, output, strict=strict, read=(train, test))
    said = Chosen(label=label, group=group, train_where=train_where, test_where=test_where)
    return comparing(train, test, said, way, record=record, quiet=quiet)


OVERLAPPING: tuple[click.Command, ...] = (overlap,)
