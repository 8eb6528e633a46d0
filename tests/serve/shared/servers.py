"""A PostgreSQL and a Redis of the tests' own, on free ports, from binaries on this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import asyncpg  # type: ignore[import-untyped]  # it comes without types
import pytest

from tests.loopback import free_port

NEEDED = os.environ.get("ANCILE_NEEDS", "").split(",")  # what must be here, or the tests fail
OTHER = "nobody"  # PostgreSQL does not run as root


class Server(NamedTuple):
    """One that runs."""

    url: str
    process: subprocess.Popen[bytes]
    command: list[str]

    def kill(self) -> None:
        """As power does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """It hangs: it takes connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It answers what came meanwhile."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        """To it and to the processes that it has for its clients."""
        pid = self.process.pid
        if self.process.poll() is None:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
            for one in (pid, *map(int, children)):
                with suppress(ProcessLookupError):  # a client's process ends with its client
                    os.kill(one, number)

    def again(self) -> Server:
        """Another process with the same data, at the same port."""
        return self._replace(process=started(self.command, port_of(self.url)))


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def binary(name: str, needed: str) -> str:
    """Where it is; the test skips where it is not, or fails where it is said to be needed."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, versions)]))
    if found is None:
        assert needed not in NEEDED, f"{name} is needed here and not installed"
        pytest.skip(f"{name} is not installed")
    return found


def started(command: list[str], port: int) -> subprocess.Popen[bytes]:
    """The process, once it listens."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            if any(one.endswith("postgres") for one in command):
                asyncio.run(_greeted(port))
        except (OSError, asyncpg.CannotConnectNowError):
            time.sleep(0.05)
        else:
            return process
    process.kill()
    raise TimeoutError(command[0])


async def _greeted(port: int) -> None:
    await (await asyncpg.connect(f"postgresql://ancile@127.0.0.1:{port}/postgres")).close()


@contextmanager
def running(server: Server) -> Iterator[Server]:
    try:
        yield server
    finally:
        server.go_on()
        server.kill()


@contextmanager
def redis_server(folder: Path) -> Iterator[Server]:
    """A Redis that writes what it has to a file at once."""
    port = free_port()
    command = [binary("redis-server", "redis"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--dir", str(folder)]
    with running(Server(f"redis://127.0.0.1:{port}/0", started(command, port), command)) as server:
        yield server


@contextmanager
def postgres_server(folder: Path) -> Iterator[Server]:
    """A PostgreSQL with a database of its own."""
    port, data = free_port(), folder / "data"
    initdb, postgres = binary("initdb", "postgres"), binary("postgres", "postgres")
    other: list[str] = []
    if os.geteuid() == 0:
        other = [binary("setpriv", "postgres"), "--reuid", OTHER, "--regid", "nogroup", "--clear-groups"]
        shutil.chown(folder, OTHER)
    made = [*other, initdb, "-D", str(data), "-A", "trust", "-U", "ancile", "-E", "UTF8", "--no-sync"]
    subprocess.run(made, check=True, capture_output=True, cwd="/")
    command = [*other, postgres, "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", ""]
    url = f"postgresql://ancile@127.0.0.1:{port}/postgres"
    with running(Server(url, started(command, port), command)) as server:
        yield server
