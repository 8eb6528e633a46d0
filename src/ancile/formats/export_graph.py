"""The graph of a torch.export archive, reduced to what describes a computation.

Read in torch 2.13, ``torch/_export/serde/serialize.py``: an operator's name is looked up attribute by
attribute in ``torch``, ``math`` and ``operator`` and called; expressions of sizes go through
``sympy.sympify``, which evaluates Python; guards are executed; names become the source of a generated
function. So each string is held against what torch itself writes in its place, and what only helps a
debugger is left out.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

from ancile.core.errors import AncileError
from ancile.core.text import plain

Json = dict[str, object]
Sizes = tuple[int | None, ...]

STEPS = 20_000_000  # values in one graph
NAME = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]{0,400}")
DOTTED = re.compile(r"[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*", re.ASCII)
OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims)\.(?P<name>(?!__)\w+|__(and|or|xor|lshift|rshift)__)\.(?!__)\w+", re.ASCII
)
# They read and write files, or let a tensor see other memory.
REFUSED_OPERATORS = frozenset({"from_file", "save", "load", "set_", "set_data", "resize_", "resize_as_"})
OTHERS = frozenset(
    (
        *(
            f"torch.ops.higher_order.{n}"
            for n in ("wrap_with_set_grad_enabled", "wrap_with_autocast", "cond")
        ),
        *(f"torch.sym_{n}" for n in ("not", "int", "float", "ite", "max", "min", "sqrt", "sum")),
        *(f"_operator.{n}" for n in ("eq", "ne", "le", "ge", "lt", "gt", "neg", "pos", "mul", "add", "sub")),
        *(f"_operator.{n}" for n in ("floordiv", "mod", "pow", "truediv", "and_", "or_", "getitem")),
        *(f"math.{n}" for n in ("trunc", "ceil", "floor", "sqrt")),
    )
)
# What torch writes for sizes (sympy's srepr and str): symbols, numbers, arithmetic, and nothing with a dot.
FUNCTIONS = (
    *(
        "Integer",
        "Float",
        "Rational",
        "Add",
        "Mul",
        "Pow",
        "Max",
        "Min",
        "Mod",
        "Eq",
        "Ne",
        "Lt",
        "Le",
        "Gt",
        "Ge",
    ),
    *(
        "FloorDiv",
        "CeilDiv",
        "CleanDiv",
        "PythonMod",
        "ModularIndexing",
        "IntTrueDiv",
        "FloatTrueDiv",
        "Where",
    ),
    *(
        "PowByNatural",
        "FloatPow",
        "ToFloat",
        "CeilToInt",
        "FloorToInt",
        "TruncToInt",
        "RoundToInt",
        "Identity",
    ),
    *("Equality", "Unequality", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan"),
    *("And", "Or", "Not", "true", "false", "True", "False"),
)
SYMBOL = r"[a-z]{1,3}\d{1,9}"
ASSUMPTIONS = r"(, ?(positive|integer|nonnegative|real|finite|nonzero|negative)=(True|False))*"
TOKEN = (
    rf"Symbol\('{SYMBOL}'{ASSUMPTIONS}\)|{SYMBOL}\b|({'|'.join(FUNCTIONS)})\b|\d{{1,19}}(?!\d)|[-+*/%(), <>=]"
)
EXPRESSION = re.compile(rf"({TOKEN}){{1,400}}", re.ASCII)
TREE_NODES = ("builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
DEVICES = ("cpu", "cuda", "mps", "xpu")
DIALECTS = ("", "ATEN", "TRAINING")
ON_CPU: Json = {"type": "cpu", "index": None}


class Entry(NamedTuple):
    """The one input of a program: scalar type of the schema, sizes (None: free); operators told to train."""

    dtype: int
    sizes: Sizes
    training: tuple[str, ...]


def clean_program(document: object) -> tuple[Json, Entry]:
    """The program with nothing in it but the computation, and its input; AncileError for anything else."""
    walk = _Walk()
    program = cast("Json", walk.value(_object(document, "program"), ""))
    module = _object(program.get("graph_module"), "graph_module")
    calls = [one for one in _list(module.get("module_call_graph")) if _object(one, "call").get("fqn") == ""]
    module["module_call_graph"] = calls[:1]
    module["metadata"] = {}
    module["treespec_namedtuple_fields"] = {}
    program["guards_code"] = []
    return program, _entry(module)


class _Walk:
    """Goes through a document and lets only what is known pass."""

    def __init__(self) -> None:
        self._left = STEPS

    def value(self, value: object, key: str) -> object:
        """A copy of the value that stands under ``key``, checked."""
        self._left -= 1
        if self._left < 0:
            raise _refused("the graph is too large", f"more than {STEPS} values")
        if rule := RULES.get(key):
            return rule(self, value)
        if isinstance(value, dict):
            return {_name(one, dotted=True): self.value(inner, one) for one, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner, "") for inner in value]
        if isinstance(value, str):
            return _name(value, dotted=False)
        return value

    def operator(self, value: object) -> str:
        """The name of an operator that computes and does nothing else."""
        found = OPERATOR.fullmatch(str(value))
        if (found and found["name"] not in REFUSED_OPERATORS) or value in OTHERS:
            return str(value)
        raise AncileError(
            "the graph calls something else than an operator on tensors",
            value=plain(str(value)),
            remedy="torch would look this name up and call it; export the model with plain operators",
        )


def sizes_of(meta: Json) -> Sizes:
    """Sizes of a tensor's description; None for an axis that an expression stands for."""
    found: list[int | None] = []
    for size in _list(meta.get("sizes")):
        number = _object(size, "size").get("as_int")
        if number is not None and (not isinstance(number, int) or not 0 <= number < 1 << 40):
            raise _refused("a tensor states an impossible size", str(number))
        found.append(number)
    return tuple(found)


