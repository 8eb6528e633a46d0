"""What every command that reports has in common: format, file, colour, exit code."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import click

from ancile.core.errors import AncileError
from ancile.core.report import Record, Report, exit_code
from ancile.render.formats import FORMATS, render_as

Command = TypeVar("Command", bound=Callable[..., object])

SUFFIXES = {
    ".html": "html",
    ".json": "json",
    ".sarif": "sarif",
    ".md": "markdown",
    ".xml": "junit",
    ".txt": "table",
}


NARROWEST, WIDEST = 40, 100  # columns; below, tables fall to pieces; above, the eye loses the line


class Output(NamedTuple):
    """How a record leaves: format, file (None: stdout), whether a WARN counts as a failure."""

    format: str
    file: Path | None
    strict: bool


record_option = click.option(
    "--record/--no-record", default=None, help="Sign into the ledger; the default where there is one."
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress.")


def output_options(command: Command) -> Command:
    """The options ``--format``, ``-o`` and ``--strict``."""
    options = (
        click.option(
            "-f",
            "--format",
            "format_",
            type=click.Choice(tuple(FORMATS)),
            default=None,
            help="How to print; without it by the suffix of -o, else table.",
        ),
        click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to FILE, not to stdout."),
        click.option("--strict", is_flag=True, help="A WARN makes the exit code 1."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def chosen(
    format_: str | None, output: Path | None, *, strict: bool, read: Iterable[Path | None] = ()
) -> Output:
    """The way out that the options ask for; what cannot be written there is told before any work.

    read  files that the report comes from, over which it must not be written
    """
    if output is not None:
        writable("the report", output)
        apart("the report", output, read=[str(one) for one in read if one is not None])
    by_suffix = SUFFIXES.get(output.suffix.lower(), "table") if output else "table"
    return Output(format_ or by_suffix, output, strict)


def writable(what: str, path: Path, *, own: bool = False) -> None:
    """Refuse, before any work, a file that cannot be written in the end.

    own  whether it may be one of ancile's own: else keys, ledger and configuration are no place for a result
    """
    from ancile.core.config import FILE, HOME  # noqa: PLC0415 - most results go to stdout

    real = Path(os.path.realpath(path))
    if not own and (HOME in real.parts or real.name == FILE):
        raise AncileError(
            f"{what} would be written over what ancile keeps",
            value=str(path),
            remedy=f"name a file outside {HOME}, and another than {FILE}",
        )
    folder = real.parent
    fits = _is_device(path) or (folder.is_dir() and not path.is_dir())
    if not fits or not os.access(path if _is_device(path) else folder, os.W_OK):
        raise _unwritable(what, str(path))


def _unwritable(what: str, path: str) -> AncileError:
    return AncileError(
        f"{what} cannot be written there",
        value=path,
        remedy="name a file in a folder that exists and can be written",
    )


def deliver(record: Record, output: Output) -> int:
    """Render and write; the exit code of the report, which no format changes."""
    if output.file is None:
        terminal = sys.stdout is not None and sys.stdout.isatty()
        colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        text = render_as(output.format, record, colour=colour, width=page_width())
        # A terminal gets its own encoding; whatever reads a pipe gets UTF-8, as JSON and HTML want it.
        with _naming("stdout"):
            click.echo(text if terminal else text.encode("utf-8"), nl=False)
    else:
        write_whole(output.file, render_as(output.format, record).encode("utf-8"))
        _told(record.report, output.file)
    return exit_code(record.report, strict=output.strict)


def _told(report: Report, file: Path) -> None:
    """Say what the report comes to; of an assessment its figures first, for a pass is no praise."""
    from ancile.render.verdict import ball, headline, verdict  # noqa: PLC0415 - not needed for --help

    if report.outcome == "pass" and (figures := headline(report)):
        size = ball(report)
        talk(f"{figures} at {size}" if size else figures)
    talk(f"{verdict(report).word.lower()}; report in {file}")


def page_width() -> int:
    """Columns to write for: the terminal's, as far as lines of that length can be read."""
    import shutil  # noqa: PLC0415 - of the table alone

    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((80, 24)).columns))


def apart(what: str, path: Path, *, read: Iterable[str]) -> None:
    """Refuse to write a result over one of the files that were read for it."""
    real = os.path.realpath(path)
    if not _is_device(path) and any(real == os.path.realpath(one) for one in read if one):
        raise AncileError(
            f"{what} would be written over what it comes from", value=str(path), remedy="name another file"
        )


def write_whole(path: Path, data: bytes, *, own: bool = False) -> None:
    """Write a file, old or new but never half; a link's target, not the link; a device or pipe as it is.

    own  as in ``writable``
    """
    writable("the file", path, own=own)
    with _naming(str(path)):
        if _is_device(path):
            with path.open("wb") as device:  # to replace /dev/null would harm the whole machine
                device.write(data)
        else:
            _replace(Path(os.path.realpath(path)), data)


def _replace(path: Path, data: bytes) -> None:
    import tempfile  # noqa: PLC0415 - likewise

    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.chmod(mode)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def _naming(target: str) -> Iterator[None]:
    """What the system refuses inside, with the name that the user knows; of a full disk it gives none."""
    try:
        yield
    except FileNotFoundError as reason:  # the folder went meanwhile, or is none of files (/proc)
        raise _unwritable("the file", target) from reason
    except OSError as reason:
        reason.filename = target
        raise


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def talk(line: str) -> None:
    """One line to the user beside the result: stderr, safe to show."""
    from ancile.core.text import plain  # noqa: PLC0415 - unicodedata is not needed for --help

    with suppress(OSError):  # nobody listens: no reason to lose the result or to change the exit code
        click.echo(f"ancile: {plain(line, 400)}", err=True)
