"""What a Jinja template reaches for: parsed with Jinja's own parser and followed, never rendered.

Jinja 3.1: jinja2/lexer.py, parser.py; what its sandbox refuses is in jinja2/sandbox.py. Chat templates know
``break``, ``continue`` and ``generation`` besides: transformers/utils/chat_template_utils.py.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from ancile.formats.jinja_macros import holds_macros
from ancile.formats.jinja_names import (
    BUILTINS,
    BY_ATTRIBUTE,
    DUNDER,
    GLOBALS,
    INTERNAL,
    METADATA,
    SPOKEN_FOR,
    STEPS_IN,
    WIDTHS,
)
from ancile.formats.jinja_values import Known, Values

LARGEST = 1 << 20  # characters; the longest chat templates have 30 thousand
STATEMENT = re.compile(
    r"\{%[-+]?\s*(for|if|set|macro|block|include|import|from|extends|call|filter|with|raw)\b"
)
SPOKEN = re.compile(r"\{[{%].*?(?:[%}]\}|\Z)", re.DOTALL)
LONG_RANGE = 100_000  # MAX_RANGE of jinja2/sandbox.py
MANY_STEPS = 10_000_000  # of loops within each other
PRIVATE = re.compile(r"__|_\w+__")
FIELD = re.compile(r"\{[^{}]*(?:\.|\[)_")


@dataclass
class Template:
    """What a template does that chat templates do not; line and words of each.

    internals  names that lead out of the template into the interpreter
    computed   names that are put together when it is rendered
    loads      other templates that it reads
    heavy      what takes time or memory without measure
    odd        what no chat template has a use for
    fault      why it could not be parsed; empty where it was, or where this is no template
    """

    internals: list[tuple[int, str]] = field(default_factory=list)
    computed: list[tuple[int, str]] = field(default_factory=list)
    loads: list[tuple[int, str]] = field(default_factory=list)
    heavy: list[tuple[int, str]] = field(default_factory=list)
    odd: list[tuple[int, str]] = field(default_factory=list)
    fault: str = ""


class _Generation(Extension):
    """``{% generation %}`` marks what a model said; it changes nothing."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def parse(source: str) -> Template:
    """What a template does; RecursionError and the parser's own errors become facts."""
    found = Template()
    if len(source) > LARGEST:
        _scan(source, found)
        if STATEMENT.search(source):
            found.fault = f"more than {LARGEST} characters"
        return found
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown escape in a string is not ours to mend
            tree = _environment().parse(source)
    except (TemplateSyntaxError, ValueError, OverflowError, SyntaxError) as reason:
        _scan(source, found)
        if STATEMENT.search(source):
            found.fault = str(reason) or type(reason).__name__
        return found
    except (RecursionError, MemoryError):
        found.heavy.append((1, "it nests too deep to be parsed"))
        return found
    try:
        _Reading(tree, found).run()
    except RecursionError:
        found.heavy.append((1, "it nests too deep to be followed"))
    return found


@cache
def _environment() -> Environment:
    return Environment(  # noqa: S701 - nothing is rendered
        extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do", "jinja2.ext.i18n", _Generation]
    )


def _scan(source: str, found: Template) -> None:
    """What can be seen without parsing."""
    for spoken in SPOKEN.finditer(source):
        named = (one for one in DUNDER.findall(spoken.group()) if not METADATA.fullmatch(one))
        found.internals += ((source.count("\n", 0, spoken.start()) + 1, one) for one in named)


def is_internal(name: str) -> bool:
    """Whether an attribute leads into the interpreter: what Jinja's sandbox refuses."""
    return name.startswith("_") or name in INTERNAL


