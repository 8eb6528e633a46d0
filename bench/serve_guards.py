"""CPU of each guard for a request, beside reading that request.

One caller sends 4096 different inputs through the guards of the profile full, in process, with the model's
answer given; CPU time of the process, median of five rounds that take turns with the other sides. A guard's
figure is that with it alone less that with none. ``squeezing`` and ``trigger`` ask the model again: rows of their
own, probed at every request, with the rows that they add. The control looks at each input as many times as
windows of it would be hashed.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ancile.serve.answers import with_answers
from ancile.serve.backend import Outcome
from ancile.serve.calibration import calibrate
from ancile.serve.call import Call, Settings
from ancile.serve.caller import Caller
from ancile.serve.config import GUARDS, Role, ServeConfig, policy_of
from ancile.serve.crowds import pairs_of
from ancile.serve.guards.outlier import usual
from ancile.serve.inference import Infer, parse_request
from ancile.serve.judging import Judging
from ancile.serve.keys import Identity
from ancile.serve.learned import Learned
from ancile.serve.probe_config import Probing
from ancile.serve.reference import Reference
from ancile.serve.routes import Route
from ancile.serve.signature import Range, Signature, Spec
from ancile.serve.strange import table_of
from ancile.serve.tensors import Tensor
from ancile.serve.verdict import ALLOW

sys.path.insert(0, str(Path(__file__).parent))

from bar import Bar

ROUNDS, INPUTS, CLASSES = 5, 4096, 10
SHAPES = {"a row of 30 features": (30,), "3x32x32 as binary tensors": (3, 32, 32)}
FORWARD = ("squeezing", "trigger")
PLAIN = tuple(name for name in GUARDS if name not in ("rate", "quota", *FORWARD))
NEEDS = {"search": ("sequence",), "collusion": ("sequence",)}  # and says nothing without
MOST = {"a row of 30 features": 20.0, "3x32x32 as binary tensors": 25.0}  # times reading the request
ROLE = Role(may=("infer",), digits=3, bits_daily=10**12)
ANSWERS = {
    "top": Role(digits=3, top=3),
    "labels_only": Role(digits=3, labels_only=True),
    "abstain": Role(digits=3, abstain=0.5),
    "epsilon": Role(digits=3, epsilon=10.0, epsilon_daily=1e6),
    "watermark": Role(digits=3, watermark=0.005),
    "degraded": Role(digits=3),
}
CONTROL_LOOKS = 40


class Model:
    """Answers with a linear model's probabilities; its own CPU is outside the figures."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        rng = np.random.default_rng(2)
        self.w = rng.normal(size=(int(np.prod(shape)), CLASSES)).astype("f4") / np.prod(shape) ** 0.5
        self.signatures = {"m": signature_of(shape)}

    def ask(self, infer: Infer, signature: Signature, done: Callable[[Outcome], None]) -> Callable[[], None]:
        x = infer.inputs[0].array
        logits = x.reshape(len(x), -1) @ self.w
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = powers / powers.sum(axis=1, keepdims=True)
        done((Tensor(signature.outputs[0].name, "FP32", shares.astype("f4")),))
        return lambda: None


class Side(NamedTuple):
    """The guards that are on, and the role that asks."""

    name: str
    judging: Judging
    role: Role


def signature_of(shape: tuple[int, ...]) -> Signature:
    bounds = Range(np.full(shape, -9, "f4"), np.full(shape, 9, "f4"))
    return Signature(
        "m", "onnx", (Spec("x", "FP32", (-1, *shape), bounds),), (Spec("y", "FP32", (-1, CLASSES)),)
    )


def learned_of(shape: tuple[int, ...], model: Model) -> Learned:
    x = np.random.default_rng(0).normal(size=(1200, *shape)).astype("f4")
    benign = calibrate(x)
    known = Learned(sequence=benign, outlier=usual(x), strange=table_of(x), collusion=pairs_of(x, benign))
    reference = Reference(model.signatures, {"m": known}, {"m": x})
    policy = policy_of(ServeConfig(profile="full"))
    return asyncio.run(with_answers(model, reference, policy, Probing(share=1.0))).learned["m"]


def side(name: str, on: Sequence[str], shape: tuple[int, ...], learned: Learned, role: Role = ROLE) -> Side:
    reactions = {guard: "flag" if guard in on else "allow" for guard in GUARDS}
    config = ServeConfig(profile="full", reactions=reactions, probing=Probing(share=1.0))
    settings = Settings(policy_of(config), {"m": learned}, config.rows, probing=config.probing)
    judging = Judging(settings, {"m": signature_of(shape)}, digest_key=b"d", answer_key=b"a")
    return Side(name, judging, role)


