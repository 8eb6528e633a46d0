"""Formats known by their first bytes and not judged: named, searched for pickles, never called clean."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ancile.core.check import examine
from ancile.scan.hidden import search_numbers
from ancile.scan.part import Formatted, Part
from ancile.scan.plain_data import DATA_CHECKS, DataFacts, is_text

MAGIC = (
    ("TFLite", re.compile(rb".{4}TFL3", re.DOTALL)),
    ("ExecuTorch", re.compile(rb".{4}ET1[0-9]", re.DOTALL)),
    ("R data", re.compile(rb"RD[AX][23]\n|[XAB]\n\x00\x00\x00[\x02\x03]")),
    ("TensorRT", re.compile(rb"ptrt|ftrt")),
    ("GGML", re.compile(rb"lmgg|fmgg|tjgg|algg")),
    ("Parquet", re.compile(rb"PAR1")),
    ("Arrow", re.compile(rb"ARROW1\x00\x00")),
    # Model.proto: a version, then the description, with an input, an output or metadata
    ("CoreML", re.compile(rb"\x08[\x01-\x20]\x12.{1,5}(?:\n|R|\xa2\x06)", re.DOTALL)),
    ("PDF", re.compile(rb"%PDF-\d")),
    ("XGBoost before 1.0", re.compile(rb"binf")),
    ("Torch 7", re.compile(rb"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1")),
    # Of a checkout without its large files: a text that says nothing of what it stands for
    ("Git LFS pointer", re.compile(rb"version https://git-lfs\.github\.com/spec/")),
    ("git-annex pointer", re.compile(rb"/annex/objects/")),
    ("RKNN", re.compile(rb"RKNN")),
)


OPENVINO = re.compile(rb"<net[\s>]")  # its first element
# What may stand before one, and what ends it: XML 1.0, section 2.8
PROLOGUE = ((b"<?", b"?>"), (b"<!--", b"-->"), (b"<!DOCTYPE", b">"))


def _root(head: bytes) -> bytes:
    """The first bytes from the first element of XML on; empty where there is none among them."""
    rest = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    while rest:
        end = next((end for begin, end in PROLOGUE if rest.startswith(begin)), b"")
        if not end:
            break
        rest = rest.partition(end)[2].lstrip()
    return rest if rest.startswith(b"<") else b""


def _name(part: Part) -> str:
    if OPENVINO.match(_root(part.head)):
        return "OpenVINO"
    return next((name for name, magic in MAGIC if magic.match(part.head)), "")


def is_foreign(part: Part) -> bool:
    """Whether the first bytes tell a format that is not judged."""
    return bool(_name(part))


def examine_foreign(part: Part) -> Iterator[Formatted | Part]:
    """Its name, and pickles in it; a text is judged as a text besides."""
    name = _name(part)
    yield Formatted(name, examine(DATA_CHECKS, DataFacts(part, unknown=f"{name} is not judged")))
    yield search_numbers(part, name, [(0, len(part.data))])
    if name == "OpenVINO" and is_text(part):
        from ancile.scan.texts import examine_text  # noqa: PLC0415 - few files are of these formats

        yield from examine_text(part)