class _Reading:
    def __init__(self, tree: nodes.Template, found: Template) -> None:
        self.tree = tree
        self.found = found
        self.known = Known()
        self.own: set[str] = set()

    def run(self) -> None:
        every = list(self.tree.find_all(nodes.Node))
        for _ in range(4):  # values of values
            for one in every:
                self._learn(one)
        for one in every:
            self._look(one)
        self._loops(self.tree, 1)

    def _learn(self, node: nodes.Node) -> None:
        known = self.known
        if isinstance(node, nodes.Assign):
            self._bind(node.target, known.values(node.node))
            if isinstance(node.node, nodes.Call) and isinstance(node.target, nodes.Name):
                for one in node.node.kwargs:
                    known.note(f"{node.target.name}.{one.key}", known.values(one.value))
        elif isinstance(node, nodes.AssignBlock):
            self._bind(node.target, known.written(node.body))
        elif isinstance(node, nodes.For):
            items = [
                one
                for held in known.values(node.iter)
                if isinstance(held, list | tuple | str)
                for one in held
            ]
            self._bind(node.target, list(items))
        elif isinstance(node, nodes.With):
            for target, value in zip(node.targets, node.values, strict=False):
                self._bind(target, known.values(value))
        elif isinstance(node, nodes.Macro):
            self.own.add(node.name)
            known.macros[node.name] = node.body
            for argument, default in zip(reversed(node.args), reversed(node.defaults), strict=False):
                self._bind(argument, known.values(default))
            self._arguments(node)

    def _arguments(self, macro: nodes.Macro) -> None:
        for call in self.tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == macro.name:
                for argument, value in zip(macro.args, call.args, strict=False):
                    self._bind(argument, self.known.values(value))
                for one in call.kwargs:
                    self.known.note(one.key, self.known.values(one.value))

    def _bind(self, target: nodes.Node, values: Values) -> None:
        if isinstance(target, nodes.Name):
            self.own.add(target.name)
            self.known.note(target.name, values)
        elif isinstance(target, nodes.NSRef):
            self.known.note(f"{target.name}.{target.attr}", values)
        elif isinstance(target, nodes.Tuple):
            for number, one in enumerate(target.items):
                parts = [
                    held[number] for held in values if isinstance(held, list | tuple) and number < len(held)
                ]
                self._bind(one, parts)

    def _look(self, node: nodes.Node) -> None:
        at = node.lineno or 1
        if isinstance(node, nodes.Getattr):
            self._attribute(at, node.attr)
            self._of_global(at, node.node)
        elif isinstance(node, nodes.Getitem):
            self._item(at, node)
        elif isinstance(node, nodes.Filter):
            self._filter(at, node)
        elif isinstance(node, nodes.Call):
            self._call(at, node)
        elif isinstance(node, nodes.Name) and (
            DUNDER.fullmatch(node.name) or node.name in BUILTINS - self.own
        ):
            if node.name in SPOKEN_FOR or node.name in ("eval", "exec"):
                self.found.internals.append((at, node.name))
            elif node.name.startswith("__") and not METADATA.fullmatch(node.name):
                self.found.odd.append((at, f"the name {node.name}"))
        elif isinstance(node, nodes.Include | nodes.Import | nodes.FromImport | nodes.Extends):
            self.found.loads.append((at, str(self.known.only(node.template) or "a computed name")))
        elif isinstance(node, nodes.Const) and isinstance(node.value, str) and DUNDER.fullmatch(node.value):
            steps = self.found.internals if STEPS_IN.fullmatch(node.value) else self.found.odd
            steps.append((at, f"the text {node.value}"))
        elif isinstance(node, nodes.Pow | nodes.Mul) and _is_heavy(self.known, node):
            self.found.heavy.append((at, "a product or power of a large number"))

    def _attribute(self, at: int, name: object) -> None:
        for step in str(name).split("."):
            if is_internal(step):
                self.found.internals.append((at, step))

    def _of_global(self, at: int, node: nodes.Node) -> None:
        if isinstance(node, nodes.Name) and node.name in GLOBALS - self.own:
            self.found.odd.append((at, f"an attribute of {node.name}"))

    def _item(self, at: int, node: nodes.Getitem) -> None:
        self._of_global(at, node.node)
        values = self.known.values(node.arg)
        for one in values:
            text = one.decode("latin-1") if isinstance(one, bytes) else one
            # An underscore alone may be a key of a message
            if isinstance(text, str) and (PRIVATE.match(text) or text in INTERNAL):
                self.found.internals.append((at, text))
        if isinstance(node.arg, nodes.Slice | nodes.Const):
            return
        if not values and _builds(node.arg):
            self.found.computed.append((at, "a subscript that is put together"))
        elif _is_text(node.node) and not (values and all(isinstance(one, int) for one in values)):
            self.found.computed.append((at, "a subscript of a constant"))

    def _filter(self, at: int, node: nodes.Filter) -> None:
        arguments = [*node.args, *(one.value for one in node.kwargs if one.key == "attribute")]
        if node.name == "attr":
            self._names(at, arguments[:1], "the name that |attr is given")
        elif node.name in BY_ATTRIBUTE:
            self._names(at, arguments, f"what |{node.name} is given", strict=node.name == "map")
        if node.name in WIDTHS:
            self._wide(at, [*node.args, *(one.value for one in node.kwargs)])

    def _names(self, at: int, arguments: list[nodes.Expr], what: str, *, strict: bool = True) -> None:
        for number, one in enumerate(arguments):
            values = self.known.values(one)
            for value in values:
                if isinstance(value, str | bytes):
                    self._attribute(at, value.decode("latin-1") if isinstance(value, bytes) else value)
            if not values and number == 0 and (strict or _builds(one)):
                self.found.computed.append((at, what))

    def _wide(self, at: int, arguments: list[nodes.Expr]) -> None:
        for one in arguments:
            for value in self.known.values(one):
                if isinstance(value, int) and abs(value) > LONG_RANGE:
                    self.found.heavy.append((at, f"a width of {value}"))

    def _call(self, at: int, node: nodes.Call) -> None:
        target = node.node
        if isinstance(target, nodes.Getitem) and not (
            isinstance(target.arg, nodes.Const)
            or (isinstance(target.node, nodes.Name) and holds_macros(self.tree, target.node.name))
        ):
            self.found.odd.append((at, "a call of what a subscript gives"))
        if isinstance(target, nodes.Name):
            if target.name in BUILTINS - self.own:
                self.found.internals.append((at, f"{target.name}()"))
            if target.name == "range" and (steps := self._steps(node)) > LONG_RANGE:
                self.found.heavy.append((at, f"a range of {steps}"))
            if target.name == "lipsum":
                self._wide(at, [*node.args, *(one.value for one in node.kwargs)])
        elif isinstance(target, nodes.Getattr) and target.attr in ("format", "format_map"):
            values = self.known.values(target.node)
            for one in values:
                if isinstance(one, str) and FIELD.search(one):
                    self.found.internals.append((at, one))
            if not values and _builds(target.node):
                self.found.computed.append((at, "a format that is put together"))
        elif isinstance(target, nodes.Getattr) and target.attr in ("center", "ljust", "rjust", "zfill"):
            self._wide(at, node.args)

    def _steps(self, call: nodes.Node) -> int:
        if not (
            isinstance(call, nodes.Call) and isinstance(call.node, nodes.Name) and call.node.name == "range"
        ):
            return 1
        numbers = [self.known.values(one) for one in call.args]
        try:
            return max(len(range(*(max(one for one in held if isinstance(one, int)) for held in numbers))), 1)
        except OverflowError:
            return 1 << 62
        except (TypeError, ValueError):
            return 1

    def _doubles(self, loop: nodes.For) -> None:
        """Texts that a loop puts together from themselves, twice or more at each step."""
        for one in loop.find_all(nodes.Assign):
            parts = [held for held in _with_children(one.node) if _is_same(held, one.target)]
            joins = any(
                isinstance(held, nodes.Concat | nodes.Add | nodes.Mul) for held in _with_children(one.node)
            )
            if len(parts) > 1 and joins and not isinstance(one.node, nodes.CondExpr):
                self.found.heavy.append((one.lineno or 1, "a text that doubles in a loop"))

    def _loops(self, node: nodes.Node, steps: int) -> None:
        for child in node.iter_child_nodes():
            inner = steps
            if isinstance(child, nodes.For):
                self._doubles(child)
                inner *= self._steps(child.iter)
                if steps < MANY_STEPS <= inner:
                    self.found.heavy.append((child.lineno or 1, f"loops of {inner} steps"))
            self._loops(child, inner)


