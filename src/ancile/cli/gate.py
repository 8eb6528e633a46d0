"""``ancile gate MODEL``: the policy against the evidence for exactly these bytes."""

from __future__ import annotations

from pathlib import Path

import click

from ancile.cli.gating import decided, named, question
from ancile.cli.home import Home, need_home
from ancile.cli.output import apart, chosen, deliver, output_options, talk, writable
from ancile.cli.values import factory_arguments
from ancile.core.errors import AncileError
from ancile.core.report import Record, exit_code
from ancile.core.subject import DIGEST, Subject
from ancile.govern.checks import decision_report
from ancile.govern.remedy import Naming
from ancile.models.judged import copy_judged, judged_model
from ancile.models.reference import Referred


@click.command()
@click.argument("model", required=False)
@click.option("--data", metavar="NAME[@N]", help="Instead of a model this version of a data set.")
@click.option("--evidence", "files", multiple=True, type=click.Path(path_type=Path), help="Evidence file.")
@click.option(
    "--against", multiple=True, type=click.Path(path_type=Path), help="Report or checkpoint you kept."
)
@click.option("--weights", type=click.Path(path_type=Path), help="As given to assess.")
@click.option("--factory-args", help="As given to assess.")
@click.option("--copy-to", type=click.Path(path_type=Path), help="On a pass, hand over the bytes judged.")
@click.option("--record/--no-record", default=True, help="Whether the decision becomes evidence.")
@output_options
def gate(
    model: str | None,
    *,
    data: str | None,
    files: tuple[Path, ...],
    against: tuple[Path, ...],
    weights: Path | None,
    factory_args: str | None,
    copy_to: Path | None,
    record: bool,
    format_: str | None,
    output: Path | None,
    strict: bool,
) -> int:
    """Hold the evidence for MODEL, as it is now, against the policy in ancile.toml.

    Exit codes: 0 every requirement is met, 1 one is not met, 2 no conclusion: evidence is missing, stale,
    revoked or by an author who does not count.
    """
    if (model is None) == (data is None):
        raise click.UsageError("name a model, or a version of a data set with --data")
    if data is not None and (weights or factory_args or copy_to):
        raise click.UsageError("--weights, --factory-args and --copy-to are for models")
    way, home = chosen(format_, output, strict=strict), need_home(Path.cwd())
    if copy_to is not None:
        writable("the copy", copy_to)
    if output is not None:
        apart(
            "the report",
            output,
            read=map(str, (model or "", (model or "").rpartition(":")[0], weights or "", *files, *against)),
        )
    if model is None:
        asked = question(home, files=files, against=against, naming=Naming((data or "",)))
        decision, evidence = decided(home, _version(home, data or ""), asked, record=record)
        return deliver(Record(report=decision_report(decision), evidence=evidence), way)
    judged = _judged(model, weights, factory_args)
    if copy_to is not None and judged is None:
        raise AncileError("an endpoint has no bytes to hand over", value=model, remedy="leave --copy-to out")
    subject = judged.subject if judged else Subject(kind="deployment", name=model, digest=model)
    naming = named(model, weights, factory_arguments(factory_args), data=home.assess.data)
    asked = question(home, files=files, against=against, naming=naming)
    decision, evidence = decided(home, subject, asked, record=record)
    report = decision_report(decision)
    if judged and copy_to is not None and exit_code(report, strict=strict) != 0:
        talk("nothing was handed over: the gate did not say pass")
    elif judged and copy_to is not None:
        names = (Path(judged.order.path or model).name, weights.name if weights else "")
        copy_judged(judged, copy_to, names=names[: len(judged.parts)])
        talk(f"handed over the bytes that were judged: {copy_to}")
    return deliver(Record(report=report, evidence=evidence), way)


def _version(home: Home, spelled: str) -> Subject:
    """The version as its evidence names it."""
    from ancile.cli.versioning import store_of  # noqa: PLC0415 - not for models, which need no extra
    from ancile.data.version import parse_spelled  # noqa: PLC0415 - likewise

    with store_of(home) as store:
        return store.find(parse_spelled(spelled)).version.subject()


def _judged(model: str, weights: Path | None, factory_args: str | None) -> Referred | None:
    """The bytes to judge; None where MODEL is the digest of an endpoint, as its report names it."""
    if DIGEST.fullmatch(model):
        return None
    return judged_model(model, weights=weights, factory_args=factory_arguments(factory_args), base=Path.cwd())
