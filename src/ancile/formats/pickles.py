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
OPERAND_BYTES = 64 << 20

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

    Names built on the stack (STACK_GLOBAL) are not followed: the opcode itself is in the facts.
    """
    names: dict[str, None] = {}
    opcodes: set[str] = set()
    try:
        for count, (opcode, operand, _) in enumerate(pickletools.genops(data)):
            if count > OPCODES:
                raise _damaged(f"more than {OPCODES} opcodes")
            opcodes.add(opcode.name)
            if opcode.name in ("GLOBAL", "INST"):
                names[str(operand)] = None
    except (ValueError, IndexError, KeyError, UnicodeError, OverflowError, MemoryError) as reason:
        raise _damaged(str(reason)) from reason
    return PickleFacts(tuple(names), frozenset(opcodes))


def require_weights_only(data: bytes, *, name: str) -> None:
    """Refuse a pickle that does more than hold tensors, numbers and words.

    name  of the member, for the message
    """
    facts = read_pickle(data)
    calls = [one for one in facts.names if one not in WEIGHTS_NAMES]
    strange = sorted(facts.opcodes - WEIGHTS_OPCODES)
    if calls or strange:
        seen = ", ".join(calls[:3]).replace(" ", ".") if calls else f"opcode {strange[0]}"
        raise AncileError(
            "a pickle in the file would run code when it is opened",
            value=plain(f"{name}: {seen}"),
            remedy="do not open it; ask for weights as safetensors, or export the model again yourself",
        )


def _damaged(detail: str) -> AncileError:
    return AncileError("pickle is damaged", value=plain(detail), remedy="take the file from its source")
