"""A PyTorch module with what its input needs: layout, normalisation, precision; and how it is run safely."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.models.inner import Inside, Noting
from ancile.models.straight import Straight
from ancile.numeric import np

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike
else:
    torch = needs("torch", "torch")

Prepare = Callable[["torch.Tensor"], "torch.Tensor"]

FOREIGN = (  # what other people's forward passes raise; out of memory is a RuntimeError too
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, eq=False)
class Network:
    """A module with what its input needs.

    dtype      of samples and scores
    precision  in which the module computes; None for ``dtype``
    layout     of the samples' memory, where they have four axes
    straight   whether operations that cut or flatten gradients are replaced
    inside     which scores inside are its answer, where it runs straight: see ``models.inner``
    """

    net: torch.nn.Module
    prepare: Prepare | None
    device: torch.device
    dtype: torch.dtype
    mean: ArrayLike | None
    std: ArrayLike | None
    precision: torch.dtype | None = None
    layout: torch.memory_format | None = None
    straight: bool = False
    inside: Inside | None = None

    def tensor(self, x: ArrayLike) -> torch.Tensor:
        """A copy of ``x`` as the network wants it."""
        return torch.tensor(np.asarray(x), device=self.device, dtype=self.dtype)

    def run(self, x: torch.Tensor) -> torch.Tensor:
        """What the network answers as (n, columns); it may write into ``x``."""
        if self.inside is not None:
            noting = Noting(len(x), self.inside.columns)
            answer = noting.read(self.inside, self._answer(x, noting))
        else:
            answer = self._answer(x, Straight() if self.straight else nullcontext())
        if not isinstance(answer, torch.Tensor) or not answer.is_floating_point():
            raise AncileError(
                "the network does not answer with one tensor of floating-point scores",
                value=str(answer.dtype) if isinstance(answer, torch.Tensor) else type(answer).__name__,
                remedy="wrap it in a module whose forward returns the scores alone",
            )
        rows = answer.unsqueeze(1) if answer.ndim == 1 else answer
        if rows.ndim != 2 or len(rows) != len(x) or not rows.shape[1]:
            raise AncileError(
                "the network does not answer with one row of scores a sample",
                value=f"{tuple(answer.shape)} for {len(x)} samples",
                remedy="return (n, classes), or one logit or probability a sample as (n,) or (n, 1)",
            )
        # A network that works in inference mode gives tensors that no later pass may touch: copy them
        return (rows.clone() if rows.is_inference() else rows).to(self.dtype)

    def noted(self, x: torch.Tensor, columns: int, *, slopes: bool = False) -> tuple[torch.Tensor, Noting]:
        """The answer of a pass on stand-ins, and a note of each tensor of so many columns on the way.

        slopes  whether they keep their graph back to the input
        """
        noting = Noting(len(x), columns)
        with torch.enable_grad():
            answer: torch.Tensor = self._answer(x.detach().clone().requires_grad_(slopes).clone(), noting)
        return answer, noting

    def _answer(self, x: torch.Tensor, mode: AbstractContextManager[object]) -> Any:
        try:
            with evaluating(self.net), mode:
                return self.net(self.given(x))
        except FOREIGN as fault:
            raise failed(f"the network fails on samples of shape {tuple(x.shape[1:])}", fault) from fault

    def given(self, x: torch.Tensor) -> torch.Tensor:
        """The samples as the module gets them."""
        given = x if self.prepare is None else self.prepare(x)
        if self.mean is not None:
            given = given - _per_channel(self.tensor(self.mean), given)
        if self.std is not None:
            given = given / _per_channel(self.tensor(self.std), given)
        if self.precision is not None:
            given = given.to(self.precision)
        if self.layout is not None and given.ndim == 4:
            given = given.contiguous(memory_format=self.layout)
        return given


def input_gradient(value: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor | None:
    """The gradient of the scalar on the leaf; None where no path leads there."""
    if not value.requires_grad:
        return None
    try:
        (found,) = torch.autograd.grad(value, leaf, allow_unused=True)
    except RuntimeError as fault:
        raise failed("the network's backward pass fails", fault) from fault
    return found


def failed(what: str, fault: Exception) -> AncileError:
    """What a foreign pass raised, as an error with a remedy."""
    return AncileError(
        what,
        value=plain(f"{type(fault).__name__}: {fault}"),
        remedy="call the network on such samples yourself: shape, layout and type must be what it wants",
    )


def home_of(net: torch.nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and float type of the first parameter or buffer that has one; CPU and float32 without any."""
    for held in (*net.parameters(), *net.buffers()):
        if held.is_floating_point():
            if held.dtype not in (torch.float32, torch.float64):
                raise AncileError(
                    "the network computes in another type than float32 or float64",
                    value=str(held.dtype).removeprefix("torch."),
                    remedy="convert it: net.float()",
                )
            return held.device, held.dtype
    return torch.device("cpu"), torch.float32


def training(net: torch.nn.Module) -> list[torch.nn.Module]:
    """Its parts that are in train mode."""
    return [module for module in net.modules() if module.training]


@contextmanager
def evaluating(net: torch.nn.Module) -> Iterator[None]:
    """Eval mode, and the mode of each part put back; by attribute, as exported modules refuse ``eval()``."""
    changed = training(net)
    try:
        for module in changed:
            module.training = False
        yield
    finally:
        for module in changed:
            module.training = True


def _per_channel(value: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """``value`` shaped for ``x``: one number a channel lies along the first axis of a sample with three."""
    return value.reshape(-1, 1, 1) if value.ndim == 1 and x.ndim == 4 else value
