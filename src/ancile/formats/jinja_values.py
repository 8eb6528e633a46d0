"""What an expression of a Jinja template is worth, where that can be told without rendering it.

Several values where a name is set in several places; none where it depends on what the template is given.
Jinja 3.1 template designer documentation: literals, math, filters; jinja2/nodes.py.
"""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from jinja2 import nodes

Value: TypeAlias = (
    str | int | float | bytes | bool | list["Value"] | tuple["Value", ...] | dict[str, "Value"] | None
)
Values: TypeAlias = list[Value]

VARIANTS = 32  # of one expression
MOST_POWER, MOST_BASE = 100, 1000
LONGEST = 4096  # characters or items of a value that is followed

WIDE = re.compile(r"[%:{][^%{}]*(?:\d{5}|\*)")  # a width in a format

BINARY: Mapping[type[nodes.BinExpr], Callable[[object, object], object]] = {
    nodes.Add: operator.add,
    nodes.Sub: operator.sub,
    nodes.Mod: lambda left, right: _narrow("format", left, right) % right,
    nodes.FloorDiv: operator.floordiv,
}
METHODS = frozenset(
    {
        "capitalize",
        "casefold",
        "decode",
        "encode",
        "format",
        "join",
        "lower",
        "lstrip",
        "removeprefix",
        "removesuffix",
        "replace",
        "rstrip",
        "split",
        "strip",
        "swapcase",
        "title",
        "upper",
        "zfill",
    }
)
FILTERS: Mapping[str, Callable[..., object]] = {
    "capitalize": lambda text: str(text).capitalize(),
    "d": lambda value, *_: value,
    "default": lambda value, *_: value,
    "e": lambda value: value,
    "escape": lambda value: value,
    "first": lambda items: items[0],
    "forceescape": lambda value: value,
    "format": lambda text, *args: _narrow("format", str(text), *args) % args,
    "int": lambda value, *_: int(value),
    "join": lambda items, by="", *_: str(by).join(str(one) for one in items),
    "last": lambda items: list(items)[-1],
    "list": list,
    "lower": lambda text: str(text).lower(),
    "replace": lambda text, old, new, *_: str(text).replace(str(old), str(new)),
    "reverse": lambda items: items[::-1],
    "safe": lambda value: value,
    "sort": lambda items, *_: sorted(items),
    "string": str,
    "title": lambda text: str(text).title(),
    "trim": lambda text, *chars: str(text).strip(*chars),
    "upper": lambda text: str(text).upper(),
}


def _narrow(name: str, held: Any, *given: object) -> Any:
    """What is formatted, where no width in it or given to it takes memory without measure."""
    is_wide = isinstance(held, str) and name == "format" and WIDE.search(held) is not None
    numbers = name in ("format", "zfill") and any(isinstance(one, int) and one > LONGEST for one in given)
    if is_wide or numbers:
        raise ValueError("too wide")
    return held


