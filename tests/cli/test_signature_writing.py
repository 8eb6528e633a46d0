"""Bundles are written whole, and who is killed meanwhile leaves nothing."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ancile.cli import signature_writing
from ancile.cli.signature_writing import clear_leftovers, require_room, write_bundle
from ancile.trust.bundle import parse_bundle
from tests.cli.terminal import Place

KILLED = """
import os, signal, sys
from ancile.cli.main import run
def end(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
setattr(os, {call!r}, end)
run(sys.argv[1:])
"""


def model_in(place: Place) -> None:
    (place.folder / "model").mkdir()
    (place.folder / "model" / "weights.bin").write_bytes(b"weights")


def killed(place: Place, call: str, *arguments: str) -> int:
    """The signal that ended a call which was killed where it would have made this system call."""
    command = [sys.executable, "-c", KILLED.format(call=call), *arguments]
    return -subprocess.run(
        command, cwd=place.folder, env=place.environment({}), check=False, capture_output=True
    ).returncode


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".model"))


def test_a_sign_that_is_killed_before_the_bundle_has_its_name_leaves_no_file(home: Place) -> None:
    model_in(home)
    assert killed(home, "link", "sign", "model", "--quiet") == signal.SIGKILL
    assert hidden(home.folder) == []
    assert not (home.folder / "model.ancile.json").exists()
    assert home("sign", "model").code == 0
    before = (home.folder / "model.ancile.json").read_bytes()
    assert killed(home, "link", "sign", "model", "--quiet") == signal.SIGKILL
    assert hidden(home.folder) == []
    assert (home.folder / "model.ancile.json").read_bytes() == before
    parse_bundle(before)


def test_what_a_killed_sign_left_is_taken_away_by_a_later_one(home: Place) -> None:
    """Killed between the two steps of a replacement there is a hidden file: the whole new bundle."""
    model_in(home)
    assert home("sign", "model").code == 0
    assert killed(home, "rename", "sign", "model", "--quiet") == signal.SIGKILL
    (left,) = hidden(home.folder)
    assert home("sign", "model").code == 0
    assert hidden(home.folder) == [left]  # it may be somebody's who is at it
    _age(home.folder / left)
    assert home("sign", "model").code == 0
    assert hidden(home.folder) == []
    assert home("verify", "model").code == 0


def _age(path: Path) -> None:
    then = time.time() - 2 * signature_writing.STALE_SECONDS
    os.utime(path, (then, then))


def test_nothing_but_what_a_killed_sign_leaves_is_taken_away(tmp_path: Path) -> None:
    bundle = b'{\n "format": "ancile/evidence/v1",\n'
    held = {
        ".model.sig.abcdefgh": b"",
        ".model.sig.0a_b1c2d": b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"',
        ".model.sig.00000001": bundle,
        ".model.sig.00000002": b"{",
        ".model.sig.00000003": b"somebody's notes",
        ".model.sig.ABCDEFGH": b"",
        ".model.sig.backup": b"",
        ".model.sigh.abcdefgh": b"",
        "model.sig.abcdefgh": b"",
    }
    for name, data in held.items():
        (tmp_path / name).write_bytes(data)
        _age(tmp_path / name)
    (tmp_path / ".model.sig.00000004").mkdir()
    (tmp_path / ".model.sig.00000005").symlink_to(tmp_path / "model.sig.abcdefgh")
    os.link(tmp_path / ".model.sig.00000001", tmp_path / "linked")
    (tmp_path / ".model.sig.00000006").write_bytes(bundle)  # of now
    clear_leftovers(tmp_path / "model.sig")
    gone = {".model.sig.abcdefgh", ".model.sig.0a_b1c2d", ".model.sig.00000002"}
    made = {"linked", ".model.sig.00000004", ".model.sig.00000005", ".model.sig.00000006"}
    assert {path.name for path in tmp_path.iterdir()} == held.keys() - gone | made
    clear_leftovers(tmp_path / "missing" / "model.sig")


@pytest.mark.parametrize("unnamed", [signature_writing.UNNAMED, os.O_WRONLY | os.O_DIRECTORY])
def test_a_bundle_keeps_the_permissions_of_the_one_before_and_is_written_through_links(
    unnamed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second way is that of a file system without unnamed files."""
    monkeypatch.setattr(signature_writing, "UNNAMED", unnamed)
    (tmp_path / "real").mkdir()
    (tmp_path / "link.json").symlink_to(Path("real") / "bundle.json")
    write_bundle(tmp_path / "link.json", b"first")
    target = tmp_path / "real" / "bundle.json"
    assert (tmp_path / "link.json").is_symlink()
    assert target.read_bytes() == b"first"
    target.chmod(0o640)
    write_bundle(tmp_path / "link.json", b"second")
    assert target.read_bytes() == b"second"
    assert target.stat().st_mode & 0o777 == 0o640
    assert [*(tmp_path / "real").iterdir()] == [target]


def test_a_full_disk_leaves_the_bundle_before(tmp_path: Path) -> None:
    """No room is met as a limit on the size of files: both are refused by write(2)."""
    target = tmp_path / "bundle.json"
    write_bundle(target, b"first")
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, kept[1]))
        with pytest.raises(OSError, match=r"bundle\.json") as told:
            write_bundle(target, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        signal.signal(signal.SIGXFSZ, before)
    assert told.value.errno == errno.EFBIG
    assert target.read_bytes() == b"first"
    assert [*tmp_path.iterdir()] == [target]


def test_a_replacement_that_cannot_be_named_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "bundle.json"
    write_bundle(target, b"first")

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr(os, "rename", refused)
    with pytest.raises(OSError, match="busy"):
        write_bundle(target, b"second")
    assert [*tmp_path.iterdir()] == [target]
    assert target.read_bytes() == b"first"


def entries(place: Place) -> int:
    return len(place("ledger", "log", "--format", "json").out.splitlines())


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_found_before_the_release_is_recorded(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_in(home)
    before = entries(home)
    monkeypatch.setattr(os, "posix_fallocate", no_room)
    ended = home("sign", "model")
    assert ended.code == 2
    assert ended.err.splitlines()[-2] == "ancile: error: no space left on device: model.ancile.json"
    assert not (home.folder / "model.ancile.json").exists()
    assert entries(home) == before


def test_a_disk_that_fills_up_after_that_leaves_the_release_in_the_ledger(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its hint says gives the bundle all the same."""
    model_in(home)
    with monkeypatch.context() as patched:
        patched.setattr(os, "link", no_room)
        ended = home("sign", "model")
    assert ended.code == 2
    command = ended.err.splitlines()[-1].partition("ancile evidence export FILE ")[2].split()
    assert home("evidence", "export", "kept.json", *command).code == 0
    assert home("verify", "model", "--signature", "kept.json").code == 0


def test_room_is_taken_on_a_file_system_that_is_too_small(tmp_path: Path) -> None:
    """Whether the system has one to give is for it to say: as root, and where mounting is allowed."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        require_room(small / "bundle.json", 1 << 16)
        with pytest.raises(OSError, match="No space left"):
            require_room(small / "bundle.json", 2 << 20)
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