def _is_same(node: nodes.Node, target: nodes.Node) -> bool:
    """Whether an expression reads what an assignment sets."""
    if isinstance(target, nodes.NSRef):
        if not (isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name)):
            return False
        return (node.node.name, node.attr) == (target.name, target.attr)
    return isinstance(target, nodes.Name) and isinstance(node, nodes.Name) and node.name == target.name


def _is_text(node: nodes.Node) -> bool:
    """Whether this is a text, or a tuple of nothing: neither is subscripted with a name."""
    return isinstance(node, nodes.Const) or (isinstance(node, nodes.Tuple) and not node.items)


def _builds(node: nodes.Node) -> bool:
    """Whether an expression puts a text together."""
    return any(_is_building(one) for one in _with_children(node))


def _with_children(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    yield from node.find_all(nodes.Node)


def _is_building(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Concat):
        return True
    if isinstance(node, nodes.Filter):
        return node.name in (
            "format",
            "join",
            "lower",
            "replace",
            "reverse",
            "string",
            "title",
            "upper",
            "urlencode",
        )
    if isinstance(node, nodes.Add | nodes.Mod):
        return any(
            isinstance(one, nodes.Const) and isinstance(one.value, str) for one in (node.left, node.right)
        )
    return (
        isinstance(node, nodes.Call)
        and isinstance(node.node, nodes.Getattr)
        and node.node.attr in ("format", "join", "replace", "decode", "encode")
    )


def _is_heavy(known: Known, node: nodes.BinExpr) -> bool:
    if isinstance(node, nodes.Pow):
        small = isinstance(node.left, nodes.Const) and isinstance(node.right, nodes.Const)
        return not small or _exceeds(known.values(node.right), 100)
    return _exceeds([*known.values(node.right), *known.values(node.left)], LONG_RANGE)


def _exceeds(values: Values, most: int) -> bool:
    return any(isinstance(one, int) and abs(one) > most for one in values)
