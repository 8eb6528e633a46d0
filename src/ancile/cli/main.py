"""The door: which command, how its errors are told, which exit code."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import click

from ancile.core.errors import AncileError
from ancile.version import __version__

# name: one line for --help; the module of that name in this room holds the command
COMMANDS: dict[str, str] = {
    "init": "Make ancile.toml and .ancile/ with keys and ledger.",
    "scan": "Say what files hold that could run, and whether to open them.",
    "assess": "Attack a model and say how robust it is, and how sure that is.",
    "data": "Know where data came from, and prove that it did not change.",
    "sign": "Sign exactly these bytes, with a bundle that verifies offline.",
    "verify": "Say whether a model is what its signers have signed.",
    "gate": "Decide from evidence whether a model may pass.",
    "serve": "Stand before a model: keys, limits, guards, and a record of all.",
    "attack-gateway": "Attack a running gateway: what got through, what was seen.",
    "user": "Give out and take back the API keys of the gateway.",
    "review": "Decide about requests that the gateway holds for a person.",
    "incident": "Say what the gateway's verdicts add up to.",
    "ledger": "Read, verify and prove what was recorded.",
    "evidence": "Carry evidence from one machine to another.",
    "keys": "List, exchange, rotate, revoke and back up keys.",
    "explain": "Say what a check looks for, why, and how to mend it.",
    "doctor": "Say what is installed, what is not, and what that would give.",
    "demo": "Run the whole story on bundled data, printing each command.",
}

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class Lazy(click.Group):
    """A group whose commands are imported when they are called, so that --help costs nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = cmd_name.replace("-", "_")
        found = getattr(import_module(f"ancile.cli.{module}"), module)
        if not isinstance(found, click.Command):
            raise TypeError(f"ancile.cli.{cmd_name} holds no command of its name")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - likewise
        """The table, without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    envvar="ANCILE_HOME",
    show_envvar=True,
    help="Folder with .ancile and ancile.toml; else looked for here and upwards.",
)
@click.version_option(__version__, prog_name="ancile", message="%(prog)s %(version)s")
def ancile(home: Path | None) -> None:
    """Protect machine-learning systems; every answer measured, signed and checkable.

    Exit codes: 0 passed, 1 failed, 2 no conclusion or wrong use.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code; a user's error is two lines, a bug its traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name beyond the terminal's encoding is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    if sys.stdin is None:  # closed by the caller, as services do: nobody can be asked
        sys.stdin = io.StringIO()
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(given))


def run(arguments: list[str]) -> int:
    """The exit code of one call; what it says goes to stdout (the result) and stderr (everything else)."""
    try:
        code = ancile.main(args=arguments, prog_name="ancile", standalone_mode=False)
        if sys.stdout is not None:  # None where the caller closed it
            sys.stdout.flush()
    except AncileError as error:
        return told(error, as_json=_wants_json(arguments))
    except click.UsageError as error:
        return _misused(error, as_json=_wants_json(arguments))
    except (click.Abort, KeyboardInterrupt):
        _say("ancile: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        return 2
    except OSError as error:
        return told(from_system(error), as_json=_stdout_works() and _wants_json(arguments))
    return code if isinstance(code, int) else 0


def _misused(error: click.UsageError, *, as_json: bool) -> int:
    """Tell a wrong use in two lines; a group that was called without a command shows its help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        _say(error.message)
        return 2
    command = error.ctx.command_path if error.ctx else "ancile"
    what = " ".join(error.format_message().split()).rstrip(".").lower()  # choices come on lines of their own
    return told(AncileError(what, value="", remedy=f"see `{command} --help`"), as_json=as_json)


def from_system(error: OSError) -> AncileError:
    """What the operating system refused, with the remedy for the usual reasons; others are raised as bugs."""
    remedies = {
        errno.ENOSPC: "make room on the disk, then run the same command again",
        errno.EDQUOT: "make room in your quota, then run the same command again",
        errno.EROFS: "choose a place that can be written",
        errno.EACCES: "mend the permissions, or choose another place",
        errno.EPERM: "mend the permissions, or choose another place",
        errno.ENAMETOOLONG: "choose a shorter name",
        errno.ENOTDIR: "a part of the path is a file: name another",
        errno.EISDIR: "name a file, not a folder",
        errno.ELOOP: "a symbolic link leads back to itself: mend it",
        errno.EFBIG: "raise the limit of file sizes (ulimit -f), then run the same command again",
        errno.EMFILE: "raise the limit of open files (ulimit -n)",
    }
    if error.errno == errno.ENOENT and not _has_current_folder():
        return AncileError(
            "the current folder was deleted",
            value=os.environ.get("PWD", ""),
            remedy="go to a folder that exists",
        )
    if error.errno not in remedies:
        raise error
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    return AncileError(
        (error.strerror or "input/output error").lower(), value=name, remedy=remedies[error.errno]
    )


def _has_current_folder() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def _stdout_works() -> bool:
    """Whether what was printed could leave; where it could not, the rest is dropped."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _drop_stdout()
        return False
    return True


def _drop_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the final flush is silent


def _say(line: str) -> None:
    with suppress(OSError):  # stderr is full or closed: the exit code still says it
        click.echo(line, err=True)


def told(error: AncileError, *, as_json: bool) -> int:
    """Tell a user's error: one line and a hint on stderr, or one JSON document on stdout."""
    from ancile.core.text import plain  # noqa: PLC0415 - unicodedata is not needed for --help

    if as_json:
        import json  # noqa: PLC0415 - likewise

        document = {"what": error.what, "value": error.value, "remedy": error.remedy}
        # JSON knows no lone surrogates: a byte that was no UTF-8 is shown as its escape
        whole = {name: text.encode("utf-8", "backslashreplace").decode() for name, text in document.items()}
        with suppress(OSError):
            click.echo(json.dumps({"error": whole}))
            return 2
        _drop_stdout()
    value = f": {plain(error.value, 300)}" if error.value else ""
    _say(f"ancile: error: {plain(error.what, 300)}{value}")
    _say(f"ancile: hint: {plain(error.remedy, 500)}")
    return 2


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether the last format that was asked for, in any of click's spellings, is JSON."""
    said = ""
    for one, following in zip(arguments, [*arguments, ""][1:], strict=True):
        if spelled := re.fullmatch(r"(?:--format=?|-q?f)(.*)", one, re.DOTALL):
            said = spelled[1] or following
    return said == "json"
