"""What a child serves in the tests of ``Child``: each word is a way to behave or to misbehave."""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import time
from pathlib import Path

import msgspec

from ancile.work.frames import ClosedError, Frame, decoded, receive, send, text_block

NAMES = {"os": os, "sys": sys, "Path": Path, "socket": socket, "signal": signal}


def serve(channel: socket.socket) -> None:
    while True:
        try:
            frame = receive(channel, limit_bytes=1 << 30)
        except ClosedError:
            return
        answer = ACTS[frame.word](channel, frame)
        if answer is not None:
            send(channel, answer)


def told(channel: socket.socket, frame: Frame) -> Frame:
    """Evaluate an expression of the test's own and answer with its repr."""
    try:
        found = repr(eval(decoded(frame.body, str), NAMES))  # noqa: S307 - the test wrote it
    except Exception as reason:  # noqa: BLE001 - the test reads what happened
        found = f"{type(reason).__name__}: {reason}"
    return Frame(frame.number, "told", msgspec.msgpack.encode(found))


def die(channel: socket.socket, frame: Frame) -> None:
    print("last words \x1b[31mof a child", flush=True)
    os._exit(decoded(frame.body, int))


def killed(channel: socket.socket, frame: Frame) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(channel: socket.socket, frame: Frame) -> None:
    time.sleep(1000)


def slow(channel: socket.socket, frame: Frame) -> Frame:
    time.sleep(decoded(frame.body, float))
    return Frame(frame.number, "slow", msgspec.msgpack.encode(frame.number))


def held(channel: socket.socket, frame: Frame) -> Frame:
    """Say by a file that it has begun, and end when there is another."""
    begun, go_on = map(Path, decoded(frame.body, list[str]))
    begun.touch()
    while not go_on.exists():
        time.sleep(0.01)
    return Frame(frame.number, "held", msgspec.msgpack.encode(frame.number))


def flood(channel: socket.socket, frame: Frame) -> Frame:
    for _ in range(200):
        os.write(1, b"x" * 10_000 + b"\n")
    return Frame(frame.number, "done")


def large(channel: socket.socket, frame: Frame) -> None:
    channel.sendall(struct.pack("<IQ", 10, 10 << 30))


def noise(channel: socket.socket, frame: Frame) -> None:
    channel.sendall(os.urandom(100))


def stale(channel: socket.socket, frame: Frame) -> Frame:
    send(channel, Frame(frame.number - 1, "old", msgspec.msgpack.encode("old")))
    return Frame(frame.number, "new", msgspec.msgpack.encode("new"))


def fault(channel: socket.socket, frame: Frame) -> Frame:
    words = ("what \x1b[2J", "v" * 10_000, "remedy\n::error::")
    return Frame(frame.number, "fault", msgspec.msgpack.encode(words))


def echo(channel: socket.socket, frame: Frame) -> Frame:
    return Frame(frame.number, "echo", frame.body, (*frame.blocks, text_block(b"end")))


def burn(channel: socket.socket, frame: Frame) -> Frame:
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    return Frame(frame.number, "burnt")


def orphan(channel: socket.socket, frame: Frame) -> None:
    """Leave a grandchild behind that holds the channel open."""
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(7)


def strays(channel: socket.socket, frame: Frame) -> Frame:
    """Start a process that would leave the group, one that stays in it, and answer with their numbers."""
    numbers = []
    for leave in (os.setsid, os.setpgrp, lambda: None):
        number = os.fork()
        if number == 0:
            try:
                leave()
            except OSError:
                print("refused", flush=True)
            time.sleep(1000)
        numbers.append(number)
    return Frame(frame.number, "strays", msgspec.msgpack.encode(numbers))


ACTS = {
    act.__name__: act
    for act in (
        told,
        die,
        killed,
        hang,
        slow,
        held,
        flood,
        large,
        noise,
        stale,
        fault,
        echo,
        burn,
        orphan,
        strays,
    )
}
