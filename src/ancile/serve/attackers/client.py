"""One attacker's way to a gateway: the Open Inference Protocol v2 over HTTP, one row a request."""

from __future__ import annotations

import http.client
import json
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.place import Place, connection_to
from ancile.core.text import plain
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 30.0
LONGEST = 64 << 20  # bytes of an answer
OK, HELD, UNKNOWN, THROTTLED = 200, 202, 401, 429
REFUSED = frozenset((HELD, 400, 403))
MOST_CLASSES = 1000  # that a label alone may stand for


class Stopped(Exception):  # noqa: N818 - it ends an attack, and is no error of the program
    """The gateway answers no more, or the time is up."""


class Input(NamedTuple):
    """The one input of a model."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Client:
    """Asks with one key.

    until  when to stop waiting for a throttled request, by ``clock``
    """

    def __init__(
        self,
        place: Place,
        model: str,
        key: str,
        *,
        until: float,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._place, self._model, self._key = place, model, key
        self._until, self._clock, self._wait = until, clock, wait
        self._connection: http.client.HTTPConnection | None = None
        self._input: Input | None = None
        self.asked = self.throttled = self.refused = 0

    def input(self) -> Input:
        """What the model takes, as the gateway says."""
        if self._input is None:
            status, body, _ = self._send("GET", f"/v2/models/{self._model}", None)
            if status != OK:
                raise AncileError(
                    "the gateway does not describe the model",
                    value=f"{self._model}: {status} {plain(body[:200].decode('utf-8', 'replace'))}",
                    remedy="check --model, and that the key may ask for metadata",
                )
            self._input = _input_of(body)
        return self._input

    def scores(self, row: NDArray[np.float32]) -> NDArray[np.floating]:
        """Scores of the answer to one flat row; of a label alone a one in its place."""
        if self._clock() > self._until:
            raise Stopped
        one = self.input()
        tensor = {"name": one.name, "shape": [1, *one.shape], "datatype": one.datatype, "data": row.tolist()}
        body = json.dumps({"inputs": [tensor]}).encode("ascii")
        while True:
            status, answer, after = self._send("POST", f"/v2/models/{self._model}/infer", body)
            self.asked += 1
            if status == OK:
                return _scores(answer)
            if status != THROTTLED:
                self.refused += status in REFUSED
                raise Stopped
            self.throttled += 1
            if self._clock() + after > self._until:
                raise Stopped
            self._wait(after)

    def status(self, key: str) -> int:
        """What a request with another key is answered with."""
        return self._send("GET", f"/v2/models/{self._model}", None, key=key)[0]

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(
        self, method: str, path: str, body: bytes | None, *, key: str | None = None
    ) -> tuple[int, bytes, float]:
        headers = {"Authorization": f"Bearer {key or self._key}", "Host": self._place.authority()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            if self._connection is None:
                self._connection = connection_to(
                    self._place, connect_seconds=CONNECT_SECONDS, seconds=ANSWER_SECONDS
                )
            self._connection.request(method, self._place.path + path, body, headers)
            with self._connection.getresponse() as answer:
                found, rest = answer.read(LONGEST), answer.read(1)
            if answer.will_close or rest:
                self.close()
            return answer.status, found, _seconds(answer.headers.get("Retry-After") or "1")
        except (OSError, http.client.HTTPException, ValueError) as reason:
            self.close()
            raise AncileError(
                "the gateway does not answer",
                value=plain(f"{self._place.url()}: {type(reason).__name__}: {reason}"),
                remedy="check that it runs, and the URL",
            ) from reason


def _seconds(said: str) -> float:
    """That a gateway asks to be left alone; ValueError for what is no time."""
    found = float(said)
    if not 0 <= found < math.inf:
        raise ValueError("Retry-After is no time")
    return found


def _input_of(body: bytes) -> Input:
    try:
        (found,) = json.loads(body)["inputs"]
        shape = tuple(int(axis) for axis in found["shape"][1:])
        fits = found["datatype"] in ("FP32", "FP64", "FP16") and min(shape, default=1) >= 1
        one = Input(str(found["name"]), str(found["datatype"]), shape)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        fits = False
    if not fits:
        raise AncileError(
            "the attackers need a model with one input of floats and of fixed size",
            value=plain(body[:200].decode("utf-8", "replace")),
            remedy="attack another model",
        )
    return one


def _scores(answer: bytes) -> NDArray[np.floating]:
    try:
        outputs = json.loads(answer)["outputs"]
        for one in outputs:
            if one["datatype"].startswith("FP") and math.prod(one["shape"]) > 1:
                return np.array(one["data"], np.float64).ravel()
        label = int(outputs[0]["data"][0])
        return np.asarray(np.eye(1, MOST_CLASSES, label)[0])
    except (
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as reason:
        raise AncileError(
            "the answer is not that of a classifier",
            value=plain(answer[:200].decode("utf-8", "replace")),
            remedy="attack a model that gives scores or labels",
        ) from reason
