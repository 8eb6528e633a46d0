"""A network run so that its gradients lead somewhere, though its own operations cut or flatten them.

Backward pass differentiable approximation (Athalye et al., ICML 2018, arXiv:1802.00420, section 4.1), by
operation instead of by hand: rounding, clipping, comparisons and casts pass gradients straight through
(Bengio et al. 2013, arXiv:1308.3432), saturated softmax, sigmoid and tanh are cooled down, steep powers left
out; waves, noise and dropout have no say, NaN is not chosen where there is an alternative, and what is
detached or computed without a graph keeps its graph. Answers may differ from the network's: this is for
searching, and what it claims the network itself confirms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch
    from torch.overrides import TorchFunctionMode
else:
    torch = needs("torch", "torch")
    TorchFunctionMode = torch.overrides.TorchFunctionMode

COOL = 8.0  # largest input of a saturating function: exp(-8) is far from 0 in every float type
STEEP = 4  # exponent beyond which what is below 1 soon underflows: such powers keep the order alone
SOFT = "_ancile_soft"  # on a tensor of bools or integers: the float tensor that it was made from

STEPS = frozenset(("round", "floor", "ceil", "trunc", "fix", "sign", "sgn", "frac", "fmod", "remainder"))
CLIPS = frozenset(("clamp", "clip", "clamp_min", "clamp_max", "fake_quantize_per_tensor_affine"))
SATURATING = frozenset(("softmax", "sigmoid", "tanh"))
POWERS = frozenset(("pow", "__pow__"))
WAVES = frozenset(("sin", "cos"))
CUTS = frozenset(("detach", "alias", "lift_fresh_copy"))
DROPOUT = frozenset(("dropout", "dropout2d", "feature_dropout", "native_dropout", "alpha_dropout"))
NOISE = frozenset(("randn_like", "rand_like"))
ABOVE = frozenset(("gt", "ge", "greater", "greater_equal", "__gt__", "__ge__"))
BELOW = frozenset(("lt", "le", "less", "less_equal", "__lt__", "__le__"))
CASTS = frozenset(("to", "type", "int", "long", "byte", "bool", "_to_copy"))
ARITHMETIC = frozenset(
    (
        "to",
        "type",
        "float",
        "double",
        "type_as",
        "_to_copy",
        "mul",
        "div",
        "add",
        "sub",
        "__mul__",
        "__truediv__",
    )
)


class Straight(TorchFunctionMode):
    """Inside the ``with``, what cuts or flattens gradients is replaced by what does not."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """What the function gives, or its stand-in."""
        given = dict(kwargs or {})
        first = args[0] if args else given.pop("input", None)
        with torch.enable_grad():
            if not isinstance(first, torch.Tensor):
                return func(*args, **dict(kwargs or {}))
            name, rest = _name(func), args[1:]
            if first.is_floating_point():
                return _of_floats(func, name, first, rest, given)
            if name == "where" and len(rest) == 2 and not given:
                return _chosen(func, first, rest[0], rest[1])
            found = func(first, *rest, **given)
            soft = getattr(first, SOFT, None)
            if soft is None or name not in ARITHMETIC or not found.is_floating_point():
                return found
            return _through(found, func(soft, *rest, **given))


def _of_floats(
    func: Callable[..., Any], name: str, x: torch.Tensor, rest: tuple[Any, ...], given: Mapping[str, Any]
) -> Any:
    if name in STEPS or name in CLIPS:
        found = func(x.detach(), *rest, **given)
        return _through(found, x) if found.shape == x.shape else found
    if name in SATURATING:
        return func(_cooled(x), *rest, **given)
    if name in POWERS and rest and isinstance(rest[0], int | float) and rest[0] > STEEP:
        return x.abs() if rest[0] % 2 == 0 else x
    hides = name == "masked_fill" and _nothing(given.get("value", rest[-1] if rest else x))
    if name in CUTS or name in DROPOUT or name in NOISE or hides:
        return torch.zeros_like(x) if name in NOISE else x
    found = func(x.detach() if name in WAVES else x, *rest, **given)
    if isinstance(found, torch.Tensor) and not found.is_floating_point():
        if name in CASTS:
            setattr(found, SOFT, x)
        elif rest and (name in ABOVE or name in BELOW):
            difference = x - rest[0]
            setattr(found, SOFT, difference if name in ABOVE else -difference)
    return found


def _chosen(func: Callable[..., Any], condition: torch.Tensor, one: Any, other: Any) -> Any:
    """As ``where``, but never NaN for its own sake."""
    found = func(condition, one, other)
    for branch, rest in ((one, other), (other, one)):
        if _nothing(branch) and isinstance(rest, torch.Tensor):
            return rest.expand(found.shape)
    return found


def _nothing(value: Any) -> bool:
    """Whether it is NaN and nothing else."""
    if isinstance(value, torch.Tensor):
        return value.is_floating_point() and bool(value.isnan().all())
    return isinstance(value, float) and value != value  # noqa: PLR0124 - NaN is what differs from itself


def _through(found: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
    """The value of ``found`` with the gradient of ``soft``."""
    return found.detach() + (soft - soft.detach())


def _name(func: Callable[..., Any]) -> str:
    """``round`` for torch.round, Tensor.round, Tensor.round_ and aten.round.default alike."""
    packet = getattr(func, "overloadpacket", func)
    name = str(getattr(packet, "__name__", ""))
    return name if name.startswith("__") else name.rstrip("_")


def _cooled(x: torch.Tensor) -> torch.Tensor:
    """``x`` brought down to where the functions still move, by one share for all features of a sample."""
    size = x.detach().abs()
    largest = size.amax(dim=tuple(range(1, x.ndim)), keepdim=True) if x.ndim > 1 else size
    return x / (largest / COOL).clamp_min(1.0)
