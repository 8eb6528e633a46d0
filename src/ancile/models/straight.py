"""A network run so that its gradients lead somewhere, though its own operations cut or flatten them.

Backward pass differentiable approximation (Athalye et al., ICML 2018, arXiv:1802.00420, section 4.1), by
operation instead of by hand: rounding, clipping, comparisons and casts pass gradients straight through
(Bengio et al. 2013, arXiv:1308.3432), and so does what leaves as an array and comes back, and a function that
brings a backward pass of its own. Saturated softmax, sigmoid and tanh are cooled down, steep powers left out;
waves and slopes without end have no say, noise and dropout are what they are on average, NaN is not chosen
where there is an alternative, and what is detached or computed without a graph keeps its graph. Answers may
differ from the network's: this is for searching, and what it claims the network itself confirms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ancile.core.extras import needs
from ancile.models.choices import EQUAL, SOFT, carried, chosen, equal, filled, through

if TYPE_CHECKING:
    import torch
    from torch.overrides import TorchFunctionMode
else:
    torch = needs("torch", "torch")
    TorchFunctionMode = torch.overrides.TorchFunctionMode

COOL = 8.0  # largest input of a saturating function: exp(-8) is far from 0 in every float type
STEEP = 4  # exponent beyond which what is below 1 soon underflows: such powers keep the order alone
TAKEN = "ancile"  # among the metadata of a backward pass: it has been replaced

STEPS = frozenset(("round", "floor", "ceil", "trunc", "fix", "sign", "sgn"))
CLIPS = frozenset(("clamp", "clip", "clamp_min", "clamp_max", "hardtanh", "fake_quantize_per_tensor_affine"))
SATURATING = frozenset(("softmax", "sigmoid", "tanh"))
POWERS = frozenset(("pow", "__pow__"))
WAVES = frozenset(("sin", "cos", "frac", "fmod", "remainder", "__mod__"))
ENDLESS = frozenset(
    (
        "sqrt",
        "rsqrt",
        "log",
        "log2",
        "log10",
        "pow",
        "__pow__",
        "div",
        "true_divide",
        "__truediv__",
        "__rtruediv__",
        "reciprocal",
        "norm",
        "std",
        "acos",
        "arccos",
        "asin",
        "arcsin",
        "atanh",
    )
)
WHOLE = frozenset(("floor_divide", "__floordiv__"))
CUTS = frozenset(("detach", "alias", "lift_fresh_copy"))
DROPOUT = frozenset(
    (
        "dropout",
        "dropout1d",
        "dropout2d",
        "dropout3d",
        "feature_dropout",
        "native_dropout",
        "alpha_dropout",
        "feature_alpha_dropout",
    )
)
NOISE: Mapping[str, float] = {"randn": 0.0, "randn_like": 0.0, "rand": 0.5, "rand_like": 0.5}
FILLS: Mapping[str, tuple[str, float]] = {"normal_": ("mean", 0.0), "bernoulli_": ("p", 0.5)}
LEAVES = frozenset(("numpy", "__array__", "tolist"))
PLACES = frozenset(("bucketize", "searchsorted"))
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

    def __init__(self) -> None:
        super().__init__()
        self._left: torch.Tensor | None = None  # what last left as an array

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """What the function gives, or its stand-in."""
        given, name = dict(kwargs or {}), _name(func)
        with torch.enable_grad():
            if name in NOISE:
                return torch.full_like(func(*args, **given), NOISE[name])
            if name == "__get__":
                return (
                    args[0] if getattr(func, "__self__", None) is torch.Tensor.data else func(*args, **given)
                )
            args = tuple(self._met(one) if isinstance(one, torch.Tensor) else one for one in args)
            first = args[0] if args else given.pop("input", None)
            if not isinstance(first, torch.Tensor):
                return func(*args, **dict(kwargs or {}))
            if name in LEAVES:
                self._left = getattr(first, SOFT, first)
                return func(first.detach(), *args[1:], **given)
            if first.is_floating_point():
                return _of_floats(func, name, first, args[1:], given)
            return _of_whole(func, name, first, args[1:], given)

    def _met(self, one: torch.Tensor) -> torch.Tensor:
        """A tensor on its way into an operation, joined to what it came from."""
        node: Any = one.grad_fn
        left = self._left
        if isinstance(node, torch.autograd.function.BackwardCFunction) and TAKEN not in node.metadata:
            node.metadata[TAKEN] = True
            node.register_hook(_past)
        if left is None or one.requires_grad or one.shape != left.shape or hasattr(one, SOFT):
            return one
        if one.is_floating_point():
            return through(one, left.to(one.dtype))
        setattr(one, SOFT, left)
        return one


def _past(own: tuple[Any, ...], above: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The gradient from above in place of a function's own, where it fits."""
    top = above[0]
    fits = [isinstance(one, torch.Tensor) and one.shape == getattr(top, "shape", None) for one in own]
    return tuple(top if fit else one for one, fit in zip(own, fits, strict=True)) if any(fits) else None


