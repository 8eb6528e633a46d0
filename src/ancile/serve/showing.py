"""What a caller sees of an answer: as exact as the role has it, as coarse as the verdict asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ancile.numeric import np
from ancile.serve.call import Call
from ancile.serve.config import Role
from ancile.serve.guards.degrade import degraded
from ancile.serve.guards.noise import noisy
from ancile.serve.guards.precision import abstained, labelled, topped_off, without_numbers
from ancile.serve.guards.rounding import rounding
from ancile.serve.guards.watermark import marked, swapped
from ancile.serve.inference import Infer
from ancile.serve.refusal import Refused
from ancile.serve.scores import Layout, probabilities, replaced, scores_in
from ancile.serve.tensors import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.floating]


def shown(call: Call, outputs: Sequence[Tensor], infer: Infer, layout: Layout, *, key: bytes) -> list[Tensor]:
    """The outputs for the caller; ``call.changed`` says what was done beyond rounding.

    Noise comes first, and what follows sees the noisy scores alone, so that its guarantee holds for all.
    A role that gets noise gets nothing from a model without scores: Refused with status 403.
    """
    role, found = call.caller.role, list(outputs)
    scores = scores_in(outputs, layout, rows=call.rows)
    if scores is not None:
        if role.epsilon:
            found = _with_noise(found, infer, layout, scores, role=role, key=key)
            call.changed += ("noise",)
        elif not call.plain:
            found = degraded(found, infer, layout, key=key)
            call.changed += ("degrade",)
        if role.watermark and not role.epsilon:
            found = _watermarked(call, found, infer, layout, key=key)
        found = _told(found, layout, role=role, rows=call.rows)
    elif role.epsilon:
        raise Refused(403, "the role gets answers with noise, and this model gives no scores of classes")
    else:
        if not call.plain:
            found = degraded(found, infer, layout, key=key)
            call.changed += ("degrade",)
        if role.labels_only:
            found = without_numbers(found, layout)
    return rounding(found, digits=role.digits)


def _with_noise(
    outputs: list[Tensor], infer: Infer, layout: Layout, scores: Scores, *, role: Role, key: bytes
) -> list[Tensor]:
    """The probabilities with noise, the class that they name, and of all else that is a number nothing."""
    shares = noisy(probabilities(scores), infer, epsilon=role.epsilon, digits=role.digits, key=key)
    best = shares.argmax(axis=1)
    found = []
    for one in outputs:
        if one.name == layout.scores:
            found.append(one._replace(array=shares.astype(one.array.dtype)))
        elif one.name == layout.labels and one.array.shape == best.shape:
            found.append(one._replace(array=best.astype(one.array.dtype)))
        else:
            found.append(one._replace(array=np.zeros_like(one.array)))
    return found


def _watermarked(
    call: Call, outputs: list[Tensor], infer: Infer, layout: Layout, *, key: bytes
) -> list[Tensor]:
    rows = marked(infer, share=call.caller.role.watermark, key=key)
    scores = scores_in(outputs, layout, rows=call.rows)
    if scores is None or not rows.any():
        return outputs
    call.changed += ("watermark",)
    found = swapped(scores, rows)
    return replaced(outputs, layout, found, found.argmax(axis=1))


def _told(outputs: list[Tensor], layout: Layout, *, role: Role, rows: int) -> list[Tensor]:
    """Abstention, labels alone, or the best few."""
    scores = scores_in(outputs, layout, rows=rows)
    if scores is None:
        return outputs
    if role.labels_only:
        told = labelled(outputs, layout, scores)
    elif 0 < role.top < scores.shape[1]:
        told = replaced(outputs, layout, topped_off(scores, role.top), scores.argmax(axis=1))
    else:
        told = outputs
    if not role.abstain:
        return told
    return abstained(told, layout, probabilities(scores).max(axis=1) < role.abstain)
