"""The command line under attack: kills, full disks, races, users without rights. The ledger stays whole."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.cli.terminal import ASSESS, RULE, Place, clear

SLOW = ("assess", "slow.py:predict", "--data", "data.npz", "--eps", "0.05", "--effort", "quick", "--quiet")


@pytest.mark.slow
def test_an_assessment_that_is_killed_leaves_a_whole_ledger_and_can_be_repeated(home: Place) -> None:
    with home.start(*SLOW) as started:
        while " run " not in home("ledger", "log").out:
            assert started.poll() is None
        os.kill(started.pid, signal.SIGKILL)
    assert home("ledger", "verify").code == 0
    (home.folder / "pace").write_text("0", "utf-8")
    assert home.json(*SLOW)["complete"] is True
    assert home("ledger", "verify").code == 0
    home.policy(RULE.format(at_least=0.1))
    document = home.json("gate", "slow.py:predict")
    assert next(m["value"] for m in document["measures"] if m["name"] == "runs") == 2


@pytest.mark.slow
def test_two_assessments_at_once_in_one_home_lose_nothing(home: Place) -> None:
    both = [home.start(*ASSESS, "--seed", seed, "-o", f"{seed}.json") for seed in "12"]
    assert [p.communicate(timeout=120) and p.returncode for p in both] == [0, 0]
    assert home("ledger", "verify", "--against", "1.json", "--against", "2.json").code == 0
    kinds = [line.split()[3] for line in home("ledger", "log").out.splitlines()]
    assert sorted(kinds) == ["key", "key", "report", "report", "run", "run"]
    indices = [json.loads((home.folder / f"{s}.json").read_text("utf-8"))["evidence"]["index"] for s in "12"]
    assert indices[0] != indices[1]


@pytest.mark.slow
def test_a_ledger_that_cannot_grow_is_told_and_stays_whole(home: Place) -> None:
    size = (home.folder / ".ancile" / "ledger.db").stat().st_size

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, size + 4096))

    uncounted = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}  # its file would not fit either
    clear(home.process(*ASSESS, before=small, **uncounted))
    assert home("ledger", "verify").code == 0
    assert home(*ASSESS).code == 0


@pytest.mark.slow
def test_a_full_disk_can_be_read_and_is_named_to_who_writes(assessed: Place) -> None:
    assessed.policy(RULE.format(at_least=0.1))

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    uncounted = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
    for command in (("ledger", "verify"), ("ledger", "log"), ("gate", "net.py:predict", "--no-record")):
        assert assessed.process(*command, before=full, **uncounted).code == 0, command
    said = assessed.process("gate", "net.py:predict", before=full, **uncounted)
    assert clear(said).startswith("the disk is full: ")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_user_without_rights_is_told(home: Place) -> None:
    """Root ignores the modes of files; user 65534 does not."""
    import sys

    reach = Path(sys.executable).resolve()
    if any(not p.stat().st_mode & stat.S_IXOTH for p in (reach, *reach.parents)):
        pytest.skip("this Python cannot be reached by other users")
    for folder in (home.folder, *home.folder.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            pytest.skip("the test's folder cannot be reached by other users")

    def nobody() -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    home.folder.chmod(0o755)
    for command in (("ledger", "log"), ("keys", "list"), ASSESS, ("init", "--unencrypted-key")):
        clear(home.process(*command, before=nobody))


@pytest.mark.slow
def test_a_home_that_is_a_link_is_the_home_it_points_to(home: Place, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    shutil.move(home.folder / ".ancile", kept)
    (home.folder / ".ancile").symlink_to(kept)
    assert home(*ASSESS).code == 0
    assert home("ledger", "verify").code == 0


def test_a_home_that_is_a_file_is_told(place: Place) -> None:
    (place.folder / ".ancile").write_text("mine", "utf-8")
    (place.folder / "ancile.toml").write_text("", "utf-8")
    for command in (("ledger", "log"), ("keys", "list"), ("gate", "net.py:predict"), ASSESS):
        clear(place(*command))


@pytest.mark.parametrize("kind", ["pipe", "folder", "large", "deep", "binary", "unknown table", "wrong type"])
def test_a_configuration_that_is_none_is_told(home: Place, kind: str) -> None:
    path = home.folder / "ancile.toml"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(1 << 30)
    else:
        text = {
            "deep": b"a = " + b"[" * 100_000,
            "binary": b"\xff\x00",
            "unknown table": b"[x]\n",
            "wrong type": b"assess = 1\n",
        }
        path.write_bytes(text[kind])
    assert "configuration" in clear(home("ledger", "log"))
    assert "configuration" in clear(home(*ASSESS))


def test_a_bundle_of_60_megabytes_of_nothing_is_refused(home: Place) -> None:
    with (home.folder / "bundle.json").open("wb") as file:
        file.write(b"[")
        file.truncate(60_000_000)
    clear(home("evidence", "import", "bundle.json"))
    clear(home("gate", "net.py:predict", "--evidence", "bundle.json"))


@pytest.mark.slow
def test_links_to_the_model_and_the_data_are_followed_once(home: Place) -> None:
    for name in ("net.py", "data.npz"):
        (home.folder / name).rename(home.folder / f"real-{name}")
        (home.folder / name).symlink_to(f"real-{name}")
    assert home(*ASSESS).code == 0
    (home.folder / "loop.npz").symlink_to("loop.npz")
    clear(home(*ASSESS, "--data", "loop.npz"))


@pytest.mark.parametrize(
    ("option", "target"),
    [
        ("-o", ".ancile/ledger.db"),
        ("-o", "ancile.toml"),
        ("-o", "linked.json"),
        ("-o", "data.npz"),
        ("-o", "net.py"),
        ("--adversarial", "data.npz"),
        ("--adversarial", ".ancile/keys/last-signed"),
    ],
)
def test_a_result_is_never_written_over_what_ancile_keeps_or_what_it_comes_from(
    home: Place, option: str, target: str
) -> None:
    (home.folder / "linked.json").symlink_to(".ancile/ledger.db")
    before = (home.folder / target).read_bytes()
    assert "would be written over what" in clear(home(*ASSESS, option, target))
    assert (home.folder / target).read_bytes() == before
    assert home("ledger", "verify").code == 0


@pytest.mark.parametrize("target", ["net.py", "bundle.json", "report.json"])
def test_a_decision_is_never_written_over_what_it_comes_from(assessed: Place, target: str) -> None:
    assert assessed("evidence", "export", "bundle.json").code == 0
    before = (assessed.folder / target).read_bytes()
    read = ("--evidence", "bundle.json", "--against", "report.json")
    assert "over what it comes from" in clear(assessed("gate", "net.py:predict", *read, "-o", target))
    assert (assessed.folder / target).read_bytes() == before


def test_the_report_and_the_examples_are_two_files(home: Place) -> None:
    clear(home(*ASSESS, "-o", "both", "--adversarial", "both"))


@pytest.mark.parametrize(
    "command",
    [
        ("keys", "export", "-o", "ancile.toml"),
        ("ledger", "prove", "0", "-o", ".ancile/ledger.db"),
        ("evidence", "export", "ancile.toml"),
        ("gate", "net.py:predict", "-o", ".ancile/ledger.db"),
    ],
)
def test_no_command_writes_over_what_ancile_keeps(assessed: Place, command: tuple[str, ...]) -> None:
    clear(assessed(*command))
    assert assessed("ledger", "verify").code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("evidence", "import", "pipe"),
        ("gate", "net.py:predict", "--evidence", "pipe"),
        ("keys", "trust", "pipe"),
        ("ledger", "verify", "--against", "pipe"),
        ("ledger", "check-proof", "pipe"),
        ("ledger", "checkpoint", "--quorum", "pipe"),
    ],
)
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(home: Place, command: tuple[str, ...]) -> None:
    os.mkfifo(home.folder / "pipe")
    assert "pipe" in clear(home(*command))


def test_evidence_comes_through_a_pipe_of_the_shell(assessed: Place) -> None:
    assert assessed("evidence", "export", "bundle.json").code == 0
    ended = assessed.shell("cat bundle.json | ancile evidence import /dev/stdin")
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("option", ["--factory-args", "--search-form"])
def test_an_option_that_is_no_utf_8_is_one_error(home: Place, option: str) -> None:
    clear(home(*ASSESS, option, os.fsdecode(b'{"\xff": 1}')))
    clear(home(*ASSESS, option, os.fsdecode(b"\xff")))


@pytest.mark.slow
def test_a_neighbour_whose_name_is_no_utf_8_is_no_matter_and_a_model_is_one_error(home: Place) -> None:
    strange = home.folder / os.fsdecode(b"\xff.py")
    shutil.copy(home.folder / "net.py", strange)
    assert home(*ASSESS).code == 0
    assert "no UTF-8" in clear(home("assess", f"{strange.name}:predict", *ASSESS[2:]))
    shutil.copytree(home.folder, home.folder.parent / os.fsdecode(b"\xfe"), symlinks=True)
    assert "no UTF-8" in clear(Place(home.folder.parent / os.fsdecode(b"\xfe"))(*ASSESS))


def test_a_witness_that_cannot_listen_is_one_error(home: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = clear(home("ledger", "witness", "--name", "a.example/w", "--port", port))
    assert f"cannot listen there: 127.0.0.1:{port}" in said
    clear(home("ledger", "witness", "--name", "a.example/w", "--host", "no such host"))
