"""What the model says of the reference set, asked once before anything is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import np
from ancile.serve.backend import Backend, Outcome
from ancile.serve.calibration import with_sureness
from ancile.serve.config import Policy
from ancile.serve.ensemble import Ensemble, without
from ancile.serve.guards.search import sureness
from ancile.serve.guards.squeezing import Squeezing, disagreement, squeezing_of
from ancile.serve.guards.trigger import Trigger, entropy
from ancile.serve.inference import Infer
from ancile.serve.learned import Learned
from ancile.serve.orders import for_jobs
from ancile.serve.probe_config import Probing
from ancile.serve.probing import can_be_probed
from ancile.serve.ranks import Ranks, ranks_of
from ancile.serve.reference import Reference
from ancile.serve.refusal import Refused
from ancile.serve.scores import layout_of, margins, probabilities, scores_in
from ancile.serve.signature import Signature
from ancile.serve.tensors import TYPES, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_ROWS = 2000  # that are asked about: seconds of a slow model
MOST_PROBED = 500  # of them with probes, up to ten times as many rows
MOST_LAID = 100  # that are laid over others; the reference has at least 500
BATCH = 32


async def scores_of(
    backend: Backend, signature: Signature, x: NDArray[np.floating], *, most: int = MOST_ROWS
) -> NDArray[np.floating] | None:
    """Scores (n, classes) of the first samples of ``x``; None where the model gives no scores of classes.

    A model that fails on its own reference set is an AncileError.
    """
    layout = layout_of(signature)
    if not layout.scores:
        return None
    found = []
    async for rows, outcome in _outcomes(backend, signature, x[:most]):
        scores = scores_in(outcome, layout, rows=rows)
        if scores is None:
            return None
        found.append(scores)
    return np.concatenate(found)


async def differing_of(backend: Ensemble, signature: Signature, x: NDArray[np.floating]) -> list[float]:
    """Which share of an ensemble names another class, of the first samples."""
    found: list[float] = []
    async for _, outcome in _outcomes(backend, signature, x[:MOST_ROWS]):
        differing = without(outcome)[1]
        found += [] if differing is None else differing.tolist()
    return found


async def _outcomes(
    backend: Backend, signature: Signature, x: NDArray[np.floating]
) -> AsyncIterator[tuple[int, tuple[Tensor, ...]]]:
    """Numbers of rows and what the model says of them."""
    spec = signature.inputs[0]
    rows = BATCH if spec.shape[0] == -1 else 1
    for at in range(0, len(x), rows):
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
        yield len(batch.array), outcome


async def with_answers(backend: Backend, reference: Reference, policy: Policy, probing: Probing) -> Reference:
    """The same, with what the model says of its reference set, as far as guards that are on want to know."""
    learned = dict(reference.learned)
    for model, x in reference.samples.items():
        signature = reference.signatures[model]
        if isinstance(backend, Ensemble):
            ranks = ranks_of(await differing_of(backend, signature, x))
            learned[model] = learned[model]._replace(differing=ranks)
        scores = await scores_of(backend, signature, x)
        if scores is None:
            continue
        shares = probabilities(scores)
        found = _with_margins(learned[model], x, (-margins(shares)).tolist())
        if can_be_probed(signature) and probing.share:
            if policy.reactions.get("squeezing") != "allow":
                found = found._replace(
                    squeezing=await _squeezing(backend, signature, x, shares, probing.bits)
                )
            if policy.reactions.get("trigger") != "allow":
                found = found._replace(trigger=await _trigger(backend, signature, x, probing.blends))
        learned[model] = found
    return reference._replace(learned=learned)


def _with_margins(learned: Learned, x: NDArray[np.floating], unsure: list[float]) -> Learned:
    """How unsure the model is, and how that goes with queries that are near to each other."""
    flat = x[: len(unsure)].reshape(len(unsure), -1)
    ranks = for_jobs(ranks_of(unsure), unsure, flat)
    benign = learned.sequence
    if benign is not None:
        benign = with_sureness(benign, flat, np.array([sureness(one, ranks) for one in unsure]))
    return learned._replace(margins=ranks, sequence=benign)


async def _squeezing(
    backend: Backend, signature: Signature, x: NDArray[np.floating], shares: NDArray[np.floating], bits: int
) -> Squeezing | None:
    found = squeezing_of(x, bits=bits)
    rows = x[:MOST_PROBED]
    forms = np.concatenate([found.forms(row) for row in rows])
    scores = await scores_of(backend, signature, forms, most=len(forms))
    if scores is None:
        return None
    parts = np.split(probabilities(scores), len(rows))
    return found._replace(
        ranks=ranks_of(disagreement(plain, part) for plain, part in zip(shares, parts, strict=False))
    )


async def _trigger(
    backend: Backend, signature: Signature, x: NDArray[np.floating], blends: int
) -> Trigger | None:
    laid, rows = x[:MOST_LAID], x[MOST_LAID : MOST_LAID + MOST_PROBED]
    found = Trigger(laid, blends, Ranks((), 0.0))
    blended = np.concatenate([found.blends(row, at * blends) for at, row in enumerate(rows)])
    scores = await scores_of(backend, signature, blended, most=len(blended))
    if scores is None:
        return None
    parts = np.split(probabilities(scores), len(rows))
    return found._replace(ranks=ranks_of(-entropy(part) for part in parts))


async def _asked(backend: Backend, infer: Infer, signature: Signature) -> Outcome:
    answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    backend.ask(infer, signature, answered.set_result)
    return await answered
