"""Constants of Python that are put together in its source: names are hidden that way."""

from __future__ import annotations

import ast
import base64
import binascii
import codecs
import re
from collections.abc import Callable, Mapping

Constant = str | bytes | int
LONGEST = 1 << 16
TEXT_METHODS = frozenset(
    {"lower", "upper", "strip", "replace", "encode", "decode", "join", "swapcase", "title"}
)
DECODERS: Mapping[str, Callable[[str | bytes], bytes]] = {
    "b64decode": base64.b64decode,
    "b32decode": base64.b32decode,
    "unhexlify": binascii.unhexlify,
}
FAULTS = (TypeError, ValueError, LookupError, OverflowError, AttributeError, MemoryError, binascii.Error)
WIDE = re.compile(r"%[^%]*(?:\d{5}|\*)")  # a width that takes memory without measure


def folded(node: ast.AST | None, values: Mapping[str, Constant]) -> Constant | None:
    """What an expression is worth where that can be told; None where it cannot."""
    try:
        made = _folded(node, values)
    except FAULTS:
        return None
    return made if isinstance(made, int) or (made is not None and len(made) <= LONGEST) else None


def _folded(node: ast.AST | None, values: Mapping[str, Constant]) -> Constant | None:  # noqa: PLR0911 - by kind
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str | bytes | int) else None
    if isinstance(node, ast.Name):
        return values.get(node.id)
    if isinstance(node, ast.JoinedStr):
        parts = [folded(one, values) for one in node.values]
        return None if None in parts else "".join(str(one) for one in parts)
    if isinstance(node, ast.FormattedValue):
        return folded(node.value, values)
    if isinstance(node, ast.BinOp):
        return _binary(node, values)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        held = folded(node.value, values)
        bounds = [folded(one, values) for one in (node.slice.lower, node.slice.upper)]
        step = node.slice.step
        by = -1 if isinstance(step, ast.UnaryOp) else folded(step, values)
        start, stop = (one if isinstance(one, int) else None for one in bounds)
        return (
            held[start : stop : by if isinstance(by, int) else None]
            if isinstance(held, str | bytes)
            else None
        )
    if isinstance(node, ast.Call):
        return _called(node, values)
    return None


def _binary(node: ast.BinOp, values: Mapping[str, Constant]) -> Constant | None:  # noqa: PLR0911 - by kind
    left, right = folded(node.left, values), folded(node.right, values)
    if isinstance(node.op, ast.Add):
        if isinstance(left, str) and isinstance(right, str):
            return left + right
        if isinstance(left, bytes) and isinstance(right, bytes):
            return left + right
        if isinstance(left, int) and isinstance(right, int):
            return left + right
    if isinstance(node.op, ast.Mod) and isinstance(left, str) and not WIDE.search(left):
        if isinstance(node.right, ast.Tuple):
            items = [folded(one, values) for one in node.right.elts]
            return None if None in items else left % tuple(items)
        return left % (right,) if right is not None else None
    if isinstance(node.op, ast.BitXor) and isinstance(left, int) and isinstance(right, int):
        return left ^ right
    return None


def _called(node: ast.Call, values: Mapping[str, Constant]) -> Constant | None:  # noqa: PLR0911 - by name
    arguments = [folded(one, values) for one in node.args]
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in DECODERS and arguments and isinstance(arguments[0], str | bytes):
        return DECODERS[name](arguments[0])
    if name == "chr" and arguments and isinstance(arguments[0], int):
        return chr(arguments[0])
    if name == "fromhex" and arguments and isinstance(arguments[0], str):
        return bytes.fromhex(arguments[0])
    if name in ("bytes", "bytearray") and node.args and isinstance(node.args[0], ast.List | ast.Tuple):
        return bytes(
            one for one in (folded(item, values) for item in node.args[0].elts) if isinstance(one, int)
        )
    if not isinstance(node.func, ast.Attribute) or name not in TEXT_METHODS:
        return None
    held = folded(node.func.value, values)
    if name == "join" and isinstance(held, str) and node.args:
        return _joined(held, node.args[0], values)
    if name == "decode" and isinstance(node.func.value, ast.Name) and node.func.value.id == "codecs":
        return codecs.decode(str(arguments[0]), "rot13") if "rot" in str(arguments[-1]) else None
    if isinstance(held, str | bytes) and None not in arguments and not _grows(name, held, arguments):
        made: object = getattr(held, name)(*arguments)
        return made if isinstance(made, str | bytes) else None
    return None


def _grows(name: str, held: str | bytes, arguments: list[Constant | None]) -> bool:
    """Whether a replacement makes a text longer than is followed."""
    texts = [len(one) for one in arguments if isinstance(one, str | bytes)]
    return name == "replace" and len(held) * max(texts, default=0) > LONGEST


def _joined(by: str, items: ast.expr, values: Mapping[str, Constant]) -> str | None:
    if isinstance(items, ast.List | ast.Tuple):
        parts = [folded(one, values) for one in items.elts]
        return None if None in parts else by.join(str(one) for one in parts)
    if isinstance(items, ast.Call) and getattr(items.func, "id", "") in ("reversed", "map") and items.args:
        if getattr(items.func, "id", "") == "reversed":
            held = folded(items.args[0], values)
            return by.join(reversed(held)) if isinstance(held, str) else None
        last = items.args[-1]
        if isinstance(last, ast.List | ast.Tuple) and getattr(items.args[0], "id", "") == "chr":
            codes = [folded(one, values) for one in last.elts]
            return by.join(chr(one) for one in codes if isinstance(one, int))
    held = folded(items, values)
    return by.join(held) if isinstance(held, str) else None
