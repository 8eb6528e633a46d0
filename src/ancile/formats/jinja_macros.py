"""Lists of a template's own macros, which some chat templates go through and call one after the other."""

from __future__ import annotations

from jinja2 import nodes

COUNTS = ("length", "count")


def holds_macros(tree: nodes.Template, name: str) -> bool:
    """Whether a variable is only ever a list of macros of this template.

    It is set, to lists of macros and to itself with such lists added; it is counted and subscripted. Any
    other use, as an argument or with a method called on it, may change what it holds.
    """
    every = list(tree.find_all(nodes.Node))
    macros = {one.name for one in every if isinstance(one, nodes.Macro)}
    own = macros - {one.name for one in every if isinstance(one, nodes.Name) and one.ctx != "load"}
    seen = known = puts = 0
    for one in every:
        if isinstance(one, nodes.Name) and one.name == name:
            seen += 1
        elif isinstance(one, nodes.Assign) and _is(one.target, name):
            if not _is_sum(one.node, name, own):
                return False
            puts += 1
            known += 1 + sum(_is(held, name) for held in [one.node, *one.node.find_all(nodes.Name)])
        elif isinstance(one, nodes.Getitem) or (isinstance(one, nodes.Filter) and one.name in COUNTS):
            known += one.node is not None and _is(one.node, name)
    return puts > 0 and seen == known


def _is(node: nodes.Node, name: str) -> bool:
    return isinstance(node, nodes.Name) and node.name == name


def _is_sum(node: nodes.Node, name: str, macros: set[str]) -> bool:
    """Whether an expression is the list itself, macros in a list, or one added to the other."""
    if isinstance(node, nodes.Add):
        return _is_sum(node.left, name, macros) and _is_sum(node.right, name, macros)
    if isinstance(node, nodes.List):
        return all(isinstance(one, nodes.Name) and one.name in macros for one in node.items)
    return _is(node, name)
