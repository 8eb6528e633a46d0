"""Guards that ask the model again: further rows in the same request, and what their answers say.

A keyed share of the requests carries them, with one row of each probed; the caller sees none of it. They cost
rows of the model: ``extra`` for a probed request, ``share`` times that for the average one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ancile.numeric import np
from ancile.serve.guards.squeezing import Squeezing, disagreement
from ancile.serve.guards.trigger import Trigger, entropy
from ancile.serve.inference import Infer
from ancile.serve.memory import Memory
from ancile.serve.ranks import added
from ancile.serve.scores import Layout, probabilities, scores_in
from ancile.serve.signature import Signature, is_float
from ancile.serve.tensors import Tensor
from ancile.serve.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

OF = 1 << 20  # draws of a digest


class Probes(NamedTuple):
    """What a model's requests are probed with; None where a guard is off or learned nothing."""

    share: float
    squeezing: Squeezing | None
    trigger: Trigger | None

    @property
    def extra(self) -> int:
        """Rows that a probed request has more."""
        return (self.squeezing.copies if self.squeezing else 0) + (self.trigger.copies if self.trigger else 0)

    def wanted(self, number: int) -> bool:
        """Whether the request with this keyed digest is probed."""
        return number % OF < self.share * OF

    def widened(self, infer: Infer, number: int) -> Infer:
        """The request with the probes of one of its rows behind its own."""
        tensor = infer.inputs[0]
        array: NDArray[np.floating] = tensor.array  # type: ignore[assignment]  # of a floating datatype
        sample = array[probed_row(number, len(array))]
        further = self._rows(sample, number >> 40)
        return infer._replace(inputs=(tensor._replace(array=np.concatenate([array, further])),))

    def _rows(self, sample: NDArray[np.floating], at: int) -> NDArray[np.floating]:
        found = []
        if self.squeezing is not None:
            found.append(self.squeezing.forms(sample))
        if self.trigger is not None:
            found.append(self.trigger.blends(sample, at % len(self.trigger.samples)))
        return np.concatenate(found)

    def judge(
        self, plain: NDArray[np.floating], further: NDArray[np.floating], memory: Memory
    ) -> list[Verdict]:
        """What the guards make of the probabilities of the probed row, and of its probes."""
        said, count = [], 0
        if self.squeezing is not None:
            count = self.squeezing.copies
            ranks = self.squeezing.ranks
            memory.squeezing = added(memory.squeezing, [disagreement(plain, further[:count])], ranks)
            if memory.squeezing > ranks.limit:
                said.append(Verdict("degrade", "squeezing", "answers that change when the input is coarser"))
        if self.trigger is not None:
            ranks = self.trigger.ranks
            memory.trigger = added(memory.trigger, [-entropy(further[count:])], ranks)
            if memory.trigger > ranks.limit:
                said.append(
                    Verdict("review", "trigger", "a class that stands whatever is laid over the input")
                )
        return said


def probed_row(number: int, rows: int) -> int:
    """Which of the rows of a request is probed: only the key tells."""
    return (number >> 20) % OF % rows


def can_be_probed(signature: Signature) -> bool:
    """Whether rows can be added to a request: one input of floats, any number of rows in and out."""
    inputs, outputs = signature.inputs, signature.outputs
    return (
        len(inputs) == 1
        and is_float(inputs[0].datatype)
        and all(one.shape and one.shape[0] == -1 for one in (*inputs, *outputs))
    )


def parted(
    outputs: Sequence[Tensor], layout: Layout, *, rows: int, extra: int
) -> tuple[list[Tensor], NDArray[np.floating] | None]:
    """The caller's own rows of an answer, and the probabilities of all."""
    scores = scores_in(outputs, layout, rows=rows + extra)
    own = [one._replace(array=one.array[:rows]) for one in outputs]
    return own, None if scores is None else probabilities(scores)
