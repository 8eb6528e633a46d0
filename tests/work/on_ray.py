"""What happens on a Ray cluster of a run's own, told as JSON: Ray is to be loaded in a fresh process."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from ancile.core.errors import AncileError
from ancile.work.frames import decoded, text_block
from ancile.work.ray_cluster import RayChild, ray_children
from ancile.work.relay import ChildOrder

SERVANT = ChildOrder.of("servant")


def asked(child: RayChild, word: str, body: object = None) -> object:
    """What the servant answers."""
    answer = child.ask(word, msgspec.msgpack.encode(body), seconds=30, limit_bytes=1 << 20)
    return msgspec.msgpack.decode(answer.body)


def offspring() -> dict[int, str]:
    """The processes below this one that have not ended, with their command lines."""
    parents, lines = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(folder.name)] = int(parent)
                lines[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    below = {os.getpid()}
    for _ in parents:
        below |= {one for one, parent in parents.items() if parent in below}
    return {one: lines[one] for one in below - {os.getpid()}}


def listening(processes: set[int]) -> set[str]:
    """Addresses, as /proc/net has them, on which these processes and this one wait for others."""
    sockets = set()
    for one in {*processes, os.getpid()}:
        for link in Path(f"/proc/{one}/fd").glob("*"):
            try:
                sockets.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
    rows = [
        line.split()
        for kind in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()
    ]
    return {row[1].rpartition(":")[0] for row in rows if row[3] == "0A" and row[9] in sockets}


def environment(process: int) -> bytes:
    """What a process started with; empty where it has closed itself to others."""
    try:
        return Path(f"/proc/{process}/environ").read_bytes()
    except PermissionError:
        return b""


def said(work: Callable[[], object]) -> str:
    """What the error says that the work ends with."""
    try:
        work()
    except AncileError as fault:
        return str(fault)
    return ""


def lost(child: RayChild) -> str:
    """What asking says of a worker that is killed meanwhile, and once more after."""
    workers = [one for one, line in offspring().items() if line.startswith("ray::Relay")]
    for worker in workers:
        threading.Timer(0.5, os.kill, (worker, signal.SIGKILL)).start()
    first, again = (said(lambda: asked(child, "slow", 20.0)) for _ in range(2))
    return first if first == again else f"{first} then {again}"


def main() -> None:
    """Print the facts."""
    os.environ["ANCILE_PASSPHRASE"] = "geheim"
    facts: dict[str, object] = {}
    before = signal.getsignal(signal.SIGTERM)
    with ray_children([SERVANT] * 3) as (one, two, three):
        below = offspring()
        folders = set(re.findall(r"(/\S*/ancile-[^/\s]+)/session_", " ".join(below.values())))
        facts["workers"] = sum(line.startswith("ray::Relay") for line in below.values())
        facts["listening"] = sorted(listening(set(below)))
        facts["secrets"] = sum(b"geheim" in environment(number) for number in below)
        answer = one.ask("echo", blocks=(text_block(b"abc"),), seconds=30, limit_bytes=100)
        facts["echo"] = [bytes(block.data).decode() for block in answer.blocks]
        facts["refused"] = said(
            lambda: three.ask("echo", blocks=(text_block(b"abc"),), seconds=30, limit_bytes=3)
        )
        facts["environment"] = eval(str(asked(two, "told", "sorted(os.environ)")))  # noqa: S307 - the servant's
        facts["burnt"] = two.cpu_seconds()
        asked(two, "burn")
        facts["burnt"] = two.cpu_seconds() - float(str(facts["burnt"]))
        facts["ended"] = said(lambda: asked(two, "die", 7))
        facts["died"] = two.has_died()
        facts["confined"] = decoded(msgspec.msgpack.encode(one.confined), dict) is not None
        facts["lost"] = lost(one)
    left = list(offspring().values())
    try:
        with ray_children([SERVANT]) as (one,):
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
            asked(one, "hang")
    except KeyboardInterrupt:
        facts["interrupted"] = True
    facts["left"] = left + list(offspring().values())
    facts["restored"] = (signal.getsignal(signal.SIGTERM) == before, os.environ["ANCILE_PASSPHRASE"])
    facts["folders"] = {folder: Path(folder).exists() for folder in folders}
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
