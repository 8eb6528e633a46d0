"""CPU of a chat through the gateway, saturated, beside LiteLLM's proxy on the same request and upstream.

Both stand before a stub of a chat server, ask for a key, and answer 16 connections in a closed loop, in turn; 256
different prompts of some 600 bytes. Ours judges key, permission, rate and quota, reads and rewrites the request
and records each verdict (durable_seconds 0.2); its figure is that of worker and supervisor together. LiteLLM runs
as it does by default with a master key: one worker, no database, no callbacks, its price list local. The control
is LiteLLM against itself.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from bar import Bar
from environments import environment
from serve_load import write_requests
from serve_overhead import ANCILE, READY, Took, home, load, process, with_children

HERE = Path(__file__).parent
ROUNDS, PROMPTS = 3, 256
TIMES = 100
MASTER = "sk-bench-0123456789"
CONFIG = """
model_list:
  - model_name: stub
    litellm_params:
      model: openai/stub
      api_base: http://127.0.0.1:%d/v1
      api_key: none
general_settings:
  master_key: %s
"""


def requests(key: str) -> list[bytes]:
    found = []
    for number in range(PROMPTS):
        said = f"Question {number}: " + "why does the sun rise in the east and set in the west? " * 10
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": said}]
        body = json.dumps({"model": "stub", "messages": messages, "temperature": 0.5}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        found.append(head.encode() + body)
    return found


@contextmanager
def ours(folder: Path, upstream: int) -> Iterator[tuple[int, list[int]]]:
    write_requests(folder / "ours", requests(home(folder)))
    serve = ["serve", "--upstream", f"http://127.0.0.1:{upstream}", "--chat", "--name", "stub", "--port", "0"]
    with process([*ANCILE, *serve], READY, cwd=folder) as (started, at):
        yield int(at[1]), with_children(started.pid)


@contextmanager
def theirs(folder: Path, upstream: int) -> Iterator[tuple[int, list[int]]]:
    write_requests(folder / "theirs", requests(MASTER))
    (folder / "litellm.yaml").write_text(CONFIG % (upstream, MASTER), "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    quiet = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    options = ["--config", "litellm.yaml", "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    command = [str(environment("litellm") / "litellm"), *options, "--telemetry", "False"]
    with process(command, "Proxy initialized", cwd=folder, env=os.environ | quiet) as (started, _):
        until_open(port)
        yield port, with_children(started.pid)


def until_open(port: int) -> None:
    """It listens a moment after it has said the last of what it says."""
    for _ in range(600):
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    sys.exit("LiteLLM's proxy does not listen")


def measure(*, control: bool = False) -> list[Bar]:
    """One bar."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        stub = [sys.executable, str(HERE / "serve_load.py"), "chat"]
        _, found = stack.enter_context(process(stub, r"(\d+)"))
        upstream = int(found[1])
        peer = (*stack.enter_context(theirs(folder, upstream)), folder / "theirs")
        side = peer if control else (*stack.enter_context(ours(folder, upstream)), folder / "ours")
        load(*side)  # the first seconds of each are for imports and connections
        load(*peer)
        rounds: list[tuple[Took, Took]] = [(load(*side), load(*peer)) for _ in range(ROUNDS)]
    ratios = [b.cpu / a.cpu for a, b in rounds]
    ratio = statistics.median(ratios)
    cpu = [statistics.median(pair[at].cpu for pair in rounds) for at in (0, 1)]
    rates = [statistics.median(pair[at].rate for pair in rounds) for at in (0, 1)]
    return [
        Bar(
            claim="a chat costs a hundredth of what LiteLLM's proxy takes for it",
            measured=f"CPU a request LiteLLM / ours = {ratio:.0f} ({min(ratios):.0f} to {max(ratios):.0f}), "
            f"{cpu[1]:.0f} us against {cpu[0]:.0f} us; {rates[1]:.0f} requests/s against {rates[0]:.0f}",
            wanted=f"at least {TIMES} times, saturated, durable_seconds 0.2",
            met=ratio >= TIMES,
            raw={"ours_us": [a.cpu for a, _ in rounds], "litellm_us": [b.cpu for _, b in rounds]},
        )
    ]


if __name__ == "__main__":
    for one in measure(control="--control" in sys.argv):
        print(one)
