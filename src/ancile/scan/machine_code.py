"""Machine code and compiled Python: named by their magic, and never part of a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine, fail
from ancile.scan.part import Formatted, Part

# ELF: System V ABI; PE: Microsoft PE format; Mach-O: mach-o/loader.h; WebAssembly 1.0; Java, Android
MAGICS = (
    (b"\x7fELF", "ELF"),
    (b"\xfe\xed\xfa\xce", "Mach-O"),
    (b"\xfe\xed\xfa\xcf", "Mach-O"),
    (b"\xce\xfa\xed\xfe", "Mach-O"),
    (b"\xcf\xfa\xed\xfe", "Mach-O"),
    (b"\xca\xfe\xba\xbe", "Mach-O or Java"),
    (b"\0asm\1\0\0\0", "WebAssembly"),
    (b"dex\n03", "Android"),
    (b"!<arch>\n", "object archive"),
    (b"MZ", "PE"),
)
CODE_OBJECT = (0x63, 0xE3)  # marshal's TYPE_CODE, with and without FLAG_REF: CPython Python/marshal.c


class MachineFacts(NamedTuple):
    """A part, and which machine runs it."""

    part: Part
    kind: str


@check("machine-code", severity="high", refs=("CWE-434 (CWE 4.17)", "AML.T0011.000 (ATLAS 5.6.0)"))
def machine_code(facts: MachineFacts) -> Iterator[Remark]:
    """A file is a program or library of machine code, or compiled Python.

    Why   Whatever loads it runs it with all rights of the process, and nobody can read what it does.
    Fix   Remove it from what you ship; build such libraries from source that you have read.
    """
    yield fail(facts.kind, where=facts.part.where())


MACHINE_CHECKS: tuple[Check[MachineFacts], ...] = (machine_code,)


def _kind(part: Part) -> str:
    head = part.head
    # importlib/_bootstrap_external.py: the magic number ends in CR LF; the code follows 8, 12 or 16 bytes in
    if head[2:4] == b"\r\n" and any(len(head) > at and head[at] in CODE_OBJECT for at in (8, 12, 16)):
        return "compiled Python"
    return next((kind for magic, kind in MAGICS if head.startswith(magic)), "")


def is_machine_code(part: Part) -> bool:
    """Whether a machine would run this."""
    return bool(_kind(part))


def examine_machine_code(part: Part) -> Iterator[Formatted | Part]:
    """It is named; what it does cannot be told."""
    yield Formatted("machine code", examine(MACHINE_CHECKS, MachineFacts(part, _kind(part))))
