"""The guards around the model: those that look at the input, and those that look at the answer."""

from __future__ import annotations

from collections.abc import Sequence

from ancile.serve.call import Call, Settings
from ancile.serve.guards.rounding import rounding
from ancile.serve.guards.schema import schema
from ancile.serve.guards.sequence import Window, sequence
from ancile.serve.inference import Infer
from ancile.serve.signature import Signature
from ancile.serve.tensors import Tensor
from ancile.serve.verdict import ALLOW, Verdict, capped


class Judging:
    """What the guards say, as far as the policy lets them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def before(self, call: Call, infer: Infer, signature: Signature) -> Verdict:
        """Of an input; a walk is looked for where a reference set says what none is."""
        found = schema(infer, signature, rows=self._settings.rows)
        benign = self._settings.benign.get(signature.model)
        if found is ALLOW and benign is not None:
            window = call.caller.windows.get(signature.model)
            if window is None:
                window = call.caller.windows[signature.model] = Window(benign.width)
            found = sequence(infer.inputs[0].array, window, benign)  # type: ignore[arg-type]  # a float input
        return found if found is ALLOW else capped(found, self._settings.policy.reactions)

    def after(self, call: Call, outputs: Sequence[Tensor]) -> list[Tensor]:
        """The answer that the caller gets."""
        return rounding(outputs, digits=call.caller.role.digits)
