"""A stub server of the Open Inference Protocol v2 on loopback, for tests and for nothing else.

``with served(predict, shape=(8, 8)) as url:`` gives the URL of a model that answers with ``predict(x)``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.loopback import web

Predict = Callable[[NDArray[np.floating]], NDArray[np.generic]]
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Behaviour:
    """What the server does; ``twist`` may change any answer, and sees the request's method and path."""

    predict: Predict
    shape: tuple[int, ...]
    rows: int = -1
    datatype: str = "FP32"
    output_datatype: str = "FP32"
    twist: Callable[[str, str, Answer], Answer] = lambda _method, _path, answer: answer
    hang_up: bool = False
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    samples: int = 0

    def metadata(self) -> dict[str, Any]:
        return {
            "name": "stub",
            "versions": ["1"],
            "platform": "numpy",
            "inputs": [{"name": "x", "datatype": self.datatype, "shape": [self.rows, *self.shape]}],
            "outputs": [{"name": "scores", "datatype": self.output_datatype, "shape": [-1, -1]}],
        }

    def infer(self, body: bytes) -> dict[str, Any]:
        given = json.loads(body)["inputs"][0]
        x = np.asarray(given["data"], dtype=np.float64).reshape(given["shape"])
        self.samples += len(x)
        found = np.asarray(self.predict(x))
        data = found.ravel().tolist()
        output = {"name": "scores", "datatype": self.output_datatype, "shape": found.shape, "data": data}
        return {"model_name": "stub", "outputs": [output]}


@contextmanager
def served(predict: Predict, *, shape: tuple[int, ...], **more: Any) -> Iterator[tuple[str, Behaviour]]:
    """The URL of the served model, and what it was asked."""
    behaviour = Behaviour(predict, shape, **more)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(json.dumps(behaviour.metadata()).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(json.dumps(behaviour.infer(body)).encode())

        def answer(self, content: bytes) -> None:
            behaviour.asked.append((self.command, self.path, dict(self.headers)))
            plain: Answer = (200, {"Content-Type": "application/json"}, content)
            status, headers, content = behaviour.twist(self.command, self.path, plain)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            # Closing without a word is what servers do with idle connections
            self.close_connection = behaviour.hang_up

    with web(Handler) as url:
        yield f"{url}/v2/models/stub", behaviour
