"""Between workers: every identity has one, and a connection goes to the worker of whoever asks on it.

So all that is remembered of an identity is in one process, as if there were one: limits are exact, and nobody
thins what a guard sees of him by opening more connections. A connection moves with the bytes that were read
of its request, by SCM_RIGHTS (unix(7)); one under TLS stays where its keys are, and its bytes travel through
a pair of sockets. The inboxes belong to the process that started the workers: what lies in the inbox of one
that was killed is read by its successor.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
import zlib
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress

import msgspec

from ancile.core.errors import AncileError

INLINE = 32 << 10  # bytes of a request in the message itself; more lie in memory of their own beside it
MOST_MESSAGE = 64 << 10
MOST_AT_ONCE = 64  # hand-overs before the loop turns to others


class Elsewhere(Exception):  # noqa: N818 - a decision, which the connection carries out
    """The request is another worker's."""

    def __init__(self, worker: int) -> None:
        super().__init__(worker)
        self.worker = worker


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """A connection as it is handed over.

    address      of its peer
    certificate  of its peer, as verified; empty without one
    data         read of its request so far
    """

    address: str
    certificate: str
    data: bytes


Take = Callable[[socket.socket, Handed], Coroutine[None, None, None]]


class Siblings:
    """The workers of one gateway, as one of them sees them.

    index    of this one
    inboxes  to write to, of all
    own      to read from
    """

    def __init__(
        self, index: int, inboxes: Sequence[int], own: int, *, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._index, self._loop = index, loop
        self._inboxes = [socket.socket(fileno=number) for number in inboxes]
        self._own = socket.socket(fileno=own)
        for one in (*self._inboxes, self._own):
            one.setblocking(False)
        self._taking: set[asyncio.Task[None]] = set()

    def keep(self, name: str) -> None:
        """Nothing where the identity is this worker's; Elsewhere where it is another's."""
        worker = zlib.crc32(name.encode()) % len(self._inboxes)
        if worker != self._index:
            raise Elsewhere(worker)

    def hand(self, worker: int, transport: asyncio.Transport, handed: Handed) -> bool:
        """Whether the connection now is the other's; it is not where the inbox is full."""
        transport.pause_reading()
        if transport.get_extra_info("sslcontext") is None:
            given = transport.get_extra_info("socket")
            if not self._send(worker, given.fileno(), handed):
                return False
            transport.abort()  # this end; the other's stays open
            return True
        ours, theirs = socket.socketpair()
        with theirs:
            if not self._send(worker, theirs.fileno(), handed):
                ours.close()
                return False
        self._begin(_relayed(ours, transport, self._loop))
        return True

    def listen(self, take: Take) -> None:
        """Hand what comes to ``take`` from now on."""
        self._loop.add_reader(self._own.fileno(), self._read, take)

    def close(self) -> None:
        """Take and give nothing more; what lies in the inbox is the successor's."""
        self._loop.remove_reader(self._own.fileno())
        for one in (*self._inboxes, self._own):
            one.close()

    def _send(self, worker: int, number: int, handed: Handed) -> bool:
        numbers, data = [number], handed.data
        if len(data) > INLINE:
            numbers.append(_in_memory(data))
            handed = Handed(address=handed.address, certificate=handed.certificate, data=b"")
        try:
            socket.send_fds(self._inboxes[worker], [msgspec.msgpack.encode(handed)], numbers)
        except OSError:  # the inbox is full
            return False
        finally:
            for one in numbers[1:]:
                os.close(one)
        return True

    def _read(self, take: Take) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                data, numbers = _received(self._own)
            except OSError:  # there is no more, or too many files are open; the connection is then closed
                return
            if numbers:
                self._begin(take(socket.socket(fileno=numbers[0]), _handed(data, numbers[1:])))

    def _begin(self, what: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(what)
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)


def inboxes(count: int) -> list[tuple[socket.socket, socket.socket]]:
    """An inbox for each of several workers: the end to write to, and the end to read from."""
    made = []
    for _ in range(count if count > 1 else 0):
        try:
            made.append(socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        except OSError as reason:
            raise AncileError(
                "this system has no sockets between workers",
                value=reason.strerror or "",
                remedy="use Linux, or serve with one worker",
            ) from reason
    return made


def _in_memory(data: bytes) -> int:
    number = os.memfd_create("handed")
    os.write(number, data)
    return number


def _received(own: socket.socket) -> tuple[bytes, list[int]]:
    """A message and its descriptors, which no process started later inherits."""
    numbers = array.array("i")
    room = socket.CMSG_LEN(2 * numbers.itemsize)
    data, found, _, _ = own.recvmsg(MOST_MESSAGE, room, socket.MSG_CMSG_CLOEXEC)
    for _, _, given in found:
        numbers.frombytes(given[: len(given) - len(given) % numbers.itemsize])
    return data, list(numbers)


def _handed(data: bytes, beside: Sequence[int]) -> Handed:
    handed = msgspec.msgpack.decode(data, type=Handed)
    if not beside:
        return handed
    with os.fdopen(beside[0], "rb") as file:
        file.seek(0)
        return Handed(address=handed.address, certificate=handed.certificate, data=file.read())


class _End(asyncio.Protocol):
    """One end of a relay: what comes goes to the other, no faster than that takes it."""

    def __init__(self) -> None:
        self.other: asyncio.Transport | None = None

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.write(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self.other is not None:
            self.other.close()


async def _relayed(ours: socket.socket, far: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
    """Join a connection under TLS with the socket that another worker has the other end of."""
    with suppress(OSError):
        near, inner = await loop.connect_accepted_socket(_End, ours)
        outer = _End()
        inner.other, outer.other = far, near
        far.set_protocol(outer)
        if far.is_closing():
            near.close()
        else:
            far.resume_reading()
