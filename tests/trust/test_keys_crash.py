"""A writer of keys that is killed at any step leaves a folder that works."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ancile.trust.keys import active_key, create_key, list_keys, revoke_key, rotate_key, unlock_key
from ancile.trust.private_file import TEMPORARY
from tests.trust.keys_help import NOW, OPEN

# Runs one change in a forked child per step, each on its own copy, and kills the child at that step: an audit
# hook sees every open, link, rename, unlink and mkdir before it happens.
KILLER = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from ancile.trust.keys import create_key, revoke_key, rotate_key
from ancile.trust.lockbox import Protection

STEPS = ("open", "os.link", "os.rename", "os.remove", "os.mkdir", "fcntl.flock")
left = int(1e9)

def hook(event, arguments):
    global left
    if event in STEPS:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

def change(keys, kind, id_):
    now = datetime.now(UTC)
    if kind == "rotate":
        rotate_key(keys, "author", lambda: b"", protection=Protection(None), now=now)
    if kind == "revoke":
        revoke_key(keys, id_, reason="lost", now=now)
    if kind == "create":
        create_key(keys, "author", "alice", protection=Protection(None), now=now)

sys.addaudithook(hook)
kind, id_, *folders = sys.argv[1:]
for step, folder in enumerate(folders, 1):
    child = os.fork()
    if child == 0:
        left = step
        change(Path(folder), kind, id_)
        os._exit(0)
    print("killed" if os.WIFSIGNALED(os.waitpid(child, 0)[1]) else "done")
"""
STEPS = 40  # more than any of these changes takes


def killed_at_each_step(source: Path, kind: str, id_: str = "") -> list[tuple[str, Path]]:
    copies = [source.parent / f"{kind}-{step}" for step in range(STEPS)]
    for copy in copies:
        shutil.copytree(source, copy)
    answer = subprocess.run(
        [sys.executable, "-c", KILLER, kind, id_, *map(str, copies)],
        capture_output=True,
        text=True,
        check=True,
    )
    ends = answer.stdout.split()
    assert Counter(ends)["killed"] >= 5, answer.stderr
    assert ends[-1] == "done"
    return list(zip(ends, copies, strict=True))


@pytest.mark.slow
def test_kill_at_each_step_of_a_rotation_leaves_one_active_key_and_the_old_one(tmp_path: Path) -> None:
    source = tmp_path / "keys"
    old = create_key(source, "author", "alice", protection=OPEN, now=NOW)
    for end, keys in killed_at_each_step(source, "rotate"):
        found = {k.public.id: k.state for k in list_keys(keys)}
        assert found[old.public.id] == ("active" if len(found) == 1 else "retired")
        assert end == "killed" or len(found) == 2
        assert unlock_key(keys, "author", bytes, id_=old.public.id).seeds == old.seeds
        again = rotate_key(keys, "author", bytes, protection=OPEN, now=NOW)
        assert active_key(keys, "author").public == again.new.public
        assert not list(keys.glob(f"{TEMPORARY}*"))


@pytest.mark.slow
def test_kill_at_each_step_of_a_revocation_leaves_the_key_whole_or_revoked(tmp_path: Path) -> None:
    source = tmp_path / "keys"
    key = create_key(source, "author", "alice", protection=OPEN, now=NOW)
    for end, keys in killed_at_each_step(source, "revoke", key.public.id):
        (found,) = list_keys(keys)
        assert found.state == "revoked" or end == "killed"
        if found.state == "active":
            assert unlock_key(keys, "author", bytes).seeds == key.seeds
        assert revoke_key(keys, key.public.id, reason="lost", now=NOW).state == "revoked"


@pytest.mark.slow
def test_kill_at_each_step_of_the_first_key_leaves_none_or_one(tmp_path: Path) -> None:
    source = tmp_path / "keys"
    source.mkdir(mode=0o700)
    for end, keys in killed_at_each_step(source, "create"):
        found = list_keys(keys)
        assert len(found) == 1 or (end == "killed" and not found)
        if not found:
            create_key(keys, "author", "alice", protection=OPEN, now=NOW)
        unlock_key(keys, "author", bytes)
