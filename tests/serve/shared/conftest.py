"""Servers of this folder's tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.shared.servers import Server, postgres_server, redis_server


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    """A Redis of this test's own."""
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def postgres() -> Iterator[Server]:
    """A PostgreSQL of this test's own, in a folder that another user can reach."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made,
        postgres_server(Path(made)) as server,
    ):
        yield server
