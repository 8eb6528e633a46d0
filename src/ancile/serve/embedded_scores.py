"""A classifier that the models room opens without running code of its file: it answers with scores.

One input of floats, a sample a row. The answer is named by what it holds: ``probabilities`` or ``logits``, a
column for each class, or ``label`` where the model knows labels alone. Margins of boosted trees become
probabilities by their softmax, of two classes the sigmoid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.formats.identify import identify
from ancile.formats.source import Source
from ancile.inputs.opener import open_data
from ancile.models.declared import Declared, declared
from ancile.models.kinds import open_kind
from ancile.models.order import Kind, Order
from ancile.models.reference import DIRECT
from ancile.numeric import np
from ancile.serve.embedded import Answering
from ancile.serve.inference import Infer
from ancile.serve.signature import Signature, Spec
from ancile.serve.tensors import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.models.model import Model

INPUT, LABEL = "x", "label"
TYPE_OF = {"float32": "FP32", "float64": "FP64"}
PLATFORMS: dict[Kind, str] = {
    "torch-export": "pytorch_export",
    "skops": "sklearn_skops",
    "xgboost": "xgboost_booster",
    "lightgbm": "lightgbm_booster",
}
MARGINS: tuple[Kind, ...] = ("xgboost", "lightgbm")
SPREADS = (0.0, 1.0, 100.0)  # of the samples that show what answers are: logits leave [0, 1] on some of them
DRAWN = 8  # samples of each


def scores_answering(source: Source, name: str, reference: str | None) -> Answering:
    """The model as it answers requests; AncileError for a file that is none of these, or could run code."""
    kind = _kind(source)
    said = declared(kind, source.data)
    shape = _shape(said, source, reference)
    ready = open_kind(Order(kind=kind), [source.data], _probe(shape, said.dtype))
    takes = tuple(-1 if axis is None else axis for axis in said.shape or shape)
    datatype, model = TYPE_OF[said.dtype], ready.model
    if model.traits.output == "labels":
        output = Spec(LABEL, "INT64", (-1,))
    else:
        softened = kind in MARGINS and model.traits.output == "logits"
        output = Spec(
            "probabilities" if softened else model.traits.output, datatype, (-1, model.traits.classes)
        )
    signature = Signature(name, PLATFORMS[kind], (Spec(INPUT, datatype, (-1, *takes)),), (output,))
    return Answering(signature, _runner(model, output, softened=kind in MARGINS))


def _runner(model: Model, output: Spec, *, softened: bool) -> Any:
    dtype = np.float32 if output.datatype == "FP32" else np.float64

    def run(infer: Infer, _: list[str]) -> tuple[Tensor, ...]:
        given: NDArray[Any] = infer.inputs[0].array
        found = model.scores(given)
        if output.name == LABEL:
            return (Tensor(LABEL, output.datatype, found.argmax(axis=1)),)
        if softened:
            found = _softmax(found)
        return (Tensor(output.name, output.datatype, found.astype(dtype)),)

    return run


def _softmax(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    found: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return found


def _kind(source: Source) -> Kind:
    found = identify(source.data)
    kind = DIRECT.get(found)
    if kind is None:
        raise AncileError(
            "a file of this kind is not served",
            value=f"{plain(source.path.name)}: {found}",
            remedy="give ONNX, torch.export (.pt2), skops, XGBoost or LightGBM: opening these runs no code",
        )
    return kind


def _shape(said: Declared, source: Source, reference: str | None) -> tuple[int, ...]:
    """Of a sample that the model is tried with: the file's, with what it leaves open from the reference."""
    if said.shape is not None and None not in said.shape:
        return tuple(axis for axis in said.shape if axis is not None)
    if reference is None:
        raise AncileError(
            "the model's file does not say which samples it takes",
            value=plain(source.path.name),
            remedy="show some: --reference DATA",
        )
    return open_data(reference).x.shape[1:]


def _probe(shape: tuple[int, ...], dtype: str) -> NDArray[np.floating]:
    rng = np.random.Generator(np.random.Philox(0))
    drawn = [spread * rng.standard_normal((DRAWN, *shape)) for spread in SPREADS]
    return np.concatenate(drawn).astype(dtype)
