"""A caller, a model of two values and three classes, and what the guards make of a request to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ancile.serve.backend import Cancel, Done, Outcome
from ancile.serve.call import Call, Settings
from ancile.serve.caller import Caller
from ancile.serve.config import Role, ServeConfig, policy_of
from ancile.serve.inference import Infer
from ancile.serve.judging import Judging
from ancile.serve.keys import Identity
from ancile.serve.learned import Learned
from ancile.serve.refusal import Refused
from ancile.serve.routes import Route
from ancile.serve.signature import Signature, Spec, rows_of
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


class Model:
    """Answers with the first two values of a row and minus their sum, or as ``scores`` has it."""

    def __init__(
        self,
        signature: Signature = MODEL,
        *,
        fails: bool = False,
        scores: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.signatures: Mapping[str, Signature] = {"m": signature}
        self.fails, self.asked, self.rows = fails, 0, 0
        self.scores = scores or (lambda x: np.column_stack([x[:, 0], x[:, 1], -x.sum(axis=1)]))

    left = 64

    def ask(self, infer: Infer, signature: Signature, done: Done) -> Cancel:
        assert signature.model == "m"
        x = np.asarray(infer.inputs[0].array, "f8")
        self.asked, self.rows = self.asked + 1, self.rows + len(x)
        done(Refused(500, "no") if self.fails else tuple(answered(self.scores(x))))
        return lambda: None

    def tick(self, now: float) -> None:
        assert now >= 0

    def close(self) -> None:
        self.fails = True


class World:
    """One gateway's guards; time stands still until it is moved."""

    def __init__(
        self,
        *,
        profile: str = "standard",
        learned: Learned | None = None,
        signature: Signature = MODEL,
        review: Callable[[Call], None] = lambda _: None,
        **config: Any,
    ) -> None:
        self.now, self.signature = 1000.0, signature
        made = ServeConfig(profile=profile, **config)
        self.unix = 1e9
        settings = Settings(
            policy_of(made),
            {} if learned is None else {"m": learned},
            made.rows,
            wall=lambda: self.unix,
            probing=made.probing,
        )
        self.judging = Judging(
            settings,
            {"m": signature},
            digest_key=b"d",
            answer_key=b"a",
            clock=lambda: self.now,
            review=review,
        )

    def caller(self, name: str = "eve", **role: Any) -> Caller:
        return Caller(Identity(name, "r"), Role(may=("infer",), **role))

    def before(self, caller: Caller, infer: Infer) -> Call:
        """The call after the guards before the model."""
        rows = rows_of(infer.inputs, self.signature.inputs)
        call = Call(caller, Route("/infer", "m"), ALLOW, infer=infer, rows=rows)
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

    def ask(self, caller: Caller, infer: Infer, model: Model) -> tuple[Call, np.ndarray]:
        """The call and its scores (none where they are held back), where the model is asked what the guards ask it."""
        call = self.before(caller, infer)
        came: list[Outcome] = []
        model.ask(self.judging.question(call, infer), MODEL, came.append)
        assert not isinstance(came[0], Refused)
        try:
            return call, self.judging.after(call, came[0])[1].array
        except Refused:
            return call, np.empty(0)
