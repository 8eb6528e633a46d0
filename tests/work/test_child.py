"""A child process: it answers, it inherits nothing, and each way to misbehave ends in one clear error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest

from ancile.core.errors import AncileError
from ancile.work import seccomp
from ancile.work.child import Child, child_environment
from ancile.work.frames import decoded, text_block
from ancile.work.landlock import landlock_abi

needs_landlock = pytest.mark.skipif(landlock_abi() == 0, reason="this kernel offers no Landlock")


@pytest.fixture(autouse=True)
def servant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    home = tmp_path / "project" / ".ancile"
    (home / "keys").mkdir(parents=True)
    (home / "keys" / "author.json").write_text("a seed")
    (home.parent / "helper.py").write_text("VALUE = 3")
    with Child("servant", code=(home.parent,), denied=(home,)) as one:
        yield one


def told(child: Child, expression: str) -> str:
    body = msgspec.msgpack.encode(expression)
    return decoded(child.ask("told", body, seconds=30, limit_bytes=0).body, str)


def asked(
    child: Child, word: str, body: object = None, *, seconds: float = 30, limit: int = 1 << 20
) -> object:
    answer = child.ask(word, msgspec.msgpack.encode(body), seconds=seconds, limit_bytes=limit)
    return msgspec.msgpack.decode(answer.body)


def test_a_child_answers_with_the_blocks_that_it_got(child: Child) -> None:
    answer = child.ask("echo", blocks=(text_block(b"abc"),), seconds=30, limit_bytes=100)
    assert [bytes(block.data) for block in answer.blocks] == [b"abc", b"end"]


def test_no_secret_of_the_environment_reaches_a_child(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ANCILE_PASSPHRASE", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    with Child("servant") as one:
        found = told(one, "dict(os.environ)")
    assert "secret" not in found
    assert "proxy" not in found
    assert child_environment({"PATH": "/bin", "X": "1"}, tmp_path)["HOME"] == str(tmp_path)


def test_a_child_has_no_input_and_no_descriptor_but_its_channel(child: Child) -> None:
    assert told(child, "os.read(0, 10)") == "b''"
    # 0 to 2, the channel, and the one that lists them
    assert told(child, "len(os.listdir('/proc/self/fd'))") == "5"


def test_what_a_child_prints_never_reaches_our_output(
    child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    asked(child, "flood")
    assert capfd.readouterr() == ("", "")


def test_a_child_that_dies_is_told_with_its_code_and_last_words(child: Child) -> None:
    with pytest.raises(AncileError, match=r"ended: exit code 3: last words \\x1b\[31mof a child"):
        asked(child, "die", 3)
    with pytest.raises(AncileError, match="ended"):
        asked(child, "echo")


def test_a_child_that_is_killed_is_told_with_the_signal(child: Child) -> None:
    with pytest.raises(AncileError, match="ended: signal SIGKILL"):
        asked(child, "killed")


def test_a_child_that_hangs_is_ended(child: Child) -> None:
    with pytest.raises(AncileError, match=r"does not answer: 0\.2 seconds"):
        asked(child, "hang", seconds=0.2)
    with pytest.raises(AncileError, match="does not answer"):
        asked(child, "echo")


def test_a_grandchild_that_holds_the_channel_does_not_keep_us_waiting(child: Child) -> None:
    with pytest.raises(AncileError, match="ended: exit code 7"):
        asked(child, "orphan", seconds=60)


@pytest.mark.parametrize("ending", ["close", "die"])
def test_nothing_that_a_child_started_outlives_it(child: Child, ending: str) -> None:
    if not child.confined.sockets:
        pytest.skip("no seccomp filter is known for this machine")
    numbers = cast("list[int]", asked(child, "strays"))
    if ending == "die":
        with pytest.raises(AncileError, match="ended: exit code 3"):
            asked(child, "die", 3)
    child.close()
    until = time.monotonic() + 30
    while any(map(is_running, numbers)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(is_running, numbers))


@pytest.mark.skipif(not seccomp.available(), reason="no seccomp filter is known for this machine")
def test_nothing_that_a_child_started_outlives_a_parent_that_is_killed() -> None:
    lines = (
        "import msgspec, os, signal, sys, time",
        "from ancile.work.child import Child",
        "child = Child('servant')",
        "answer = child.ask('strays', seconds=30, limit_bytes=0)",
        "print(*msgspec.msgpack.decode(answer.body), flush=True)",
        "os.kill(os.getpid(), signal.SIGKILL)",
    )
    here = os.pathsep.join((str(Path(__file__).parent), *sys.path))
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env={**os.environ, "PYTHONPATH": here},
        capture_output=True,
        text=True,
        check=False,
    )
    numbers = [int(number) for number in ended.stdout.split()]
    assert (ended.returncode, len(numbers)) == (-signal.SIGKILL, 3), ended.stderr
    until = time.monotonic() + 30
    while any(map(is_running, numbers)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(is_running, numbers))


def is_running(number: int) -> bool:
    """Whether there is such a process that has not ended; one that nobody has waited for has."""
    try:
        return Path(f"/proc/{number}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("word", ["large", "noise"])
def test_an_answer_that_is_none_ends_the_child(child: Child, word: str) -> None:
    with pytest.raises(AncileError, match=r"protocol|ended|answer"):
        asked(child, word, seconds=2)
    with pytest.raises(AncileError):
        asked(child, "echo")


def test_a_late_answer_is_never_taken_for_another(child: Child) -> None:
    assert asked(child, "stale") == "new"


def test_a_fault_is_told_in_bounded_harmless_words_and_the_child_goes_on(child: Child) -> None:
    with pytest.raises(AncileError) as caught:
        asked(child, "fault")
    words = (caught.value.what, caught.value.value, caught.value.remedy)
    assert all("\x1b" not in word and "\n" not in word and len(word) <= 700 for word in words)
    assert asked(child, "stale") == "new"


def test_an_interrupt_in_a_wait_leaves_the_next_answer_right(child: Child) -> None:
    """Ctrl-C reaches the main thread in the middle of an exchange; the one after it gets its own answer."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals go to the main thread")
    begun, go_on = child.folder / "begun", child.folder / "go-on"

    def interrupt() -> None:
        while not begun.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        asked(child, "held", [str(begun), str(go_on)])
    thread.join()
    go_on.touch()
    assert asked(child, "slow", 0.0) == 3  # confine was 1, the abandoned request 2


