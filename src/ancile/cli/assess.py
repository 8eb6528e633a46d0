"""``ancile assess MODEL``: attack a model, report, record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ancile.assess.config import LARGEST, AssessConfig
from ancile.cli.home import find_config
from ancile.cli.output import chosen, output_options, quiet_option, record_option


@click.command()
@click.argument("model")
@click.option("--data", help="Held-out set: .npz, .csv, .parquet, or a named set such as digits.")
@click.option("--label", help="Column of labels, for tables.")
@click.option("--drop", multiple=True, help="Column that is no input; may be repeated.")
@click.option("--where", help="Rows of a table to take: COLUMN=VALUE.")
@click.option("--bounds", help="LOW,HIGH of every input value.")
@click.option(
    "--norm", type=click.Choice(["linf", "l2", "l1", "l0"]), help="How the size of a change is measured."
)
@click.option("--eps", type=float, help="Largest change, in the data's own units.")
@click.option(
    "--units",
    type=click.Choice(["data", "range"]),
    default="data",
    help="For tables; range: eps in shares of each feature's range.",
)
@click.option("--samples", type=click.IntRange(0, LARGEST), help="How many are drawn at random; 0: all.")
@click.option("--seed", type=click.IntRange(0, LARGEST), help="Of every random draw.")
@click.option("--effort", type=click.Choice(["quick", "standard", "thorough"]), help="How hard to attack.")
@click.option("--search-form", help="As an earlier report names it, to repeat its run; else the fastest.")
@click.option("--budget", help="Time, such as 10m; then the report speaks of what was done.")
@click.option("--query-cap", type=click.IntRange(1, LARGEST), help="Most samples sent to the model.")
@click.option("--memory", help="For a batch of samples, such as 2GB; without it half of what is free.")
@click.option(
    "--workers", type=click.IntRange(1, 256), default=1, help="Processes that the samples are spread over."
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    help="Where they run: on this machine, or on a Ray cluster.",
)
@click.option("--weights", type=click.Path(path_type=Path), help="safetensors or state dict for a factory.")
@click.option(
    "--allow-read",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File or folder that the model's code may read besides its own; may be repeated.",
)
@click.option("--factory-args", help="Keyword arguments of the factory, as a JSON object.")
@click.option("--scores", type=click.Choice(["auto", "logits", "probabilities", "labels"]), default="auto")
@click.option("--mean", help="Per channel or feature, comma-separated: the network gets (x - mean) / std.")
@click.option("--std", help="See --mean.")
@click.option("--trust-pickle", is_flag=True, help="Unpickle MODEL: it may run any code, in a child process.")
@click.option("--trust-torchscript", is_flag=True, help="Load TorchScript: it may run any code, likewise.")
@click.option("--adversarial", type=click.Path(path_type=Path), help="Write the examples found to FILE.npz.")
@record_option
@click.option("--gate", "with_gate", is_flag=True, help="Then decide by the policy; its exit code counts.")
@click.option(
    "--evidence", "files", multiple=True, type=click.Path(path_type=Path), help="With --gate: evidence file."
)
@click.option(
    "--against",
    multiple=True,
    type=click.Path(path_type=Path),
    help="With --gate: report or checkpoint you kept.",
)
@quiet_option
@output_options
def assess(model: str, **options: Any) -> int:
    """Attack MODEL and say how robust it is, and how sure that is.

    MODEL is a torch.export file (.pt2), ONNX, FILE.py:factory or package.module:factory (with --weights),
    skops, a native XGBoost or LightGBM file, package.module:predict, or an http(s) URL of an Open Inference
    Protocol v2 endpoint. Nothing in a file is executed unless a --trust option says so.
    """
    from ancile.cli.assessing import perform, request  # noqa: PLC0415 - numpy stays out of --help

    output = chosen(options.pop("format_"), options.pop("output"), strict=bool(options.pop("strict")))
    return perform(request(model, options, find_config(Path.cwd()).get("assess", AssessConfig)), output)
