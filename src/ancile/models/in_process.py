"""A model of this very process: what a notebook hands over. Nothing is opened, nothing is confined."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

from ancile.core.errors import AncileError
from ancile.core.subject import Subject, digest_of
from ancile.core.text import plain
from ancile.models.answers import ONE_BY_ONE, are_labels, array_model, one_by_one, raised, worded
from ancile.models.model import Model, Output, Traits, Usage
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from ancile.models.answers import Call

TOLERANCE = 1e-4  # of a row of probabilities from 1: float32 rounding over some thousand classes

Scoring = Callable[["NDArray[np.floating]"], object]


class Here(NamedTuple):
    """A model and the subject that a report about it names."""

    model: Model
    subject: Subject


@dataclass(frozen=True, kw_only=True)
class Function:
    """A scoring function as a model without gradients."""

    function: Scoring
    traits: Traits
    usage: Usage

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores (n, classes) for samples (n, *shape). Cost: n queries."""
        self.usage.queries += len(x)
        return two_columns(np.asarray(self.function(x), dtype=np.float64), self.traits.output)


def model_here(
    model: object, probe: NDArray[np.floating], *, classes: int | None = None, names: Sequence[str] = ()
) -> Here:
    """What ``model`` is, seen from its type, and from its answers to a few samples.

    probe    (n, *shape) real samples
    classes  of the data; a function that answers with labels tells no number of its own
    names    of these classes, for a function that answers with words
    """
    torch = sys.modules.get("torch")  # whoever hands over a module has imported it
    if torch is not None and isinstance(model, torch.nn.Module):
        from ancile.models.torch_module import torch_model  # noqa: PLC0415 - an extra

        return Here(torch_model(model, probe=probe), _subject(model, _parameters(model)))
    if hasattr(model, "traits") and hasattr(model, "usage") and hasattr(model, "scores"):
        return Here(model, _subject(model, b""))
    function = _scoring(model)
    return Here(_function(function, probe, classes, names), _subject(model, b""))


def two_columns(scores: NDArray[np.float64], output: Output) -> NDArray[np.float64]:
    """Scores with at least two columns: a logit z is (0, z), a probability p is (1 - p, p)."""
    flat = scores.reshape(len(scores), -1)
    if flat.shape[1] != 1:
        return flat
    return np.hstack([1.0 - flat if output == "probabilities" else np.zeros_like(flat), flat])


def seen_output(scores: NDArray[np.float64]) -> Output:
    """Whether scores are probabilities: in [0, 1], and rows of several columns sum to 1; else logits."""
    flat = scores.reshape(len(scores), -1)
    within = bool(((flat >= 0) & (flat <= 1)).all())
    sums = flat.shape[1] == 1 or bool((np.abs(flat.sum(axis=1) - 1) < TOLERANCE).all())
    return "probabilities" if within and sums else "logits"


def _scoring(model: object) -> Scoring:
    for name in ("predict_proba", "decision_function", "predict"):
        found: Scoring | None = getattr(model, name, None)
        if callable(found):
            return found
    if callable(model):
        return model
    raise AncileError(
        "this is no model",
        value=type(model).__name__,
        remedy="give a torch.nn.Module, an estimator, or a function from x to scores or labels",
    )


def _function(
    function: Scoring, probe: NDArray[np.floating], classes: int | None, names: Sequence[str]
) -> Model:
    """The function as a model: of several samples at once, else of each by itself."""
    shown = np.repeat(probe, 2, axis=0) if len(probe) == 1 else probe
    call = cast("Call", function)
    try:
        return _answering(worded(call, names), shown, classes)
    except AncileError as fault:
        if raised(fault):
            with suppress(AncileError):
                return _answering(worded(one_by_one(call), names), shown, classes, notes=(ONE_BY_ONE,))
        raise


def _answering(
    call: Call, probe: NDArray[np.floating], classes: int | None, *, notes: tuple[str, ...] = ()
) -> Model:
    """A model of labels where it answers with whole numbers or words, one a sample; else of scores."""
    try:
        answer = np.asarray(call(probe))
        if are_labels(answer) and len(answer) == len(probe):
            shape = probe.shape[1:]
            return array_model(call, probe, kind="function", classes=classes, shape=shape, notes=notes)
        scores = answer.astype(np.float64)
    except AncileError:
        raise
    except Exception as reason:  # foreign code may raise anything
        raise AncileError(
            "the function fails on samples of the data",
            value=plain(f"{type(reason).__name__}: {reason}"),
            remedy="call it on some samples yourself: it gets an array (n, *shape) and returns (n, classes)",
        ) from reason
    if not 1 <= scores.ndim <= 2 or len(scores) != len(probe):
        raise AncileError(
            "the function does not answer with one row of scores or one label for each sample",
            value=f"shape {scores.shape} for {len(probe)} samples",
            remedy="return an array (n, classes), or labels (n,)",
        )
    traits = Traits(
        kind="function",
        access="scores",
        output=seen_output(scores),
        classes=max(2, scores.reshape(len(scores), -1).shape[1]),
        shape=probe.shape[1:],
        notes=notes,
    )
    return Function(function=call, traits=traits, usage=Usage())


def _parameters(model: torch.nn.Module) -> bytes:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + bytes(tensor.detach().cpu().contiguous().flatten().numpy().tobytes()))
    return digest.digest()


def _subject(model: object, content: bytes) -> Subject:
    """A subject for an object of this process: its type's name and what of it has bytes."""
    kind = type(model) if not callable(getattr(model, "__qualname__", None)) else model
    name = f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', type(model).__name__)}"
    return Subject(kind="model", name=name, digest=digest_of(name.encode() + b"\n" + content))
