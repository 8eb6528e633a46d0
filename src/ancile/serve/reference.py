"""What a reference set says of a model's inputs: ranges of values, and what benign callers look like."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.inputs.opener import open_data
from ancile.numeric import np
from ancile.serve.calibration import calibrate
from ancile.serve.crowds import pairs_of
from ancile.serve.fingerprints import hashing
from ancile.serve.guards.fingerprint import Texts, joined, texts_of
from ancile.serve.guards.outlier import usual
from ancile.serve.learned import Learned
from ancile.serve.ranges import arrays, ranged
from ancile.serve.signature import Range, Signature, Spec, is_float
from ancile.serve.strange import table_of
from ancile.serve.tensors import BYTES, TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLACK = 0.5  # of the span between lowest and highest value of the reference, on both sides


class Reference(NamedTuple):
    """Signatures with ranges; for each model that has a reference set its samples and what they say."""

    signatures: dict[str, Signature]
    learned: dict[str, Learned]
    samples: dict[str, NDArray[np.floating]]


def references(named: str | None, signatures: Mapping[str, Signature]) -> Reference:
    """What the data set ``named`` says of the one model; without one the signatures as they are."""
    if named is None:
        return Reference(dict(signatures), {}, {})
    if len(signatures) != 1:
        raise AncileError(
            "a reference set is for one model",
            value=", ".join(signatures),
            remedy="serve one model, or leave --reference out",
        )
    ((name, signature),) = signatures.items()
    if len(signature.inputs) != 1 or not is_float(signature.inputs[0].datatype):
        bounded_all = ranged(named, signature)
        texts = _texts(named, bounded_all)
        return Reference({name: bounded_all}, {} if texts is None else {name: Learned(texts=texts)}, {})
    x = open_data(named).x
    spec = signature.inputs[0]
    laid = _laid(x.shape[1:], spec)
    x = x.reshape(len(x), *laid)
    low, high = x.min(axis=0), x.max(axis=0)
    span = SLACK * (high - low)
    dtype = TYPES[spec.datatype]
    bounds = Range((low - span).astype(dtype), (high + span).astype(dtype))
    bounded = spec._replace(bounds=bounds)
    benign = calibrate(x)
    known = Learned(sequence=benign, outlier=usual(x), strange=table_of(x), collusion=pairs_of(x, benign))
    return Reference({name: signature._replace(inputs=(bounded,))}, {name: known}, {name: x})


def _texts(named: str, signature: Signature) -> Texts | None:
    """What the texts of the archive are like, where an input takes other than a list of names."""
    inputs = tuple(
        at for at, one in enumerate(signature.inputs) if one.datatype == BYTES and one.values is None
    )
    if not inputs:
        return None
    found = arrays(named, signature)
    columns = [found[signature.inputs[at].name] for at in inputs]
    if len({len(one) for one in columns}) > 1:
        return None  # of which text goes with which nothing is known
    rows = zip(*(one.reshape(len(one), -1).tolist() for one in columns), strict=True)
    texts = dict.fromkeys(joined(text.encode() for part in row for text in part) for row in rows)
    return texts_of(list(texts), inputs, hashing(secrets.randbits(64)))


def _laid(shape: tuple[int, ...], spec: Spec) -> tuple[int, ...]:
    """The shape of a sample as the model takes it; a flat sample may be an image and the other way round."""
    wanted = spec.shape[1:]
    if len(wanted) == len(shape) and all(a in (-1, b) for a, b in zip(wanted, shape, strict=True)):
        return shape
    if -1 not in wanted and int(np.prod(wanted)) == int(np.prod(shape)):
        return wanted
    raise AncileError(
        "the reference set's samples are not the model's",
        value=f"{shape}, the model takes {wanted}",
        remedy="give data of the shape that the model takes",
    )
