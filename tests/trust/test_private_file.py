"""Private files: modes, no overwriting, no links, faults of the disk in words."""

from __future__ import annotations

import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.trust.private_file import (
    LOCK,
    TEMPORARY,
    is_private_folder,
    locked,
    make_private_folder,
    read_private,
    write_private,
)


def test_a_written_file_is_read_back_and_has_mode_0600(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_private(tmp_path / "f", b"data", replace=False)
    finally:
        os.umask(old)
    assert read_private(tmp_path / "f", limit=4) == b"data"
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["f"]  # noqa: PTH208 - the names alone


def test_a_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    write_private(tmp_path / "f", b"old", replace=False)
    with pytest.raises(AncileError, match="not overwritten"):
        write_private(tmp_path / "f", b"new", replace=False)
    assert read_private(tmp_path / "f", limit=9) == b"old"
    write_private(tmp_path / "f", b"new", replace=True)
    assert read_private(tmp_path / "f", limit=9) == b"new"


def test_a_file_longer_than_the_limit_is_refused(tmp_path: Path) -> None:
    write_private(tmp_path / "f", b"12345", replace=False)
    with pytest.raises(AncileError, match="too large"):
        read_private(tmp_path / "f", limit=4)


def test_a_pipe_a_folder_and_an_absent_file_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("pipe", "folder", "absent"):
        with pytest.raises(AncileError):
            read_private(tmp_path / name, limit=4)


def test_the_lock_is_taken_and_left_overs_of_a_killed_writer_go(tmp_path: Path) -> None:
    keys = tmp_path / "a" / "keys"
    make_private_folder(keys)
    (keys / f"{TEMPORARY}dead").write_bytes(b"half")
    with locked(keys):
        assert [p.name for p in keys.iterdir()] == [LOCK]


def test_a_left_over_that_cannot_be_removed_is_an_error_in_words(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "keys")
    (tmp_path / "keys" / f"{TEMPORARY}folder").mkdir()
    with pytest.raises(AncileError, match="cannot be cleared"), locked(tmp_path / "keys"):
        pass


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "keys")
    (tmp_path / "keys" / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AncileError, match="cannot be locked"), locked(tmp_path / "keys"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_below_a_file_or_absent_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(AncileError, match="folder cannot be made"):
        make_private_folder(tmp_path / "f" / "keys")
    with pytest.raises(AncileError, match="folder cannot be read"):
        is_private_folder(tmp_path / "f" / "keys")
    assert not is_private_folder(tmp_path / "absent")
    with pytest.raises(AncileError, match="no plain file or folder"):
        is_private_folder(tmp_path / "f")


def test_a_disk_that_takes_no_more_leaves_the_old_file(tmp_path: Path) -> None:
    write_private(tmp_path / "f", b"old", replace=False)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(AncileError, match="cannot be written"):
            write_private(tmp_path / "f", bytes(5000), replace=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    assert read_private(tmp_path / "f", limit=9) == b"old"


def test_names_that_are_no_utf_8_are_told_percent_encoded(tmp_path: Path) -> None:
    with pytest.raises(AncileError) as refusal:
        read_private(tmp_path / os.fsdecode(b"\xff\x1b"), limit=4)
    assert refusal.value.value.endswith("%FF%1B: No such file or directory")
