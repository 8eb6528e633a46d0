"""How much memory one sample takes on its way through a network and back: tensors alive at once, counted.

Every tensor that an operation makes is counted from then until its storage is given back, as
``torch.utils._python_dispatch`` shows them. What libraries take for themselves (work space of convolutions)
is not seen: ``SPARE`` covers it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.models.network import FOREIGN, Network, input_gradient

if TYPE_CHECKING:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
else:
    torch = needs("torch", "torch")
    from torch.utils._python_dispatch import TorchDispatchMode  # the one place where torch has it

ROWS = (2, 6)  # samples of two passes; their difference is free of what does not grow with the batch
SPARE = 2.0  # times what was counted: the process grew by 0.96 to 1.54 times that on four kinds of networks


class Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves its own hook untyped
    """Inside the ``with``, bytes of the tensors made there that are alive, and their peak."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.now = self.peak = 0
        self._held: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        """What the operation answers."""
        answer = func(*args, **(kwargs or {}))
        for one in answer if isinstance(answer, list | tuple) else (answer,):
            if isinstance(one, torch.Tensor):
                self._hold(one.untyped_storage())
        return answer

    def _hold(self, storage: torch.UntypedStorage) -> None:
        place, size = storage.data_ptr(), storage.nbytes()
        if place in self._held or not size:
            return
        self._held.add(place)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._let_go, place, size)

    def _let_go(self, place: int, size: int) -> None:
        self._held.discard(place)
        self.now -= size


def sample_bytes(network: Network, sample: torch.Tensor) -> int:
    """Memory that each sample of a batch takes for a gradient; 0 where it cannot be told.

    sample  (n, *shape), n at least 1. Cost: two gradients on a few samples.
    """
    try:
        few, more = (_peak(network, sample, rows) for rows in ROWS)
    except (AncileError, *FOREIGN):
        return 0
    return round(SPARE * max(0, more - few) / (ROWS[1] - ROWS[0]))


def _peak(network: Network, sample: torch.Tensor, rows: int) -> int:
    part = sample.detach()[torch.arange(rows, device=sample.device) % len(sample)]
    alive = Alive()
    with alive:
        with torch.enable_grad():
            leaf = part.clone().requires_grad_()
            value = network.run(leaf.clone()).sum()
        found = input_gradient(value, leaf)
    del found, value
    return alive.peak
