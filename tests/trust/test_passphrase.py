"""Sources of a passphrase, in their order, and none of them loud."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError

from ancile.core.errors import AncileError
from ancile.trust.passphrase import FILE, KEYRING, LONGEST, VALUE, VARIABLES, passphrase


class Memory(KeyringBackend):
    """A keyring that knows one passphrase."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        if service == "locked":
            raise KeyringError("the collection is locked")
        return "from ring" if (service, username) == ("ancile-test", "ancile") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringError(f"{service} {username} {password} is read only")


@pytest.fixture
def _memory() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(Memory())  # type: ignore[no-untyped-call]  # keyring's constructor has no types
    yield
    keyring.set_keyring(before)


def secret_file(folder: Path, data: bytes, mode: int = 0o600) -> str:
    path = folder / "secret"
    path.write_bytes(data)
    path.chmod(mode)
    return str(path)


def test_the_variable_comes_before_the_file_and_the_file_before_the_keyring(tmp_path: Path) -> None:
    environ = {VALUE: "ñ", FILE: secret_file(tmp_path, b"from file"), KEYRING: "nowhere"}
    assert passphrase(environ) == "ñ".encode()
    del environ[VALUE]
    assert passphrase(environ) == b"from file"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [(b"pw\n", b"pw"), (b"pw\r\n", b"pw"), (b"pw\nmore\n", b"pw"), (b" p w ", b" p w "), (b"\xff", b"\xff")],
)
def test_a_file_gives_its_first_line_to_the_byte(tmp_path: Path, data: bytes, wanted: bytes) -> None:
    assert passphrase({FILE: secret_file(tmp_path, data)}) == wanted


@pytest.mark.parametrize("environ", [{VALUE: ""}, {VALUE: "x" * (LONGEST + 1)}])
def test_an_empty_or_endless_passphrase_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(AncileError, match="empty or too long"):
        passphrase(environ)


def test_an_empty_first_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AncileError, match="empty or too long"):
        passphrase({FILE: secret_file(tmp_path, b"\nsecond\n")})


def test_a_file_that_anyone_can_read_is_refused_one_of_the_group_is_not(tmp_path: Path) -> None:
    assert passphrase({FILE: secret_file(tmp_path, b"pw", 0o640)}) == b"pw"
    for mode in (0o644, 0o660):
        with pytest.raises(AncileError) as refusal:
            passphrase({FILE: secret_file(tmp_path, b"pw", mode)})
        assert refusal.value.remedy.startswith("chmod 600")


@pytest.mark.usefixtures("_memory")
def test_the_keyring_of_the_system_is_asked_for_the_service() -> None:
    assert passphrase({KEYRING: "ancile-test"}) == b"from ring"
    with pytest.raises(AncileError, match="holds no such passphrase"):
        passphrase({KEYRING: "other"})
    with pytest.raises(AncileError, match="cannot be read"):
        passphrase({KEYRING: "locked"})


def test_without_terminal_or_source_the_error_names_the_variables() -> None:
    code = "import os; from ancile.trust.passphrase import passphrase; passphrase({})"
    answer = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert "there is no terminal to ask on" in answer.stderr
    assert all(name in answer.stderr for name in VARIABLES)


ASK = """
import fcntl, termios
from ancile.core.errors import AncileError
from ancile.trust.passphrase import passphrase
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # the question is asked on the controlling terminal
try:
    print(len(passphrase({}, prompt="new passphrase", twice=True)))
except AncileError as reason:
    print(reason.what)
"""


def typed(lines: list[bytes]) -> str:
    """What a terminal shows when each of ``lines`` answers a question."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", ASK], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    seen = b""
    with suppress(OSError):  # Linux says so when the other side has ended
        while chunk := os.read(ours, 1000):
            seen += chunk
            if seen.endswith(b": ") and lines:
                os.write(ours, lines.pop(0))
    os.close(ours)
    child.wait()
    return seen.decode()


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ([b"hunter2\n", b"hunter2\n"], "7"),
        ([b"hunter2\n", b"hunter3\n"], "the two passphrases differ"),
        ([b"\x04"], "no passphrase was given"),
        ([b"\x03"], "no passphrase was given"),
    ],
)
def test_a_terminal_is_asked_twice_and_shows_nothing(lines: list[bytes], wanted: str) -> None:
    seen = typed(lines)
    assert seen.split()[-len(wanted.split()) :] == wanted.split()
    assert "hunter" not in seen
