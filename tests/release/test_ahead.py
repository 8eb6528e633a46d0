"""A manifest that is made while its caller gets ready."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.release.ahead import Ahead
from ancile.release.manifest import manifest_of


def test_it_is_the_manifest_that_is_made_at_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * 3_000_000)
    (tmp_path / "b").write_bytes(b"")
    told: list[tuple[int, int]] = []
    with Ahead(tmp_path) as ahead:
        found = ahead.manifest(lambda done, total: told.append((done, total)))
        assert ahead.manifest() == found
    assert found == manifest_of(tmp_path)
    assert all(0 <= done <= total for done, total in told)


def test_its_fault_is_told_where_it_is_asked_for_and_not_before(tmp_path: Path) -> None:
    with Ahead(tmp_path / "missing") as ahead, pytest.raises(AncileError, match="cannot be read"):
        ahead.manifest()
    with pytest.raises(KeyError), Ahead(tmp_path / "missing"):
        raise KeyError


def test_it_is_given_up_where_it_is_not_asked_for(tmp_path: Path) -> None:
    """A sparse file of 60 GiB would take a minute to hash; no thread of it is left."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(60 << 30)
    interval, threads = sys.getswitchinterval(), threading.active_count()
    with pytest.raises(AncileError, match="no home"), Ahead(tmp_path):
        raise AncileError("no home", value="", remedy="")
    assert sys.getswitchinterval() == interval
    assert threading.active_count() == threads


@pytest.mark.parametrize("command", ["sign", "verify"])
def test_files_are_hashed_before_what_else_is_needed_is_loaded(command: str) -> None:
    """Loading a command loads what hashes, and neither signatures nor ledgers."""
    code = f"""
import sys
before = set(sys.modules)  # what measures coverage loads of its own
import ancile.cli.{command}
loaded = set(sys.modules) - before
late = ("cryptography", "sqlite3", "ssl", "ancile.trust.ledger", "ancile.cli.home")
print(*[one for one in late if one in loaded], "ancile.work.hashing" in loaded)
"""
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout == "True\n"