def spent(one: Side, infers: Sequence[Infer], answers: Sequence[Outcome], *, looks: int = 1) -> float:
    """Microseconds of CPU a request, and nothing of the model's."""
    caller = Caller(Identity("bench", "r"), one.role)
    route = Route("/infer", "m")
    start = time.process_time_ns()
    for infer, outcome in zip(infers, answers, strict=True):
        for _ in range(looks):
            call = Call(caller, route, ALLOW, infer=infer, rows=1)
            call.verdict = one.judging.before(call, infer)
        one.judging.question(call, infer)
        call.plain = one.name != "degraded"
        one.judging.after(call, outcome)
    return (time.process_time_ns() - start) / len(infers) / 1000


def read(bodies: Sequence[tuple[bytes, bytes | None]]) -> float:
    start = time.process_time_ns()
    for body, head in bodies:
        parse_request(body, head)
    return (time.process_time_ns() - start) / len(bodies) / 1000


def body_of(x: np.ndarray) -> tuple[bytes, bytes | None]:
    tensor: dict[str, object] = {"name": "x", "shape": list(x.shape), "datatype": "FP32"}
    if x.ndim == 2:
        tensor["data"] = [round(float(v), 4) for v in x.ravel()]
        return json.dumps({"inputs": [tensor]}).encode(), None
    tensor["parameters"] = {"binary_data_size": x.nbytes}
    head = json.dumps({"inputs": [tensor]}).encode()
    return head + x.tobytes(), b"%d" % len(head)


def measure(*, control: bool = False) -> list[Bar]:
    """A bar for each kind of input: all guards that ask the model nothing further, beside reading it."""
    return [_bar(name, shape, control=control) for name, shape in SHAPES.items()]


def _bar(name: str, shape: tuple[int, ...], *, control: bool) -> Bar:
    model = Model(shape)
    learned = learned_of(shape, model)
    x = np.random.default_rng(1).normal(size=(INPUTS, 1, *shape)).astype("f4")
    infers = [Infer(None, (Tensor("x", "FP32", one),), (), binary=False) for one in x]
    bodies = [body_of(one) for one in x]
    sides = [side("none", (), shape, learned)]
    sides += [side(guard, (*NEEDS.get(guard, ()), guard), shape, learned) for guard in (*PLAIN, *FORWARD)]
    sides += [side(name, (), shape, learned, role) for name, role in ANSWERS.items()]
    sides += [side("all", PLAIN, shape, learned)]
    rounds: dict[str, list[float]] = {one.name: [] for one in sides} | {"reading": []}
    asked = {one.name: _answers(one, infers, model) for one in sides}
    for _ in range(ROUNDS):
        rounds["reading"].append(read(bodies))
        for one in sides:
            looks = CONTROL_LOOKS if control and one.name == "all" else 1
            rounds[one.name].append(spent(one, infers, asked[one.name], looks=looks))
    ratios = [a / b for a, b in zip(rounds["all"], rounds["reading"], strict=True)]
    ratio, middle = statistics.median(ratios), {key: statistics.median(runs) for key, runs in rounds.items()}
    each = ", ".join(
        f"{guard} {middle[guard] - middle[next(iter(NEEDS.get(guard, ())), 'none')]:.1f}"
        for guard in (*PLAIN, *FORWARD)
    )
    answers = ", ".join(f"{name} {middle[name] - middle['none']:.1f}" for name in ANSWERS)
    return Bar(
        claim=f"all guards of {name} that ask the model nothing further cost little beside reading it",
        measured=f"guards / reading = {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), {middle['all']:.1f} us against "
        f"{middle['reading']:.1f} us; without any {middle['none']:.1f}, and of each beyond that, us: {each}; "
        f"of answers: {answers}; "
        f"rows asked beside each that is probed: {_extra(learned)}",
        wanted=f"at most {MOST[name]:g} times",
        met=ratio <= MOST[name],
        raw=rounds,
    )


def _answers(one: Side, infers: Sequence[Infer], model: Model) -> list[Outcome]:
    """What the model says to what this side asks."""
    found: list[Outcome] = []
    caller = Caller(Identity("bench", "r"), one.role)
    for infer in infers:
        call = Call(caller, Route("/infer", "m"), ALLOW, infer=infer, rows=1)
        one.judging.before(call, infer)
        model.ask(one.judging.question(call, infer), model.signatures["m"], found.append)
    return found


def _extra(learned: Learned) -> str:
    squeezing, trigger = learned.squeezing, learned.trigger
    return f"squeezing {squeezing.copies if squeezing else 0}, trigger {trigger.copies if trigger else 0}"


if __name__ == "__main__":
    for bar in measure(control="--control" in sys.argv):
        print(bar)