class Known:
    """The values that names have in a template."""

    def __init__(self) -> None:
        self.names: dict[str, Values] = {}
        self.macros: dict[str, Sequence[nodes.Node]] = {}

    def note(self, name: str, values: Values) -> None:
        """A name may have these values, besides those it had."""
        held = self.names.setdefault(name, [])
        held += [one for one in values if one not in held][: VARIANTS - len(held)]

    def values(self, node: nodes.Node | None) -> Values:  # noqa: PLR0911 - one for each kind of node
        """What an expression may be worth; empty where nobody can tell."""
        if isinstance(node, nodes.Const | nodes.TemplateData):
            return [node.value if isinstance(node, nodes.Const) else node.data]
        if isinstance(node, nodes.Name):
            return self.names.get(node.name, [])
        if isinstance(node, nodes.Concat):
            return self._each(node.nodes, lambda *parts: "".join(str(one) for one in parts))
        if isinstance(node, nodes.BinExpr):
            return self._binary(node)
        if isinstance(node, nodes.Neg):
            return self._each([node.node], operator.neg)
        if isinstance(node, nodes.CondExpr):
            return (self.values(node.expr1) + self.values(node.expr2))[:VARIANTS]
        if isinstance(node, nodes.List):
            return self._each(node.items, lambda *items: list(items))
        if isinstance(node, nodes.Tuple):
            return self._each(node.items, lambda *items: items)
        if isinstance(node, nodes.Dict):
            return self._dict({str(self.only(one.key)): one.value for one in node.items})
        return self._part(node)

    def only(self, node: nodes.Node | None) -> Value:
        """The first of its values, or None."""
        return next(iter(self.values(node)), None)

    def written(self, body: Sequence[nodes.Node]) -> Values:
        """What a block of a template writes, where it is nothing but text and known values."""
        parts: list[nodes.Node] = []
        for one in body:
            if not isinstance(one, nodes.Output):
                return []
            parts += one.nodes
        return self._each(parts, lambda *texts: "".join(str(one) for one in texts).strip())

    def _part(self, node: nodes.Node | None) -> Values:  # noqa: PLR0911 - one for each kind of node
        if isinstance(node, nodes.Getitem):
            if isinstance(node.arg, nodes.Slice):
                start, stop, step = (self.only(one) for one in (node.arg.start, node.arg.stop, node.arg.step))
                return self._each([node.node], lambda held: held[slice(start, stop, step)])
            return self._each([node.node, node.arg], operator.getitem)
        if isinstance(node, nodes.Getattr):
            if isinstance(node.node, nodes.Name) and (
                held := self.names.get(f"{node.node.name}.{node.attr}")
            ):
                return held
            return self._each([node.node], lambda one: one[node.attr])
        if isinstance(node, nodes.Filter):
            return self._filtered(node)
        if isinstance(node, nodes.Call):
            return self._called(node)
        return []

    def _binary(self, node: nodes.BinExpr) -> Values:
        if isinstance(node, nodes.And | nodes.Or):
            return (self.values(node.left) + self.values(node.right))[:VARIANTS]
        if isinstance(node, nodes.Mul):
            return self._each([node.left, node.right], _times)
        if isinstance(node, nodes.Pow):
            return self._each([node.left, node.right], _power)
        does = BINARY.get(type(node))
        return self._each([node.left, node.right], does) if does else []

    def _filtered(self, node: nodes.Filter) -> Values:
        does = FILTERS.get(node.name)
        if node.node is None or does is None:
            return []
        return self._each([node.node, *node.args], does)

    def _called(self, node: nodes.Call) -> Values:
        target = node.node
        if isinstance(target, nodes.Name):
            if target.name == "dict":
                return self._dict({one.key: one.value for one in node.kwargs}, keys_matter=True)
            return self.written(self.macros.get(target.name, ()))
        if isinstance(target, nodes.Getattr) and target.attr in METHODS:
            named = {one.key: self.only(one.value) for one in node.kwargs}
            return self._each(
                [target.node, *node.args],
                lambda held, *args: getattr(_narrow(target.attr, held, *args, *named.values()), target.attr)(
                    *args, **named
                ),
            )
        return []

    def _dict(self, items: Mapping[str, nodes.Node], *, keys_matter: bool = False) -> Values:
        held = {key: self.only(value) for key, value in items.items()}
        return [held] if keys_matter or all(one is not None for one in held.values()) else []

    def _each(self, parts: Sequence[nodes.Node], does: Callable[..., object]) -> Values:
        """``does`` over every choice of the parts' values."""
        choices = [self.values(one) for one in parts]
        if not all(choices):
            return []
        found: Values = []
        for chosen in itertools.islice(itertools.product(*choices), VARIANTS):
            try:
                made = does(*chosen)
            except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, MemoryError):
                continue
            if isinstance(made, str | bytes | list | tuple | dict) and len(made) > LONGEST:
                continue
            if isinstance(made, str | int | float | bytes | list | tuple | dict) and made not in found:
                found.append(made)
        return found


def _power(left: object, right: object) -> object:
    """A power of small whole numbers."""
    if isinstance(left, int) and isinstance(right, int) and 0 <= right < MOST_POWER and abs(left) < MOST_BASE:
        power: object = left**right
        return power
    raise TypeError("no power")


def _times(left: object, right: object) -> object:
    """A product that is small."""
    for held, count in ((left, right), (right, left)):
        if isinstance(held, str | bytes | list | tuple) and isinstance(count, int):
            if len(held) * count > LONGEST:
                raise ValueError("too long")
            return held * count
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left * right
    raise TypeError("no product")
