"""Files read once."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.inputs.source import read_once

SHOWN_NAME = "caf\\xe9.npz"


@given(content=st.binary(max_size=1_000))
def test_the_bytes_and_their_plain_sha256_come_together(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("data") / "a.npz"
    path.write_bytes(content)
    found = read_once(path)
    assert found.data == content
    assert (found.name, found.digest) == ("a.npz", f"sha256:{hashlib.sha256(content).hexdigest()}")


def test_a_missing_file_is_told_with_what_to_give() -> None:
    with pytest.raises(AncileError, match="no such data: /nowhere/a\\.npz") as told:
        read_once(Path("/nowhere/a.npz"), missing="give digits")
    assert told.value.remedy == "give digits"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices and byte names are of POSIX")
class TestPosix:
    def test_a_pipe_is_refused_at_once(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(AncileError, match="not a file"):
            read_once(tmp_path / "pipe")

    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(AncileError, match="is not a file"):
            read_once(tmp_path)

    def test_a_device_without_end_is_refused(self) -> None:
        with pytest.raises(AncileError, match="not a file: /dev/zero"):
            read_once(Path("/dev/zero"))

    def test_a_socket_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)  # an address of a socket holds 107 bytes
        with socket.socket(socket.AF_UNIX) as door:
            door.bind("door")
            with pytest.raises(AncileError, match="cannot be read: door"):
                read_once(Path("door"))

    def test_a_loop_of_links_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to(tmp_path / "b")
        (tmp_path / "b").symlink_to(tmp_path / "a")
        with pytest.raises(AncileError, match=r"cannot be read: .*symbolic links"):
            read_once(tmp_path / "a")

    def test_a_name_that_is_not_utf8_is_shown_in_ascii(self, tmp_path: Path) -> None:
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.npz"))
        with pytest.raises(AncileError, match=r"no such data: .*caf\\xe9\.npz"):
            read_once(path)
        path.write_bytes(b"content")
        assert read_once(path).name == SHOWN_NAME


@pytest.mark.parametrize("name", ["a\0b", "x" * 5_000, "\x1b[2J\n::error::"])
def test_a_name_that_no_file_can_have_is_refused_on_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(AncileError) as told:
        read_once(tmp_path / name)
    assert str(told.value).isprintable()
    assert len(told.value.value) < 500


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "sparse.npz"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(AncileError, match=f"{1 << 40} bytes"):
        read_once(path)


def test_a_file_that_grows_while_it_is_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"a" * 100)
    look = os.fstat

    def look_and_write(descriptor: int) -> os.stat_result:
        found = look(descriptor)
        with path.open("ab") as writer:
            writer.write(b"b")
        return found

    monkeypatch.setattr(os, "fstat", look_and_write)
    with pytest.raises(AncileError, match="changed while it was read"):
        read_once(path)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that fails to be read is of Linux")
def test_a_file_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(AncileError, match="cannot be read: /proc/self/mem: Input/output error"):
        read_once(Path("/proc/self/mem"))


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("descriptors are listed on Linux alone")
    before = len(list(folder.iterdir()))
    for path in (tmp_path, Path("/dev/zero"), Path("/proc/self/mem"), tmp_path / "none"):
        with pytest.raises(AncileError):
            read_once(path)
    assert len(list(folder.iterdir())) == before
