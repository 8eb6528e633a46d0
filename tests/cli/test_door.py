"""The outer door: a user's error is two lines and exit 2, a bug keeps its traceback, no way out is a surprise."""

from __future__ import annotations

import errno
import json
import subprocess
import sys

import pytest

from ancile.cli.main import COMMANDS, from_system, main, run
from tests.cli.terminal import ASSESS, Place, clear

LIBRARIES = (
    "numpy",
    "scipy",
    "torch",
    "sklearn",
    "onnxruntime",
    "pyarrow",
    "matplotlib",
    "jinja2",
    "cryptography",
)


def test_help_loads_no_heavy_library_and_names_every_command() -> None:
    code = (
        "import sys\nfrom ancile.cli.main import run\ncode = run(['--help'])\n"
        f"print([m for m in {LIBRARIES!r} if m in sys.modules], code)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[] 0"
    assert all(f"  {name} " in ended.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_page(place: Place, command: str) -> None:
    ended = place(command, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: ancile {command}")


@pytest.mark.parametrize("arguments", [(), ("ledger",), ("keys",), ("evidence",)])
def test_a_group_without_a_command_shows_its_help_and_is_wrong_use(
    place: Place, arguments: tuple[str, ...]
) -> None:
    ended = place(*arguments)
    assert ended.code == 2
    assert not ended.out
    assert ended.err.startswith("Usage: ancile")


@pytest.mark.parametrize(
    "arguments", [("nothing",), ("gate",), ("assess", "--epss"), ("explain", "--x\x1b[31m")]
)
def test_wrong_use_is_one_clear_line(place: Place, arguments: tuple[str, ...]) -> None:
    ended = place(*arguments)
    assert clear(ended)
    assert "--help" in ended.err
    assert "\x1b" not in ended.err


@pytest.mark.parametrize(
    "spelled",
    [
        ("--format", "json"),
        ("--format=json",),
        ("-f", "json"),
        ("-fjson",),
        ("--format", "html", "-f", "json"),
    ],
)
def test_with_format_json_an_error_is_a_document_on_stdout(place: Place, spelled: tuple[str, ...]) -> None:
    ended = place("gate", "absent\udcff\n", *spelled)
    assert ended.code == 2
    assert not ended.err
    found = json.loads(ended.out)["error"]
    assert set(found) == {"what", "value", "remedy"}
    ended.out.encode("ascii")


def test_the_last_format_that_was_asked_for_counts(place: Place) -> None:
    clear(place("gate", "net.py:predict", "--format", "json", "--format", "table"))
    assert "net.py" not in json.loads(place("gate", "--format", "json").out)["error"]["value"]


def test_a_value_of_a_hundred_thousand_characters_is_cut(place: Place) -> None:
    """Linux takes at most 128 KiB in one argument."""
    long = "x" * 100_000
    for arguments in (
        ("explain", long),
        ("gate", long),
        ("--" + long,),
        ("assess", long, *ASSESS[2:]),
        ("assess", *ASSESS[1:], "--norm", long),
        ("init", "--unencrypted-key", "--origin", long),
    ):
        ended = place(*arguments)
        assert ended.code == 2
        assert len(ended.err) < 2000, arguments[0]


def test_names_with_line_ends_and_escapes_stay_on_their_line(place: Place) -> None:
    for name in ("a\nb", "\x1b[2J", "\u202e", "::error::x", "\udcff", "a\rb"):
        told = place("assess", name, *ASSESS[2:])
        clear(told)
        assert "\x1b" not in told.err
        assert "\u202e" not in told.err


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EACCES, "permissions"),
        (errno.ENOTDIR, "is a file"),
        (errno.EFBIG, "ulimit -f"),
    ],
)
def test_what_the_system_refuses_is_told_with_a_remedy(number: int, remedy: str) -> None:
    error = from_system(OSError(number, "Refused", "some/file"))
    assert remedy in error.remedy
    assert error.value == "some/file"


def test_what_is_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(OSError, match="odd"):
        from_system(OSError(errno.EBADF, "odd"))
    with pytest.raises(FileNotFoundError):
        from_system(FileNotFoundError(errno.ENOENT, "absent"))


def test_main_leaves_with_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["explain", "no-such-check"])
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("ancile: error: ")
    assert run(["--version"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("ancile explain >&-", 0),
        ("ancile explain > /dev/full", 2),
        ("ancile explain 2>&- >/dev/null", 0),
        ("ancile gate absent 2>/dev/full", 2),
        ("ancile gate absent --format json >/dev/full", 2),
        ("ancile gate absent --format json >/dev/full 2>/dev/full", 2),
        ("ancile explain nothing <&-", 2),
        ("ancile init <&-", 2),
        ("mkdir gone && cd gone && rmdir ../gone && ancile gate x", 2),
        ("mkdir gone && cd gone && rmdir ../gone && ancile explain >/dev/null", 0),
        ("PYTHONIOENCODING=ascii ancile init --print-config >/dev/null", 0),
    ],
)
def test_streams_that_are_closed_or_full_are_no_bug(place: Place, script: str, code: int) -> None:
    ended = place.shell(script)
    assert ended.code == code, ended
    assert "Traceback" not in ended.err
    assert "Exception ignored" not in ended.err


@pytest.mark.slow
def test_a_reader_that_leaves_early_is_no_bug(assessed: Place) -> None:
    ended = assessed.shell("ancile ledger show 3 | head -c 1")
    assert (ended.code, ended.out, ended.err) == (0, "{", "")


@pytest.mark.slow
def test_a_device_is_written_to_and_never_replaced(assessed: Place) -> None:
    """As root a rename would put a file in the place of /dev/null, for the whole machine."""
    assert assessed.shell("ancile ledger verify -o /dev/null").code == 0
    ended = assessed.shell("ancile ledger verify -f json -o /dev/stdout | cat")
    assert json.loads(ended.out)["outcome"] == "pass"
    full = assessed.shell(
        "ancile ledger verify -o /dev/full; echo $?; test -c /dev/null && test -c /dev/full"
    )
    assert full.code == 0
    assert full.out == "2\n"
    assert full.err.startswith("ancile: error: no space left on device: /dev/full\n")


@pytest.mark.slow
def test_an_output_that_is_a_link_changes_what_it_points_to(assessed: Place) -> None:
    (assessed.folder / "real.json").write_text("old", "utf-8")
    (assessed.folder / "real.json").chmod(0o600)
    (assessed.folder / "link.json").symlink_to("real.json")
    assert assessed("ledger", "verify", "-o", "link.json").code == 0
    assert (assessed.folder / "link.json").is_symlink()
    assert json.loads((assessed.folder / "real.json").read_text("utf-8"))["stage"] == "ledger"
    assert (assessed.folder / "real.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("output", ["absent/r.html", ".", "net.py/r.html"])
def test_an_output_that_cannot_be_written_is_told_before_any_work(home: Place, output: str) -> None:
    before = home("ledger", "log").out
    assert "cannot be written" in clear(home(*ASSESS, "-o", output))
    assert home("ledger", "log").out == before


def test_a_narrow_terminal_still_gets_a_table(assessed: Place) -> None:
    for columns in ("1", "20", "1000"):
        ended = assessed("ledger", "verify", COLUMNS=columns)
        assert ended.code == 0
        assert max(map(len, ended.out.splitlines())) <= 100
