"""Which opener an order goes to; each lies in a file of its own and brings its own libraries."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from ancile.models.order import Kind, Order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ancile.models.wrap import Ready

OPENERS: dict[Kind, str] = {
    "code": "ancile.models.code",
    "torch-export": "ancile.models.torch_export",
    "torchscript": "ancile.models.torch_script",
    "onnx": "ancile.models.onnx",
    "skops": "ancile.models.sklearn",
    "pickle": "ancile.models.pickled",
    "joblib": "ancile.models.pickled",
    "xgboost": "ancile.models.xgboost",
    "lightgbm": "ancile.models.lightgbm",
}


def open_kind(order: Order, parts: list[bytes], probe: NDArray[np.floating]) -> Ready:
    """The model that the order asks for; runs in the child.

    parts  bytes of the model, then those of its weights if there are any
    probe  (n, *shape) samples of the data that it will be asked on
    """
    opener = import_module(OPENERS[order.kind])
    return cast("Ready", opener.open_bytes(order, parts, probe))
