"""Several models that take the same input answer together: their mean probabilities, and how many differ.

Simple averaging (Hansen and Salamon, IEEE PAMI 1990). An input that was made to fool one model often fools
another as well (transfer): members that differ in architecture and training help most. Where members disagree
more than they do on benign inputs, ``disagreement`` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import np
from ancile.serve.backend import Backend, Cancel, Done, Outcome
from ancile.serve.inference import Infer
from ancile.serve.refusal import Refused
from ancile.serve.scores import Layout, is_distribution, layout_of, probabilities, scores_in
from ancile.serve.signature import Signature, is_float
from ancile.serve.tensors import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

DISAGREEMENT = "ancile.disagreement"  # no output of a model: it is taken away before the caller's answer
TINY = 1e-12


class Ensemble:
    """Members that answer as one model, the first, whose name and signature it has."""

    def __init__(self, members: Sequence[Backend]) -> None:
        self._members = [(one, next(iter(one.signatures.values()))) for one in members]
        first = self._members[0][1]
        for _, other in self._members[1:]:
            if _tensors(other) != _tensors(first):
                raise AncileError(
                    "the models of an ensemble take or give other tensors",
                    value=plain(f"{first.model}: {_tensors(first)}; {other.model}: {_tensors(other)}"),
                    remedy="give models with inputs and outputs of the same names, datatypes and shapes",
                )
        self.signatures: Mapping[str, Signature] = {first.model: first}
        self._layout = layout_of(first)

    @property
    def left(self) -> int:
        """That of its fullest member."""
        return min(member.left for member, _ in self._members)

    def ask(self, infer: Infer, signature: Signature, done: Done) -> Cancel:  # noqa: ARG002 - there is one model
        """Ask every member for all outputs; one that fails fails the answer."""
        came: dict[int, Outcome] = {}

        def answered(at: int, outcome: Outcome) -> None:
            came[at] = outcome
            if len(came) == len(self._members):
                done(self._together([came[one] for one in sorted(came)], infer))

        question = infer._replace(outputs=())
        cancels = [
            member.ask(question, own, lambda outcome, at=at: answered(at, outcome))  # type: ignore[misc]  # the number is bound now
            for at, (member, own) in enumerate(self._members)
        ]

        def cancel() -> None:
            for one in cancels:
                one()

        return cancel

    def tick(self, now: float) -> None:
        """Of every member."""
        for member, _ in self._members:
            member.tick(now)

    def close(self) -> None:
        """Of every member."""
        for member, _ in self._members:
            member.close()

    def _together(self, outcomes: Sequence[Outcome], infer: Infer) -> Outcome:
        given: list[tuple[Tensor, ...]] = []
        for outcome in outcomes:
            if isinstance(outcome, Refused):
                return outcome
            given.append(outcome)
        rows = infer.inputs[0].array.shape[0]
        try:
            return combined(given, self._layout, rows=rows)
        except ValueError:
            return Refused(502, "the models of the ensemble answer in different shapes")


def combined(given: Sequence[Sequence[Tensor]], layout: Layout, *, rows: int) -> tuple[Tensor, ...]:
    """One answer of several, and behind it for each row the share of members that name another class.

    Scores are the mean of the probabilities, as logits where the first member gives logits; other floating
    numbers are means; a label is what a member says that names the class of the mean, else the most frequent.
    """
    scores = [scores_in(one, layout, rows=rows) for one in given]
    known = [one for one in scores if one is not None]
    mean = votes = chosen = None
    if len(known) == len(given):
        shares = [probabilities(one) for one in known]
        mean = np.mean(shares, axis=0)
        votes, chosen = np.array([one.argmax(axis=1) for one in shares]), mean.argmax(axis=1)
        if not is_distribution(known[0]):
            mean = np.log(np.maximum(mean, TINY))
    found, differing = [], np.zeros(rows, "f4")
    for at, first in enumerate(given[0]):
        arrays: list[NDArray[Any]] = [one[at].array for one in given]
        if first.name == layout.scores and mean is not None:
            array = mean
        elif first.name == layout.labels and arrays[0].shape == (rows,):
            array, differing = _labels(np.stack(arrays), votes, chosen)
        elif is_float(first.datatype):
            array = np.mean(arrays, axis=0)
        else:
            array = arrays[0]
        found.append(first._replace(array=array.astype(first.array.dtype, copy=False)))
    if votes is not None and chosen is not None:
        differing = (votes != chosen).mean(axis=0)
    return (*found, Tensor(DISAGREEMENT, "FP32", np.asarray(differing, "f4")))


def _labels(
    said: NDArray[Any], votes: NDArray[np.intp] | None, chosen: NDArray[np.intp] | None
) -> tuple[NDArray[Any], NDArray[np.floating]]:
    """The label of each row, (members, rows) given, and the share of members that say another."""
    found = []
    for row in range(said.shape[1]):
        column = said[:, row]
        agreeing = [] if votes is None or chosen is None else column[votes[:, row] == chosen[row]]
        values, counts = np.unique(agreeing if len(agreeing) else column, return_counts=True)
        found.append(values[counts.argmax()])
    labels = np.array(found, said.dtype)
    return labels, (said != labels).mean(axis=0)


def without(outputs: Sequence[Tensor]) -> tuple[Sequence[Tensor], NDArray[np.floating] | None]:
    """The model's outputs alone, and how many members differ where an ensemble answered."""
    if outputs and outputs[-1].name == DISAGREEMENT:
        return outputs[:-1], outputs[-1].array  # type: ignore[return-value]  # of floats
    return outputs, None


def _tensors(signature: Signature) -> str:
    specs = (*signature.inputs, *signature.outputs)
    return ", ".join(f"{one.name} {one.datatype} {list(one.shape)}" for one in specs)
