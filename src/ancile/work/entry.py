"""Where a child process begins: give up rights first, then import what serves.

Started as ``python -I -u -c BOOT <descriptor> <module> <json list of sys.path>`` by ``work.child``.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from importlib import import_module

import msgspec

from ancile.work.confine import Confinement, confine
from ancile.work.frames import Frame, decoded, receive, send

BOOT = """
import json, sys
sys.path.extend(p for p in json.loads(sys.argv[3]) if p not in sys.path)
from ancile.work.entry import main
main()
"""


def main() -> None:
    """Confine this process as the first frame says, answer what came of it, then serve until told to stop."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    begin(channel, sys.argv[2])
    # Threads that foreign code left behind must not keep the process, nor may its exit handlers run on. Where
    # the parent was killed, nobody else ends what the code started.
    sys.stderr.flush()
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def begin(channel: socket.socket, module: str) -> None:
    """The first exchange on ``channel``, then ``module.serve(channel)``."""
    order = receive(channel, limit_bytes=0)
    answer = confine(decoded(order.body, Confinement))
    send(channel, Frame(order.number, "confined", msgspec.msgpack.encode(answer)))
    import_module(module).serve(channel)
