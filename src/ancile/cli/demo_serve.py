"""The part of the demo in which a model answers behind the gateway."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from ancile.cli.demo import show
from ancile.core.errors import AncileError

ANCILE = (sys.executable, "-P", "-m", "ancile")
ADDRESS = re.compile(r"at http://127\.0\.0\.1:(\d+)")
END_SECONDS, ANSWER_SECONDS = 30.0, 20.0


def make_key(folder: Path) -> str:
    """The API key of a new identity, whose command is printed."""
    show("ancile user add alice --role analyst")
    made = subprocess.run(
        [*ANCILE, "user", "add", "alice", "--role", "analyst"],
        cwd=folder,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return made.stdout.strip()


@contextmanager
def served(folder: Path, model: str) -> Iterator[int]:
    """The port at which the model answers, while the block lasts; what the gateway says is printed."""
    show(f"ancile serve {model} --port 0")
    process = subprocess.Popen(
        [*ANCILE, "serve", model, "--port", "0"], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    try:
        yield _port(process)
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=END_SECONDS)
        click.echo(said, nl=False)


def _port(process: subprocess.Popen[str]) -> int:
    port = 0
    for line in process.stderr or ():
        click.echo(line, nl=False)
        if found := ADDRESS.search(line):
            port = int(found[1])
        if "try: curl" in line and port:
            return port
    raise AncileError(
        "the demo's gateway did not start", value="", remedy="see what it says above; `ancile doctor`"
    )


def write_row(path: Path, row: Sequence[float]) -> None:
    """A question about one row, as curl sends it with -d @FILE."""
    tensor = {"name": "x", "shape": [1, len(row)], "datatype": "FP64", "data": list(row)}
    path.write_text(json.dumps({"inputs": [tensor]}), "utf-8")


def ask(port: int, model: str, asked: Path, *, key: str) -> int:
    """The status of the answer to what a file asks; question and answer are printed."""
    path, body = f"/v2/models/{model}/infer", asked.read_bytes()
    shown = '-H "Authorization: Bearer $KEY" ' if key else ""
    show(f"curl {shown}http://127.0.0.1:{port}{path} -d @{asked.name}")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", path, body, {"Authorization": f"Bearer {key}"} if key else {})
        answer = connection.getresponse()
        click.echo(f"{answer.status} {answer.read().decode()}")
        return answer.status
    finally:
        connection.close()
