"""``ancile data recipient``, ``seal``, ``open``, ``access``; ``mark``, ``trace``: data that have an owner."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from ancile.cli.output import chosen, output_options, quiet_option, record_option


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

    way = chosen(
        None, report, strict=strict, read=(Path(what), *(Path(one.rpartition("=")[2]) for one in to))
    )
    return sealing(what, target, to, way, quiet=quiet)


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
        chosen(None, report, strict=strict, read=(sealed,)),
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


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("-o", "--output", "target", required=True, type=click.Path(path_type=Path), help="New file.")
@click.option("--key", required=True, type=click.Path(path_type=Path), help="New file: what finds the marks.")
@click.option("--label", default="", help="Column of the labels, of a table.")
@click.option("--where", metavar="COLUMN=VALUE", help="Only rows that are trained on, as in split=train.")
@click.option("--share", type=float, default=0.01, show_default=True, help="Of the rows, to be marked.")
@click.option(
    "--eps",
    type=float,
    default=16 / 255,
    show_default="16/255",
    help="Largest change of a pixel, of its range.",
)
@click.option("--report", type=click.Path(path_type=Path), help="Write the report to FILE, not to stdout.")
def mark(
    path: Path,
    *,
    target: Path,
    key: Path,
    label: str,
    where: str | None,
    share: float,
    eps: float,
    report: Path | None,
) -> int:
    """Write PATH with marks in it, by which a model that was trained on it can be told.

    A table (CSV, Parquet) gets rows of its own cells with labels that the key deals; pictures (.npz) get such
    rows and, in others, weak waves. The digest of the key is evidence in the ledger.
    """
    from ancile.cli.marked import marking  # noqa: PLC0415 - not needed for --help
    from ancile.data.marking import Asked  # noqa: PLC0415 - likewise

    column, equals, value = (where or "").partition("=")
    chosen_rows = (column, value) if equals else None
    if where and not (column and equals):
        raise click.UsageError("--where takes COLUMN=VALUE")
    return marking(
        path,
        target,
        key,
        Asked(label, chosen_rows, share, eps),
        chosen(None, report, strict=False, read=(path,)),
    )


@click.command()
@click.argument("key", required=False, type=click.Path(path_type=Path))
@click.option("--model", help="A model's file, FILE.py:name, or a URL, as `ancile assess` takes it.")
@click.option("--drop", multiple=True, metavar="COLUMN", help="Column that the model does not get.")
@click.option("--mean", help="Per channel or feature, comma-separated: the network gets (x - mean) / std.")
@click.option("--std", help="See --mean.")
@click.option("--scores", type=click.Choice(["auto", "logits", "probabilities", "labels"]), default="auto")
@click.option("--trust-pickle", is_flag=True, help="Open pickled models in a process of their own.")
@click.option("--trust-torchscript", is_flag=True, help="Open TorchScript in a process of its own.")
@click.option("--queries", type=click.Path(path_type=Path), help="Only write to FILE what a model is asked.")
@click.option("--answers", type=click.Path(path_type=Path), help="A model's answers to that, as CSV.")
@click.option("--given", metavar="DATA", help="Without KEY: rows that were given out, and carry no marks.")
@click.option("--held-back", metavar="DATA", help="Rows of the same source that nobody got.")
@click.option("--label", help="Column of the labels, of tables that were given and held back.")
@record_option
@output_options
def trace(
    key: Path | None,
    *,
    model: str | None,
    drop: tuple[str, ...],
    mean: str | None,
    std: str | None,
    scores: Literal["auto", "logits", "probabilities", "labels"],
    trust_pickle: bool,
    trust_torchscript: bool,
    queries: Path | None,
    answers: Path | None,
    given: str | None,
    held_back: str | None,
    label: str | None,
    record: bool | None,
    format_: str | None,
    output: Path | None,
    strict: bool,
) -> int | None:
    """Say whether a model was trained on data that was marked, with a p-value; exit code 1 where it was.

    KEY is the file that `mark --key` wrote. A model that cannot be opened here is asked by whoever has it.
    Without KEY two parts of one set are compared, dealt at random, of which one was given out: a weaker test.
    """
    from ancile.cli.marked import Given, Order, asking, comparing, tracing  # noqa: PLC0415 - not needed for --help
    from ancile.cli.values import numbers  # noqa: PLC0415 - likewise

    files = (one and Path(one) for one in (key, answers, given, held_back))
    way = chosen(format_, output, strict=strict, read=[one for one in files if one])
    scale = numbers("--mean", mean), numbers("--std", std)
    order = Order(model, drop, scores, trust_pickle, trust_torchscript, *scale) if model else None
    if key is None:
        if order is None or given is None or held_back is None:
            raise click.UsageError("give KEY, or --model with --given and --held-back")
        return comparing(Given(given, held_back, label), order, way, record=record)
    if sum(one is not None for one in (model, queries, answers)) != 1 or given or held_back:
        raise click.UsageError("give one of --model, --queries and --answers beside KEY")
    if queries is not None:
        asking(key, queries)
        return None
    return tracing(key, answers, order, way, record=record)


PROTECTING = (recipient, seal, open_, access, mark, trace)
