"""``ancile attack-gateway URL``: the bundled attackers against a running gateway."""

from __future__ import annotations

from pathlib import Path

import click

from ancile.cli.output import chosen, output_options, quiet_option, record_option


@click.command("attack-gateway")
@click.argument("url")
@click.option("--model", required=True, help="As the gateway names it.")
@click.option(
    "--key-env",
    "variables",
    multiple=True,
    required=True,
    help="Environment variable with an API key; attackers share several, each asking its part.",
)
@click.option("--data", required=True, help="Rows that the attackers own, with labels: .npz, .csv, .parquet.")
@click.option("--attack", "attacks", multiple=True, help="This one only; may be repeated.")
@click.option("--queries", type=click.IntRange(10, 100_000), default=100, show_default=True, help="For each.")
@click.option("--seconds", type=click.FloatRange(1), default=600, show_default=True, help="For all of them.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of every random draw.")
@click.option("--address", help="The host of URL once more, where it is not this machine.")
@record_option
@quiet_option
@output_options
def attack_gateway(
    url: str,
    *,
    model: str,
    variables: tuple[str, ...],
    data: str,
    attacks: tuple[str, ...],
    queries: int,
    seconds: float,
    seed: int,
    address: str | None,
    format_: str | None,
    output: Path | None,
    strict: bool,
    record: bool | None,
    quiet: bool,
) -> int:
    """Attack the gateway at URL, and say what got through and what was seen.

    Searches of the boundary (naive, and by an author who reads the detector), thefts of the model, and
    guesses of keys, with keys that you give. What was seen is told where the gateway's records are in this
    home. Only this machine is attacked unless --address names another.
    """
    from ancile.cli.attacking_gateway import Wanted, attacked, delivered  # noqa: PLC0415 - not for --help

    way = chosen(format_, output, strict=strict)
    wanted = Wanted(
        url=url,
        model=model,
        variables=variables,
        data=data,
        attacks=attacks,
        queries=queries,
        seconds=seconds,
        seed=seed,
        address=address,
        quiet=quiet,
    )
    return delivered(attacked(wanted), record, way)
