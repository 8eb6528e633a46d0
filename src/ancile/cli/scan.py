"""``ancile scan PATH…``: what files hold that could run, break or mislead whoever opens them."""

from __future__ import annotations

from pathlib import Path

import click

from ancile.cli.output import chosen, deliver, output_options, talk


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--record/--no-record", default=None, help="Sign into the ledger; the default where there is one."
)
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@output_options
def scan(
    paths: tuple[Path, ...],
    *,
    record: bool | None,
    quiet: bool,
    format_: str | None,
    output: Path | None,
    strict: bool,
) -> int:
    """Say what is in PATH…: files, folders, archives; nothing in them is executed.

    Each file gets a verdict: data-only, named-classes (and which packages to pin), review, block or
    incomplete. Exit code 1 for block and review, 2 for incomplete or nothing examined.
    """
    from ancile.cli.home import find_home, need_home  # noqa: PLC0415 - not needed for --help
    from ancile.core.report import Record  # noqa: PLC0415 - likewise
    from ancile.core.text import plain  # noqa: PLC0415 - likewise
    from ancile.scan.files import find_files  # noqa: PLC0415 - likewise
    from ancile.scan.stage import scan as scanned  # noqa: PLC0415 - likewise
    from ancile.work.clock import system_clock  # noqa: PLC0415 - likewise
    from ancile.work.progress import progress_line  # noqa: PLC0415 - likewise

    way = chosen(format_, output, strict=strict)
    base = Path.cwd()
    home = need_home(base) if record else find_home(base)
    found = find_files(paths)
    name = plain(" ".join(map(str, paths)), 200)
    with progress_line("scan", quiet=quiet) as line:
        report = scanned(name, found, clock=system_clock(), progress=line.say)
    if home is None or record is False:
        code = deliver(Record(report=report), way)
        why = "`ancile init` makes keys and a ledger" if home is None else "--no-record leaves it out"
        talk(f"not evidence: nothing was signed ({why})")
        return code
    from ancile.cli.recorder import open_recorder  # noqa: PLC0415 - keys are not needed without a ledger

    with open_recorder(home) as recorder:
        return deliver(recorder.report(report), way)
