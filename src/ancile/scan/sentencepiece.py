"""Tokenizers of SentencePiece: data, in which no program should stand."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.formats import sentencepiece
from ancile.formats.extents import LayoutFault
from ancile.scan.hidden import search_numbers
from ancile.scan.part import Formatted, Part
from ancile.scan.tensors import layout


def is_sentencepiece(part: Part) -> bool:
    """Whether this begins with the pieces of a tokenizer."""
    return sentencepiece.is_sentencepiece(part.head)


def examine_sentencepiece(part: Part) -> Iterator[Formatted | Part]:
    """Whether it is whole, and what its texts and numbers hold."""
    fault = sentencepiece.fault_of(part.data)
    yield layout(part, "sentencepiece", [LayoutFault("damaged", 0, fault)] if fault else [], [])
    yield search_numbers(part, "sentencepiece", [(0, len(part.data))])
