"""What the model says of the reference set, asked once before anything is served."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import np
from ancile.serve.backend import Backend, Outcome
from ancile.serve.framing import Refused
from ancile.serve.inference import Infer
from ancile.serve.ranks import ranks_of
from ancile.serve.reference import Reference
from ancile.serve.scores import layout_of, margins, probabilities, scores_in
from ancile.serve.signature import Signature
from ancile.serve.tensors import TYPES, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_ROWS = 2000  # that are asked about: seconds of a slow model
BATCH = 32


async def scores_of(
    backend: Backend, signature: Signature, x: NDArray[np.floating], *, most: int = MOST_ROWS
) -> NDArray[np.floating] | None:
    """Scores (n, classes) of the first samples of ``x``; None where the model gives no scores of classes.

    A model that fails on its own reference set is an AncileError.
    """
    layout, spec = layout_of(signature), signature.inputs[0]
    if not layout.scores:
        return None
    rows = BATCH if spec.shape[0] == -1 else 1
    found = []
    for at in range(0, min(len(x), most), rows):
        batch = Tensor(
            spec.name, spec.datatype, np.ascontiguousarray(x[at : at + rows], TYPES[spec.datatype])
        )
        outcome = await _asked(backend, Infer(None, (batch,), (), binary=True), signature)
        if isinstance(outcome, Refused):
            raise AncileError(
                "the model fails on the reference set",
                value=plain(outcome.why),
                remedy="give samples as the model takes them, or leave --reference out",
            )
        scores = scores_in(outcome, layout, rows=len(batch.array))
        if scores is None:
            return None
        found.append(scores)
    return np.concatenate(found)


async def with_margins(backend: Backend, reference: Reference) -> Reference:
    """The same, with how unsure the model is about its reference set."""
    learned = dict(reference.learned)
    for model, x in reference.samples.items():
        scores = await scores_of(backend, reference.signatures[model], x)
        if scores is not None:
            ranks = ranks_of((-margins(probabilities(scores))).tolist())
            learned[model] = learned[model]._replace(margins=ranks)
    return reference._replace(learned=learned)


async def _asked(backend: Backend, infer: Infer, signature: Signature) -> Outcome:
    answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    backend.ask(infer, signature, answered.set_result)
    return await answered
