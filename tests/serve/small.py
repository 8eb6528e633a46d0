"""A model whose answers can be reckoned by hand, a client, and the gateway as a process."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tests.cli.terminal import Place
from tests.serve.answer import Answer

W = np.array([[1.0, -1.0], [0.5, 0.25]], dtype=np.float32)


def linear(weights: NDArray[np.float32] = W) -> bytes:
    """A model whose scores are x @ weights."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["scores"])],
        "line",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data: bytes = model.SerializeToString()
    return data


def row(*values: float, name: str = "x") -> bytes:
    """A request with one row."""
    tensor = {"name": name, "shape": [1, len(values)], "datatype": "FP32", "data": list(values)}
    return json.dumps({"inputs": [tensor]}).encode()


class Client:
    """One connection with a key."""

    def __init__(self, port: int, key: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._key = key

    def __call__(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self._key:
            named["Authorization"] = f"Bearer {self._key}"
        self._connection.request(method, target, body=body or None, headers=named)
        answer = self._connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def infer(self, *values: float, model: str = "line") -> Answer:
        return self("POST", f"/v2/models/{model}/infer", row(*values))

    def close(self) -> None:
        self._connection.close()


class Running(NamedTuple):
    """A gateway that serves."""

    process: subprocess.Popen[str]
    port: int
    said: Path
    clients: list[Client]

    def client(self, key: str = "") -> Client:
        """A connection to it, which ends with it."""
        self.clients.append(Client(self.port, key))
        return self.clients[-1]

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii")
        return [int(child) for child in children.split()]

    def worker(self) -> int:
        """The process id of the only one, or of the first."""
        return self.workers()[0]

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def running(place: Place, *arguments: str, before: Callable[[], None] | None = None) -> Iterator[Running]:
    """``ancile serve`` with these arguments on a free port."""
    said = place.folder / "serve.log"
    with said.open("wb") as log:
        process = place.start("serve", *arguments, "--port", "0", before=before, stderr=log.fileno())
    try:
        found = None
        while found is None and process.poll() is None:
            time.sleep(0.02)
            found = re.search(r"at https?://127.0.0.1:(\d+)[^\0]*try:", said.read_text("utf-8"))
        assert found is not None, said.read_text("utf-8")
        gateway = Running(process, int(found[1]), said, [])
        try:
            yield gateway
        finally:
            for client in gateway.clients:
                client.close()
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)
