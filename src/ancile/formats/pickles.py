"""What a pickle would call, read without running it: the opcodes of PEP 307, PEP 3154 and PEP 574.

The rule is that of ``torch.load(weights_only=True)`` in torch 2.13 (``torch/_weights_only_unpickler.py``): a
closed list of opcodes, and names from a closed list alone.
"""

from __future__ import annotations

import pickletools
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.text import plain

OPCODES = 20_000_000  # of one pickle; a state dict has some ten a tensor
MEMO = 10_000  # texts that are remembered, for the names in a message
LONGEST_NAME = 200

# The opcodes that the weights-only unpickler knows: no STACK_GLOBAL, no INST, no OBJ, no EXT, no frames.
WEIGHTS_OPCODES = frozenset(
    (
        *("APPEND", "APPENDS", "BINFLOAT", "BINGET", "BININT", "BININT1", "BININT2", "BINPERSID", "BINPUT"),
        *("BINUNICODE", "BUILD", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_SET", "EMPTY_TUPLE", "GLOBAL", "LONG1"),
        *("LONG_BINGET", "LONG_BINPUT", "MARK", "NEWFALSE", "NEWOBJ", "NEWTRUE", "NONE", "PROTO", "REDUCE"),
        *("SETITEM", "SETITEMS", "SHORT_BINSTRING", "STOP", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    )
)

TORCH_DTYPES = (
    *("bfloat16", "bool", "complex128", "complex32", "complex64", "float16", "float32", "float64"),
    *("int16", "int32", "int64", "int8", "uint16", "uint32", "uint64", "uint8"),
    *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"),
)
TORCH_STORAGES = (
    *("BFloat16", "Bool", "Byte", "Char", "ComplexDouble", "ComplexFloat", "Double", "Float", "Half", "Int"),
    *("Long", "Short"),
)
REBUILD = (
    *("_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_qtensor", "_rebuild_tensor"),
    *("_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_sparse_tensor", "_rebuild_nested_tensor"),
    *("_rebuild_meta_tensor_no_storage", "_rebuild_device_tensor_from_cpu_tensor"),
)
WEIGHTS_NAMES = frozenset(
    {
        "collections OrderedDict",
        "collections Counter",
        "torch.nn.parameter Parameter",
        "torch.serialization _get_layout",
        "torch Size",
        "torch Tensor",
        "torch device",
        "torch.storage UntypedStorage",
        "torch.storage TypedStorage",
        *(f"torch {name}" for name in TORCH_DTYPES),
        *(f"torch {name}Storage" for name in TORCH_STORAGES),
        *(f"torch._utils {name}" for name in REBUILD),
    }
)


class PickleFacts(NamedTuple):
    """Names that a pickle looks up as ``module name``, and the opcodes that it uses."""

    names: tuple[str, ...]
    opcodes: frozenset[str]


def read_pickle(data: bytes) -> PickleFacts:
    """The facts of the first pickle in ``data``; a damaged one is an AncileError.

    A name that is taken from the stack (STACK_GLOBAL) is known where its two texts came right before it, as
    every pickler writes them; else the opcode alone is in the facts.
    """
    names: dict[str, None] = {}
    opcodes: set[str] = set()
    texts = _Texts()
    try:
        for count, (opcode, operand, _) in enumerate(pickletools.genops(data)):
            if count > OPCODES:
                raise _damaged(f"more than {OPCODES} opcodes")
            opcodes.add(opcode.name)
            if opcode.name in ("GLOBAL", "INST"):
                names[str(operand)] = None
            elif opcode.name == "STACK_GLOBAL" and (name := texts.name()):
                names[name] = None
            texts.see(opcode.name, operand)
    except (ValueError, IndexError, KeyError, UnicodeError, OverflowError, MemoryError) as reason:
        raise _damaged(str(reason)) from reason
    return PickleFacts(tuple(names), frozenset(opcodes))


class _Texts:
    """The last two texts that a pickle put on the stack, with those that it remembers."""

    def __init__(self) -> None:
        self._last: list[str] = []
        self._memo: dict[int, str] = {}
        self._remembered = 0

    def see(self, opcode: str, operand: object) -> None:
        """Take the next opcode into account."""
        if opcode in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            place = operand if isinstance(operand, int) else self._remembered
            self._remembered += 1
            if self._last and len(self._memo) < MEMO:
                self._memo[place] = self._last[-1]
        elif opcode in ("GET", "BINGET", "LONG_BINGET"):
            known = self._memo.get(operand) if isinstance(operand, int) else None
            self._last = [*self._last[-1:], known] if known is not None else []
        elif isinstance(operand, str) and "UNICODE" in opcode:
            self._last = [*self._last[-1:], operand[:LONGEST_NAME]]
        elif opcode != "FRAME":
            self._last = []

    def name(self) -> str:
        """``module name`` of them; empty where there are not two."""
        return " ".join(self._last) if len(self._last) == 2 else ""


def require_weights_only(data: bytes, *, name: str) -> None:
    """Refuse a pickle that does more than hold tensors, numbers and words.

    name  of the member, for the message
    """
    facts = read_pickle(data)
    calls = [one for one in facts.names if one not in WEIGHTS_NAMES]
    strange = sorted(facts.opcodes - WEIGHTS_OPCODES)
    if calls or strange:
        seen = ", ".join(one.replace(" ", ".") for one in calls[:3]) if calls else f"opcode {strange[0]}"
        raise AncileError(
            "a pickle in the file would run code when it is opened",
            value=plain(f"{name}: {seen}"),
            remedy="do not open it; ask for weights as safetensors, or export the model again yourself",
        )


def _damaged(detail: str) -> AncileError:
    return AncileError("pickle is damaged", value=plain(detail), remedy="take the file from its source")
