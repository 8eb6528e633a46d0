"""Formats known by their first bytes and not judged: named, searched for pickles, never called clean."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ancile.core.check import examine
from ancile.scan.hidden import search_numbers
from ancile.scan.part import Formatted, Part
from ancile.scan.plain_data import DATA_CHECKS, DataFacts

MAGIC = (
    ("TFLite", re.compile(rb".{4}TFL3", re.DOTALL)),
    ("ExecuTorch", re.compile(rb".{4}ET1[0-9]", re.DOTALL)),
    ("R data", re.compile(rb"RD[AX][23]\n|[XAB]\n\x00\x00\x00[\x02\x03]")),
    ("TensorRT", re.compile(rb"ptrt|ftrt")),
    ("GGML", re.compile(rb"lmgg|fmgg|tjgg|algg")),
    ("Parquet", re.compile(rb"PAR1")),
    ("Arrow", re.compile(rb"ARROW1\x00\x00")),
    ("OpenVINO", re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<net\s")),
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


def _name(part: Part) -> str:
    return next((name for name, magic in MAGIC if magic.match(part.head)), "")


def is_foreign(part: Part) -> bool:
    """Whether the first bytes tell a format that is not judged."""
    return bool(_name(part))


def examine_foreign(part: Part) -> Iterator[Formatted | Part]:
    """Its name, and pickles in it."""
    name = _name(part)
    yield Formatted(name, examine(DATA_CHECKS, DataFacts(part, unknown=f"{name} is not judged")))
    yield search_numbers(part, name, [(0, len(part.data))])
