"""CPU of the gateway's own work on a request of 1,000 rows, beside 1,000 requests of a row.

Rows of 30 features as JSON through reading, the guards of profile full that ask the model nothing further, and
writing, in process, with the model's answer given; CPU time of the process, five rounds that take turns. Each
row is held against those before it all the same. The control sends the rows one by one on both sides.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ancile.serve.backend import Outcome
from ancile.serve.call import Call, Settings
from ancile.serve.caller import Caller
from ancile.serve.config import GUARDS, ServeConfig, policy_of
from ancile.serve.inference import parse_request, write_answer
from ancile.serve.judging import Judging
from ancile.serve.keys import Identity
from ancile.serve.refusal import Refused
from ancile.serve.routes import Route
from ancile.serve.verdict import ALLOW

sys.path.insert(0, str(Path(__file__).parent))

from bar import Bar
from serve_guards import PLAIN, ROLE, Model, learned_of, signature_of

ROUNDS, ROWS, SHAPE = 5, 1000, (30,)
MOST = 1 / 3  # of what the rows cost one by one


def measure(*, control: bool = False) -> list[Bar]:
    """One bar: the rows together against the rows one by one."""
    model = Model(SHAPE)
    learned = learned_of(SHAPE, model)
    config = ServeConfig(
        profile="full",
        reactions={guard: "flag" if guard in PLAIN else "allow" for guard in GUARDS},
        rows=ROWS,
    )
    settings = Settings(policy_of(config), {"m": learned}, ROWS)
    rng = np.random.default_rng(1)
    together: list[float] = []
    apart: list[float] = []
    for _ in range(ROUNDS):
        x = rng.normal(size=(ROWS, *SHAPE)).astype("f4")
        whole = [x[at : at + 1] for at in range(ROWS)] if control else [x]
        together.append(_spent(whole, settings, model))
        apart.append(_spent([x[at : at + 1] for at in range(ROWS)], settings, model))
    ratios = [a / b for a, b in zip(together, apart, strict=True)]
    ratio = statistics.median(ratios)
    return [
        Bar(
            claim="rows that come together cost the gateway less than those that come one by one",
            measured=f"together / one by one = {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), of each row "
            f"{statistics.median(together):.1f} us against {statistics.median(apart):.1f} us",
            wanted=f"at most {MOST:.2f}",
            met=ratio <= MOST,
            raw={"together": together, "one by one": apart},
        )
    ]


def _spent(samples: Sequence[np.ndarray], settings: Settings, model: Model) -> float:
    """Microseconds of CPU a row, from a caller of whom nothing is known yet."""
    bodies = [_body(one) for one in samples]
    outcomes: list[Outcome] = []
    for body in bodies:
        model.ask(parse_request(body, None), model.signatures["m"], outcomes.append)
    judging = Judging(settings, {"m": signature_of(SHAPE)}, digest_key=b"d", answer_key=b"a")
    caller, route = Caller(Identity("bench", "r"), ROLE), Route("/infer", "m")
    start = time.process_time_ns()
    for body, outcome in zip(bodies, outcomes, strict=True):
        infer = parse_request(body, None)
        call = Call(caller, route, ALLOW, infer=infer, rows=len(infer.inputs[0].array))
        call.verdict = judging.before(call, infer)
        judging.question(call, infer)
        if isinstance(outcome, Refused):
            raise TypeError("the model answers everything")
        shown = judging.after(call, outcome)
        write_answer(infer, shown, model="m", version=None)
    return (time.process_time_ns() - start) / ROWS / 1000


def _body(x: np.ndarray) -> bytes:
    data = [round(float(value), 4) for value in x.ravel()]
    tensor = {"name": "x", "shape": list(x.shape), "datatype": "FP32", "data": data}
    return json.dumps({"inputs": [tensor]}).encode()


if __name__ == "__main__":
    for bar in measure(control="--control" in sys.argv):
        print(bar)