def test_the_cost_of_a_child_is_counted(child: Child) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("/proc tells on Linux alone")
    before = child.cpu_seconds()
    asked(child, "burn")
    assert child.cpu_seconds() - before >= 0.25
    assert child.peak_bytes() > 1 << 20


def test_a_closed_child_costs_nothing_more_and_leaves_no_folder(child: Child) -> None:
    folder = child.folder
    assert folder.is_dir()
    child.close()
    assert not folder.exists()
    assert (child.cpu_seconds(), child.peak_bytes()) == (0, 0)
    with pytest.raises(AncileError, match="closed"):
        asked(child, "echo")
    child.close()


def test_a_child_that_cannot_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "mkdtemp", lambda prefix: str(tmp_path / prefix))
    (tmp_path / "ancile-").mkdir()
    with pytest.raises(AncileError, match="ended"), Child("no_such_module") as one:
        asked(one, "echo")
    assert not (tmp_path / "ancile-").exists()


@needs_landlock
def test_a_child_reads_no_key_and_writes_nowhere_but_in_its_folder(child: Child, tmp_path: Path) -> None:
    key = tmp_path / "project" / ".ancile" / "keys" / "author.json"
    assert told(child, f"open({str(key)!r}).read()").startswith("PermissionError")
    assert told(child, f"os.listdir({str(key.parent)!r})").startswith("PermissionError")
    assert told(child, f"open({str(tmp_path / 'project' / 'ledger.db')!r}, 'w')").startswith(
        "PermissionError"
    )
    assert told(child, "Path('mine').write_text('x')") == "1"
    assert not (tmp_path / "project" / "ledger.db").exists()


@needs_landlock
def test_a_child_imports_a_module_that_lies_beside_the_denied_folder(child: Child, tmp_path: Path) -> None:
    helper = tmp_path / "project" / "helper.py"
    assert told(child, f"Path({str(helper)!r}).read_text()") == "'VALUE = 3'"


@needs_landlock
@pytest.mark.parametrize("name", ["environ", "mem", "maps"])
def test_a_child_reads_nothing_of_the_parent_process(child: Child, name: str) -> None:
    assert told(child, f"open('/proc/{os.getpid()}/{name}', 'rb').read(1)").startswith("PermissionError")


@pytest.mark.skipif(landlock_abi() < 6, reason="Landlock holds back signals from ABI 6 on")
def test_a_child_cannot_signal_its_parent(child: Child) -> None:
    assert told(child, f"os.kill({os.getpid()}, 0)").startswith("PermissionError")


def test_a_child_makes_no_socket(child: Child) -> None:
    if not child.confined.sockets:
        pytest.skip("no seccomp filter is known for this machine")
    for kind in ("AF_INET, socket.SOCK_STREAM", "AF_INET6, socket.SOCK_DGRAM", "AF_UNIX, socket.SOCK_STREAM"):
        assert told(child, f"socket.socket(socket.{kind})").startswith("PermissionError")


def test_a_child_gets_no_core_dump_and_bounded_memory(child: Child) -> None:
    assert told(child, "__import__('resource').getrlimit(__import__('resource').RLIMIT_CORE)") == "(0, 0)"
    assert told(child, "len(bytearray(1 << 50))").startswith("MemoryError")


def test_ending_a_child_takes_no_longer_than_it_must() -> None:
    since = time.monotonic()
    Child("servant").close()
    assert time.monotonic() - since < 30
