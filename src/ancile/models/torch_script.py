"""A TorchScript archive: a program that was trusted on an explicit flag; runs in the child."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.models.weights import safe_torch
from ancile.models.wrap import Ready, network_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ancile.models.order import Order


def open_bytes(order: Order, parts: list[bytes], probe: NDArray[np.floating]) -> Ready:
    """The program as a network."""
    torch = safe_torch()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            net = torch.jit.load(BytesIO(parts[0]), map_location="cpu")
    except (RuntimeError, ValueError) as reason:
        raise AncileError(
            "torch cannot load the TorchScript file",
            value=plain(" ".join(str(reason).split())),
            remedy="export the model with torch.export.save instead",
        ) from reason
    return network_model(net, order, probe, kind="torchscript")
