"""The access log: a line of JSON for each request, without secrets, inputs or full addresses.

Lines are gathered and written once a second, each write of whole lines at the file's end, so that several
workers share a file. It is no evidence: what the ledger must not lose stands in the journal.
"""

from __future__ import annotations

import ipaddress
import os
from collections import Counter
from functools import lru_cache
from pathlib import Path

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain

GATHERED = 1 << 16  # bytes, after which they are written at once
MOST_KINDS = 1000  # of refusals, by network, a second: the rest of them go without their network
PREFIX = {4: 24, 6: 48}


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request, or several alike of one second that were refused before their body.

    time   Unix time in microseconds
    ask    what was asked for
    said   what the guards said
    us     that the gateway took; model_us: the model
    bytes  of the answer
    trace  id of its trace, where it is traced
    n      how many
    """

    time: int
    who: str = ""
    role: str = ""
    model: str = ""
    ask: str = ""
    status: int
    said: str = ""
    guard: str = ""
    us: int = 0
    model_us: int = 0
    bytes: int = 0
    network: str = ""
    trace: str = ""
    n: int = 1


class AccessLog:
    """Where a worker writes; one thread.

    networks  whether lines say from where
    """

    def __init__(self, path: Path, *, networks: bool) -> None:
        self._path, self._networks = path, networks
        self._file, self._inode = _opened(path)
        self._gathered: list[bytes] = []
        self._bytes = self.lost = 0
        self._refused: Counter[tuple[int, str]] = Counter()

    def add(self, line: Line) -> None:
        """One request."""
        encoded = msgspec.json.encode(line)
        self._gathered.append(encoded)
        self._bytes += len(encoded) + 1
        if self._bytes >= GATHERED:
            self._write()

    def network(self, address: str) -> str:
        """What a line says of a client's address."""
        return network_of(address) if self._networks else ""

    def refused(self, status: int, address: str) -> None:
        """A request that was refused before its body: counted, so that a flood fills no disk."""
        key = (status, self.network(address))
        if key not in self._refused and len(self._refused) >= MOST_KINDS:
            key = (status, "")
        self._refused[key] += 1

    def tick(self, time: int) -> None:
        """Write what was gathered; a file that was moved away is begun anew."""
        for (status, network), count in self._refused.items():
            self.add(Line(time=time, status=status, network=network, n=count))
        self._refused.clear()
        if self._gathered:
            self._write()
        try:
            moved = self._path.stat().st_ino != self._inode
        except OSError:
            moved = True
        if moved:
            os.close(self._file)
            self._file, self._inode = _opened(self._path)

    def close(self, time: int) -> None:
        """Write the last of it."""
        self.tick(time)
        os.close(self._file)

    def _write(self) -> None:
        data, lines = b"\n".join(self._gathered) + b"\n", len(self._gathered)
        self._gathered, self._bytes = [], 0
        try:
            written = os.write(self._file, data)
        except OSError:
            written = 0
        if written < len(data):  # the disk is full: what is lost is counted, and requests go on
            self.lost += lines - data.count(b"\n", 0, written)


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The network of an address: /24 for IPv4, /48 for IPv6; empty for what is none."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network((parsed, PREFIX[parsed.version]), strict=False))


def _opened(path: Path) -> tuple[int, int]:
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as reason:
        raise AncileError(
            "the access log cannot be written",
            value=plain(f"{path}: {reason.strerror}"),
            remedy="name another file in [serve.telemetry]",
        ) from reason
    return file, os.fstat(file).st_ino
