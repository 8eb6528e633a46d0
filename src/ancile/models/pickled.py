"""A pickle or joblib file: a program that was trusted on an explicit flag; runs in the child."""

from __future__ import annotations

import pickle
from io import BytesIO
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.formats.identify import identify
from ancile.models.code import python_model
from ancile.models.wrap import Ready

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ancile.models.order import Order


def open_bytes(order: Order, parts: list[bytes], probe: NDArray[np.floating]) -> Ready:
    """Whatever the pickle makes, where it is a model."""
    try:
        thing = _unpickled(parts[0], order)
    except AncileError:
        raise
    except Exception as reason:  # an unpickled program raises what it likes
        raise AncileError(
            "the pickle cannot be opened",
            value=plain(f"{type(reason).__name__}: {reason}"),
            remedy="install the versions of the libraries that wrote it",
        ) from reason
    return python_model(thing, order, probe)


def _unpickled(data: bytes, order: Order) -> object:
    if order.kind == "joblib":
        return needs("joblib", "sklearn").load(BytesIO(data))
    if identify(data) in ("torch-state", "torch-legacy"):
        torch = needs("torch", "torch")
        return torch.load(BytesIO(data), map_location="cpu", weights_only=False)
    return pickle.loads(data)  # noqa: S301 - asked for by a flag, in a child process
