"""A caller, a model of two values and three classes, and what the guards make of a request to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ancile.serve.call import Call, Settings
from ancile.serve.caller import Caller
from ancile.serve.config import Role, ServeConfig, policy_of
from ancile.serve.inference import Infer
from ancile.serve.judging import Judging
from ancile.serve.keys import Identity
from ancile.serve.learned import Learned
from ancile.serve.routes import Route
from ancile.serve.signature import Signature, Spec
from ancile.serve.tensors import NAMES, Tensor
from ancile.serve.verdict import ALLOW, Verdict

MODEL = Signature(
    "m",
    "onnx",
    (Spec("x", "FP32", (-1, 2)),),
    (Spec("label", "INT64", (-1,)), Spec("scores", "FP32", (-1, 3))),
)


def tensor(name: str, values: object) -> Tensor:
    array = np.asarray(values)
    return Tensor(name, NAMES[array.dtype], array)


def asked(*rows: tuple[float, ...]) -> Infer:
    return Infer(None, (tensor("x", np.array(rows, "f4")),), (), binary=False)


def answered(scores: object) -> list[Tensor]:
    """The outputs of MODEL with these scores."""
    array = np.asarray(scores, "f4")
    return [tensor("label", array.argmax(axis=1)), tensor("scores", array)]


class World:
    """One gateway's guards; time stands still until it is moved."""

    def __init__(
        self,
        *,
        profile: str = "standard",
        learned: Learned | None = None,
        signature: Signature = MODEL,
        **config: Any,
    ) -> None:
        self.now = 1000.0
        made = ServeConfig(profile=profile, **config)
        self.unix = 1e9
        settings = Settings(
            policy_of(made), {} if learned is None else {"m": learned}, made.rows, wall=lambda: self.unix
        )
        self.judging = Judging(
            settings, {"m": signature}, digest_key=b"d", answer_key=b"a", clock=lambda: self.now
        )

    def caller(self, name: str = "eve", **role: Any) -> Caller:
        return Caller(Identity(name, "r"), Role(may=("infer",), **role))

    def before(self, caller: Caller, infer: Infer) -> Call:
        """The call after the guards before the model."""
        call = Call(caller, Route("/infer", "m"), ALLOW, infer=infer, rows=infer.inputs[0].array.shape[0])
        call.verdict = self.judging.before(call, infer)
        return call

    def answer(self, caller: Caller, infer: Infer, scores: object) -> tuple[Verdict, np.ndarray, np.ndarray]:
        """Verdict, label and scores as the caller gets them, where the model gives these scores."""
        call = self.before(caller, infer)
        label, shown = self.shown(call, scores)
        return call.verdict, label, shown

    def shown(self, call: Call, scores: object) -> tuple[np.ndarray, np.ndarray]:
        """Label and scores; the call's verdict has then heard the guards after the model."""
        label, shown = self.judging.after(call, answered(scores))
        return label.array, shown.array