def _entry(module: Json) -> Entry:
    signature = _object(module.get("signature"), "signature")
    graph = _object(module.get("graph"), "graph")
    users = [
        one["user_input"] for one in map(_spec, _list(signature.get("input_specs"))) if "user_input" in one
    ]
    names = [_object(_object(one, "input").get("arg"), "arg").get("as_tensor") for one in users]
    if len(names) != 1 or not isinstance(names[0], dict):
        raise _refused("the model does not take one tensor", f"{len(names)} inputs")
    meta = _object(_object(graph.get("tensor_values"), "values").get(str(names[0].get("name"))), "input")
    dtype = meta.get("dtype")
    training = tuple(sorted(set(_in_training(graph))))
    return Entry(dtype if isinstance(dtype, int) else 0, sizes_of(meta), training)


def _in_training(graph: Json) -> Iterator[str]:
    """Operators that were told to behave as in training: dropout draws, batch norm takes the batch's mean."""
    for node in (_object(one, "node") for one in _list(graph.get("nodes"))):
        for one in (_object(given, "input") for given in _list(node.get("inputs"))):
            name, told = one.get("name"), _object(one.get("arg"), "argument")
            rate = told.get("as_float")
            if (name in ("train", "training") and told == {"as_bool": True}) or (
                name == "dropout_p" and rate
            ):
                yield str(node.get("target"))


def _spec(value: object) -> Json:
    found = _object(value, "input")
    if not found.keys() <= {"user_input", "parameter", "buffer", "tensor_constant"}:
        raise _refused("the model takes another kind of input", ", ".join(map(str, found)))
    return found


def _name(value: str, *, dotted: bool) -> str:
    """A name that can stand in generated code, or as an attribute's path."""
    parts = value.split(".") if dotted else [value]
    fits = (DOTTED if dotted else NAME).fullmatch(value) or value == ""
    if not fits or any(part.startswith("__") or keyword.iskeyword(part) for part in parts):
        raise _refused("a name in the graph is none that torch gives", value)
    return value


def _text(_: _Walk, value: object) -> object:
    """Text that an operator gets: it is quoted in generated code."""
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, str) or len(one) > 1000 or not (one.isascii() and one.isprintable()):
            raise _refused("a text in the graph is none that torch gives", str(one))
    return value


