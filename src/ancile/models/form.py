"""The form in which a network is searched for adversarial examples: how it computes, never what it decides.

A search asks one network for thousands of gradients. The same network may answer faster with its data laid
out otherwise or in another precision, which moves its logits a little: what such a form finds is a claim, and
only the model itself confirms it. Timing chooses the form, so a run that is to be repeated gives it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.models.model import GradientModel

if TYPE_CHECKING:
    import torch

Precision = Literal["float64", "float32", "bfloat16"]
MemoryLayout = Literal["contiguous", "channels-last"]

TRIAL_SECONDS = 2.0  # of CPU for trying forms; what a search of a thousand samples gains is far beyond it
PLAIN_BATCH = 128  # where nothing was measured

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Measured = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """How a network computes while it is searched, and what was measured of that.

    precision      in which it computes; samples, logits and gradients stay in the model's own type
    straight       whether operations that cut or flatten gradients are replaced: see ``models.straight``; the
                   logits may then be far from the network's, and timing never chooses it
    inside         whether, straight, it answers with scores inside that decide as its answer does: see
                   ``models.inner``; asking for a network without any raises AncileError
    batch          samples for each call, the number at which one took least
    seconds        CPU time of a gradient for one sample in this form; 0 where it was not measured
    plain_seconds  the same as the network came, at the same time
    difference     mean absolute difference of its logits from the model's, as a share of their mean size
    agreement      share of samples to which both give the same class
    """

    precision: Precision
    layout: MemoryLayout = "contiguous"
    straight: bool = False
    inside: bool = False
    batch: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = PLAIN_BATCH
    seconds: Measured = 0.0
    plain_seconds: Measured = 0.0
    difference: Measured = 0.0
    agreement: Share = 1.0


def form_name(form: Form | None) -> str:
    """What reports call the form in which a network was searched: "float32, contiguous, batch 128"."""
    return "none" if form is None else f"{form.precision}, {form.layout}, batch {form.batch}"


def form_named(name: str) -> Form:
    """The form that a report names, to repeat its run."""
    precision, layout, batch = (*name.replace(" ", "").split(","), "", "")[:3]
    try:
        words = {"precision": precision, "layout": layout, "batch": batch.removeprefix("batch")}
        return msgspec.convert(words, Form, strict=False)
    except (msgspec.ValidationError, UnicodeEncodeError) as reason:  # the latter: bytes that are no UTF-8
        raise AncileError(
            "no such search form",
            value=plain(name),
            remedy='give what a report says of it, such as "float32, contiguous, batch 128"',
        ) from reason


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """Memory that a sample takes in a batch for a gradient, 0 where it cannot be told; and what is free."""

    sample_bytes: Annotated[int, msgspec.Meta(ge=0)]
    free_bytes: Annotated[int, msgspec.Meta(ge=0)]


class Searching(NamedTuple):
    """A model to search with, and the form in which it answers."""

    model: GradientModel
    form: Form


def search_form(
    model: GradientModel, sample: torch.Tensor, *, form: Form | None = None, seconds: float = TRIAL_SECONDS
) -> Searching:
    """The model in the form in which it is searched fastest; itself where it knows only one.

    sample   (n, *shape) real inputs, some dozens; repeated where a batch needs more
    form     of an earlier run, to repeat it: nothing is timed then
    seconds  most CPU time for the trial, one pass of the slowest form aside
    """
    found = getattr(model, "search_form", None)
    if found is None:
        precision: Precision = "float64" if str(model.dtype) == "torch.float64" else "float32"
        return Searching(model, form or Form(precision=precision))
    answer: Searching = found(sample, form=form, seconds=seconds)
    return answer


def footprint(model: GradientModel, sample: torch.Tensor) -> Footprint | None:
    """The memory that a model takes for samples (n, *shape), where it computes; None if it cannot tell."""
    found = getattr(model, "footprint", None)
    if found is None:
        return None
    answer: Footprint = found(sample)
    return answer
