"""The guards around the model: those that look at the input, and those that look at the answer.

``BEFORE`` and ``AFTER`` are the only lists of them. A row makes, once for a model, the function that judges
its requests, or None where the guard has nothing to go by; one that the policy lets do nothing is not run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ancile.serve.call import Call, Settings
from ancile.serve.guards.rounding import rounding
from ancile.serve.guards.schema import schema
from ancile.serve.guards.sequence import Window, sequence
from ancile.serve.inference import Infer
from ancile.serve.learned import UNLEARNED, Learned
from ancile.serve.memory import Memory
from ancile.serve.signature import Signature
from ancile.serve.tensors import Tensor
from ancile.serve.verdict import ALLOW, Verdict, capped, worse

Before = Callable[[Memory, Infer], Verdict]
After = Callable[[Memory, Call, Sequence[Tensor]], Verdict]
Guard = TypeVar("Guard", Before, After)


def _schema(settings: Settings, signature: Signature, _: Learned) -> Before:
    return lambda _memory, infer: schema(infer, signature, rows=settings.rows)


def _sequence(_settings: Settings, _signature: Signature, learned: Learned) -> Before | None:
    benign = learned.sequence
    if benign is None:
        return None

    def judge(memory: Memory, infer: Infer) -> Verdict:
        if memory.sequence is None:
            memory.sequence = Window(benign.width)
        return sequence(infer.inputs[0].array, memory.sequence, benign)  # type: ignore[arg-type]  # of floats

    return judge


BEFORE: Mapping[str, Callable[[Settings, Signature, Learned], Before | None]] = {
    "schema": _schema,  # first: the others take what it lets through
    "sequence": _sequence,
}
AFTER: Mapping[str, Callable[[Settings, Signature, Learned], After | None]] = {}


class Judging:
    """What the guards say, as far as the policy lets them.

    signatures  of the models that are served
    """

    def __init__(self, settings: Settings, signatures: Mapping[str, Signature]) -> None:
        self._settings = settings
        self._before = {name: self._made(BEFORE, one) for name, one in signatures.items()}
        self._after = {name: self._made(AFTER, one) for name, one in signatures.items()}

    def before(self, call: Call, infer: Infer) -> Verdict:
        """Of an input; what does not have the model's shapes is shown to no further guard."""
        model = call.route.model
        memory = call.memory = call.caller.remembered(model)
        said = ALLOW
        for guard in self._before[model]:
            found = guard(memory, infer)
            if found is not ALLOW:
                said = worse(said, capped(found, self._settings.policy.reactions))
                if found.guard == "schema":
                    call.memory = None
                    break
        return said

    def after(self, call: Call, outputs: Sequence[Tensor]) -> list[Tensor]:
        """The answer that the caller gets."""
        if call.memory is not None:
            for guard in self._after[call.route.model]:
                found = guard(call.memory, call, outputs)
                if found is not ALLOW:
                    call.verdict = worse(call.verdict, capped(found, self._settings.policy.reactions))
        return rounding(outputs, digits=call.caller.role.digits)

    def _made(
        self,
        table: Mapping[str, Callable[[Settings, Signature, Learned], Guard | None]],
        signature: Signature,
    ) -> tuple[Guard, ...]:
        learned = self._settings.learned.get(signature.model, UNLEARNED)
        reactions = self._settings.policy.reactions
        made = [
            make(self._settings, signature, learned)
            for name, make in table.items()
            if reactions.get(name, "deny") != "allow"
        ]
        return tuple(one for one in made if one is not None)