def _number(_: _Walk, value: object) -> object:
    """Floats; those that JSON has no form for are words."""
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, int | float) and one not in ("Infinity", "-Infinity", "NaN"):
            raise _refused("a number in the graph is none", str(one))
    return value


def _expression(_: _Walk, value: object) -> object:
    if not isinstance(value, str) or not EXPRESSION.fullmatch(value):
        raise AncileError(
            "a size in the graph is no arithmetic of sizes",
            value=plain(str(value)),
            remedy="torch would evaluate it as Python; export the model again yourself",
        )
    return value


def _dotted(_: _Walk, value: object) -> object:
    return _name(value, dotted=True) if isinstance(value, str) else _wrong(value)


def _device(_: _Walk, value: object) -> object:
    if not isinstance(value, dict) or value.get("type") not in DEVICES:
        raise _refused("the graph names a device that is not known", str(value))
    return ON_CPU


def _dialects(_: _Walk, value: object) -> object:
    if not isinstance(value, list) or any(one not in DIALECTS for one in value):
        raise _refused("the graph is of a dialect that is not known", str(value))
    return value


def _nothing(_: _Walk, value: object) -> object:
    return type(value)() if isinstance(value, dict | list) else None


def _no_objects(_: _Walk, value: object) -> object:
    if value:
        raise _refused("the graph holds objects beside tensors", str(value))
    return value


def _version(_: _Walk, value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.+<=-]{0,60}", value, re.ASCII):
        return _wrong(value)
    return value


def _tree(_: _Walk, value: object) -> object:
    """How arguments nest, as JSON in a text: tuples, lists and dictionaries with plain keys."""
    try:
        version, node = json.loads(str(value))
    except (ValueError, TypeError, RecursionError) as reason:
        raise _refused("the graph's signature is damaged", str(value)) from reason
    if version != 1:
        return _wrong(version)
    _tree_node(node, 20)
    return json.dumps([1, node])


def _tree_node(node: object, depth: int) -> None:
    found = _object(node, "signature")
    kind, context, children = found.get("type"), found.get("context"), _list(found.get("children_spec"))
    keys = (
        json.loads(context)
        if isinstance(context, str) and len(context) < 10_000 and context != "null"
        else []
    )
    plain_keys = isinstance(keys, list) and all(isinstance(k, str) and NAME.fullmatch(k) for k in keys)
    if depth == 0 or kind not in (None, *TREE_NODES) or not plain_keys:
        raise _refused("the graph's signature is of a kind that is not known", str(kind))
    for child in children:
        _tree_node(child, depth - 1)


Rule = Callable[[_Walk, object], object]
RULES: dict[str, Rule] = {
    "target": lambda walk, value: walk.operator(value),
    "as_operator": lambda walk, value: walk.operator(value),
    "expr_str": _expression,
    "as_string": _text,
    "as_strings": _text,
    "as_float": _number,
    "as_floats": _number,
    "in_spec": _tree,
    "out_spec": _tree,
    "fqn": _dotted,
    "parameter_name": _dotted,
    "buffer_name": _dotted,
    "tensor_constant_name": _dotted,
    "device": _device,
    "as_device": _device,
    "verifiers": _dialects,
    "torch_version": _version,
    "metadata": _nothing,
    "guards_code": _nothing,
    "treespec_namedtuple_fields": _nothing,
    "custom_obj_values": _no_objects,
    "as_custom_obj": _no_objects,
    "custom_obj": _no_objects,
}


def _object(value: object, name: str) -> Json:
    if not isinstance(value, dict):
        raise _refused("the graph is damaged", f"{name} is no object")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise _refused("the graph is damaged", "no list where one belongs")
    return value


def _wrong(value: object) -> object:
    raise _refused("the graph is damaged", str(value))


def _refused(what: str, value: str) -> AncileError:
    return AncileError(
        what, value=plain(value), remedy="export the model again with torch.export, from code that you trust"
    )
