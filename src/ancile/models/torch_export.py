"""A torch.export program (.pt2): checked as bytes, written anew, then loaded by torch in the child."""

from __future__ import annotations

import logging
import math
import operator
import warnings
from io import BytesIO
from operator import attrgetter
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.formats.export_graph import OTHERS
from ancile.formats.torch_export import read_export
from ancile.models.weights import safe_torch
from ancile.models.wrap import Ready, network_model

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from ancile.models.order import Order


def open_bytes(order: Order, parts: list[bytes], probe: NDArray[np.floating]) -> Ready:
    """The program as a network; one exported for a fixed number of samples is run that many at a time."""
    found = read_export(parts[0])
    if found.training:
        raise AncileError(
            "the program was exported in training mode: it draws lots, or answers by the batch",
            value=plain(", ".join(found.training)),
            remedy="call .eval() on the network before torch.export.export, and export it again",
        )
    torch = safe_torch()
    logging.getLogger("torch").setLevel(logging.ERROR)  # its remarks on loading belong to nobody here
    causes = _logged_causes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(BytesIO(found.archive))
            _require_operators(program.graph_module)
            net = program.module(check_guards=False)
    except AncileError:
        raise
    except Exception as reason:  # torch raises what its many parts raise
        raise AncileError(
            "torch cannot load the program",
            value=plain(
                "; ".join(" ".join(f"{type(one).__name__}: {one}".split()) for one in causes or [reason])
            ),
            remedy=f"export it with a torch of this version or before: {torch.__version__}",
        ) from reason
    from ancile.models.fixed_rows import FixedRows  # noqa: PLC0415 - it wraps torch, which is safe by now

    rows = found.shape[0] if found.shape else None
    notes: tuple[str, ...] = ()
    if rows is not None:
        net = FixedRows(net, rows)
        notes = (f"the program was exported for {rows} samples at a time",)
    sizes = ", ".join("any" if size is None else str(size) for size in found.shape[1:])
    takes = f"it was exported for samples of shape ({sizes})"
    return network_model(net, order, probe, kind="torch-export", notes=notes, takes=takes)


def _logged_causes() -> list[BaseException]:
    """A list that fills with what goes wrong in ``torch.export.load``: it logs that, and raises otherwise."""
    found: list[BaseException] = []

    def kept(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1]:
            found.append(record.exc_info[1])
        return False

    logger = logging.getLogger("torch.export")
    logger.setLevel(logging.WARNING)
    logger.addFilter(kept)
    return found


def _require_operators(module: torch.fx.GraphModule) -> None:
    """Once more, on what torch made of the names: each call is an operator, and none any other function."""
    import torch  # noqa: PLC0415 - an extra

    roots = {"_operator": operator, "math": math, "torch": torch}
    others = {attrgetter(path)(roots[root]) for root, _, path in (one.partition(".") for one in OTHERS)}
    overload = type(torch.ops.aten.add.Tensor)
    graphs = [part for part in module.modules() if isinstance(part, torch.fx.GraphModule)]
    for node in (node for graph in graphs for node in graph.graph.nodes):
        known = isinstance(node.target, overload) and node.target.namespace in ("aten", "prims")
        if node.op == "call_function" and not (known or node.target in others):
            raise AncileError(
                "the program calls something else than an operator on tensors",
                value=plain(str(node.target)),
                remedy="export the model again yourself",
            )