def _of_floats(
    func: Callable[..., Any], name: str, x: torch.Tensor, rest: tuple[Any, ...], given: Mapping[str, Any]
) -> Any:
    hides = name == "masked_fill" and _nothing(given.get("value", rest[-1] if rest else x))
    if hides or name in CUTS or name in DROPOUT:
        return x
    stand_in = _stand_in(func, name, x, rest, given)
    if stand_in is None:
        stand_in = _drawn(func, x, rest, given)
    if stand_in is not None:
        return stand_in
    if name in ENDLESS and not _in_place(func):
        x, rest = _finite(x), tuple(_finite(one) for one in rest)
    found = func(x.detach() if name in WAVES else x, *rest, **given)
    chosen(found, name, x)
    return _marked(found, name, x, rest) if isinstance(found, torch.Tensor) else found


def _finite(one: Any) -> Any:
    """The same, and a gradient that is not finite ends here."""
    if not isinstance(one, torch.Tensor) or not one.requires_grad:
        return one
    same: Any = one.view_as(one)
    same.register_hook(lambda gradient: gradient.nan_to_num(0.0, 0.0, 0.0))
    return same


def _in_place(func: Callable[..., Any]) -> bool:
    name = str(getattr(func, "__name__", ""))
    return name.endswith("_") and not name.startswith("__")


def _stand_in(
    func: Callable[..., Any], name: str, x: torch.Tensor, rest: tuple[Any, ...], given: Mapping[str, Any]
) -> torch.Tensor | None:
    """What steps, clips, what saturates and steep powers give; None for other functions."""
    found: torch.Tensor | None = None
    if name in STEPS or name in CLIPS:
        value = func(x.detach(), *rest, **given)
        found = through(value, x) if value.shape == x.shape else value
    elif name in WHOLE or given.get("rounding_mode"):
        found = through(func(x.detach(), *rest, **given), x / rest[0])
    elif name == "gumbel_softmax":  # a choice by lot: on average the shares that the lots are drawn by
        found = torch.softmax(_cooled(x), given.get("dim", -1))
    elif name in SATURATING:
        found = func(_cooled(x), *rest, **given)
    elif name in POWERS and rest and isinstance(rest[0], int | float) and rest[0] > STEEP:
        found = x.abs() if rest[0] % 2 == 0 else x
    return found


def _marked(found: torch.Tensor, name: str, x: torch.Tensor, rest: tuple[Any, ...]) -> torch.Tensor:
    """With a note of what it was made from, where it is of bools or integers; and read from such places."""
    if found.is_floating_point():
        soft = getattr(rest[0], SOFT, None) if name == "__getitem__" and rest else None
        if soft is not None and soft.shape == found.shape:
            return through(found, soft)
        return filled(found, name, rest)
    if name in EQUAL and rest:
        setattr(found, SOFT, equal(x, rest[0]))
    elif name in CASTS or name in PLACES:
        setattr(found, SOFT, x)
    elif rest and (name in ABOVE or name in BELOW):
        difference = x - rest[0]
        setattr(found, SOFT, difference if name in ABOVE else -difference)
    return found


def _drawn(
    func: Callable[..., Any], x: torch.Tensor, rest: tuple[Any, ...], given: Mapping[str, Any]
) -> torch.Tensor | None:
    """The average of what is drawn; None for functions that draw nothing."""
    name = str(getattr(func, "__name__", ""))
    if name in FILLS:
        key, otherwise = FILLS[name]
        return x.detach().fill_(given.get(key, rest[0] if rest else otherwise))
    if name == "uniform_":
        low, high = (*rest, *(0.0, 1.0)[len(rest) :])[:2]
        return x.detach().fill_((given.get("from", low) + given.get("to", high)) / 2)
    return x if name == "bernoulli" and not rest and "p" not in given else None


def _of_whole(
    func: Callable[..., Any], name: str, x: torch.Tensor, rest: tuple[Any, ...], given: Mapping[str, Any]
) -> Any:
    if name == "where" and len(rest) == 2 and not given:
        return _chosen(func, x, rest[0], rest[1])
    found = carried(func(x, *rest, **given), name, x)
    soft = getattr(x, SOFT, None)
    if soft is None or name not in ARITHMETIC or not found.is_floating_point():
        return found
    return through(found, func(soft, *rest, **given))


def _chosen(func: Callable[..., Any], condition: torch.Tensor, one: Any, other: Any) -> Any:
    """As ``where``, but never NaN for its own sake; between two constants it is a step."""
    for branch, rest in ((one, other), (other, one)):
        if _nothing(branch) and isinstance(rest, torch.Tensor):
            return rest.expand(func(condition, one, other).shape)
    found, soft = func(condition, one, other), getattr(condition, SOFT, None)
    if soft is None or found.requires_grad or soft.shape != found.shape:
        return found
    return through(found, soft * (one - other))


def _nothing(value: Any) -> bool:
    """Whether it is NaN and nothing else."""
    if isinstance(value, torch.Tensor):
        return value.is_floating_point() and bool(value.isnan().all())
    return isinstance(value, float) and value != value  # noqa: PLR0124 - NaN is what differs from itself


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
