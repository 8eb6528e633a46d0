"""What the parent orders from the child that holds a model, and what the child says of it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ancile.models.form import Form

Kind = Literal[
    "code", "torch-export", "torchscript", "onnx", "skops", "pickle", "joblib", "xgboost", "lightgbm"
]
Scalar = str | int | float | bool | None
Wanted = Literal["auto", "logits", "probabilities", "labels"]

Word = Annotated[str, msgspec.Meta(max_length=400)]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """How to open a model; its bytes, those of its weights and some samples come as blocks beside it.

    name       function in the code, ``factory`` or ``predict``
    module     dotted name of the code's module
    path       where the code's source lies, for ``__file__``
    folders    put on ``sys.path`` for what the code imports
    covered    packages and modules by their folder or file; names and digests come as the last block
    arguments  keyword arguments of the factory
    weights    format of the weights, empty without
    output     what scores are, ``auto`` to see from the samples
    mean, std  what the input is normalised by, empty for nothing
    names      of the data's classes, for a model that answers with words
    """

    kind: Kind
    name: str = ""
    module: str = ""
    path: str = ""
    folders: tuple[str, ...] = ()
    covered: tuple[str, ...] = ()
    arguments: dict[str, Scalar] = {}
    weights: Literal["", "safetensors", "state-dict"] = ""
    output: Wanted = "auto"
    classes: int | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    names: tuple[str, ...] = ()


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What the child says of the model: claims, bounded, checked where they can be.

    dtype    of the tensors that gradients are asked with
    touched  files that the model's own code read or imported from outside Python's own folders
    """

    kind: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z-]{0,30}\Z")]
    access: Literal["white-box", "scores", "labels"]
    output: Literal["logits", "probabilities", "labels"]
    classes: Annotated[int, msgspec.Meta(ge=2, le=1 << 20)]
    shape: Annotated[tuple[int, ...], msgspec.Meta(max_length=8)] | None = None
    notes: Annotated[tuple[Word, ...], msgspec.Meta(max_length=16)] = ()
    dtype: Literal["float32", "float64"] = "float32"
    touched: Annotated[tuple[Word, ...], msgspec.Meta(max_length=64)] = ()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Of which network an answer is wanted: 0 is the model, others are forms of it for a search."""

    network: int = 0


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """An order to find a form in which the model is searched; ``form`` to take without a trial."""

    form: Form | None
    seconds: float


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """A form of the model that the child holds from now on, and the number that it goes by."""

    network: int
    form: Form
