"""The choice of a class, seen as the scores that it was made from.

What is one-hot, a rank or an entry of a table for the chosen class has no slope; its scores have one, and the
choice follows them: the straight-through estimator (Bengio et al. 2013, arXiv:1308.3432) across an index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ancile.core.extras import needs

if TYPE_CHECKING:
    import torch
else:
    torch = needs("torch", "torch")

SOFT = "_ancile_soft"  # on a tensor of bools or integers: the float tensor that it was made from
CHOSE = "_ancile_chose"  # on a tensor of integers: the scores (n, classes) that these places were chosen by

CHOOSING = frozenset(("argmax", "argsort", "max", "topk", "sort"))
EQUAL = frozenset(("eq", "__eq__", "isclose"))
FILLING = frozenset(("scatter", "__getitem__", "index_select", "index_fill"))


def through(found: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
    """The value of ``found`` with the gradient of ``soft``."""
    return found.detach() + (soft - soft.detach())


def chosen(found: Any, name: str, scores: torch.Tensor) -> None:
    """Note on the places that a function of these scores gives what they were chosen by."""
    if name not in CHOOSING or scores.ndim != 2:
        return
    for one in found if isinstance(found, tuple) else (found,):
        if isinstance(one, torch.Tensor) and not one.is_floating_point() and one.ndim:
            setattr(one, CHOSE, scores)


def equal(x: torch.Tensor, other: Any) -> torch.Tensor:
    """What grows as ``x`` comes to equal the other; towards an upper edge, such as its maximum, with x."""
    difference: torch.Tensor = x - other
    return difference if bool((difference <= 0).all()) else -difference.abs()


def filled(found: torch.Tensor, name: str, rest: tuple[Any, ...]) -> torch.Tensor:
    """What was filled in or read at chosen places, with the gradient of the scores if it has their shape."""
    if name in FILLING:
        for one in rest:
            scores = getattr(one, CHOSE, None)
            if scores is not None and scores.shape == found.shape:
                return through(found, scores)
    return found


def carried(found: Any, name: str, x: torch.Tensor) -> Any:
    """What a function made of chosen places, which still knows the scores."""
    scores = getattr(x, CHOSE, None)
    if scores is None or not isinstance(found, torch.Tensor):
        return found
    if found.is_floating_point():
        table = name == "embedding" and found.shape == scores.shape
        return through(found, scores) if table else found
    if found.ndim:
        setattr(found, CHOSE, scores)
    if name in ("one_hot", "argsort") and found.shape == scores.shape:
        setattr(found, SOFT, scores)
    elif name == "one_hot" and found.ndim == 3 and (len(found), found.shape[2]) == tuple(scores.shape):
        setattr(found, SOFT, scores.unsqueeze(1).expand(found.shape))
    return found
