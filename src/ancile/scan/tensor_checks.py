"""Checks of files of tensors: what their sizes and places say, whatever the format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, error, fail, ok, warn
from ancile.core.text import plain
from ancile.formats.extents import SHOWN, FaultKind, LayoutFault
from ancile.formats.torch_storages import Storage
from ancile.scan.part import Part

DEAD_BYTES = 1024  # fewer carry nothing worth a word


class TensorFacts(NamedTuple):
    """A part and what is wrong with its layout."""

    part: Part
    faults: tuple[LayoutFault, ...]


def _places(facts: TensorFacts, kind: FaultKind) -> list[LayoutFault]:
    return [one for one in facts.faults if one.kind == kind][:SHOWN]


def _failed(facts: TensorFacts, kind: FaultKind) -> Iterator[Remark]:
    places = _places(facts, kind)
    for one in places:
        yield fail(plain(one.what), where=facts.part.where(one.offset))
    if not places:
        yield ok()


@check("tensors-overrun", severity="high", refs=("CWE-190 (CWE 4.17)", "CWE-125 (CWE 4.17)"))
def overrun(facts: TensorFacts) -> Iterator[Remark]:
    """A size or a place in a file of tensors reaches beyond the file, overflows, or lies over another.

    Why   Readers written in C have computed an allocation from such a number and written behind it.
    Fix   Do not open it; ask for a file as the format's own library writes it.
    """
    return _failed(facts, "overrun")


@check("tensors-ambiguous", severity="high", refs=("CWE-436 (CWE 4.17)",))
def ambiguous(facts: TensorFacts) -> Iterator[Remark]:
    """A file of tensors says the same thing twice.

    Why   One reader takes the first, another the last: what was examined is not what is loaded.
    Fix   Do not open it; ask for a file as the format's own library writes it.
    """
    return _failed(facts, "ambiguous")


@check("tensors-damaged", severity="medium", refs=("CWE-20 (CWE 4.17)",))
def damaged(facts: TensorFacts) -> Iterator[Remark]:
    """A file of tensors is broken.

    Why   Some readers still take out what others refuse.
    Fix   Take the file from its source once more.
    """
    return _failed(facts, "damaged")


@check("tensors-hidden-bytes", severity="medium", refs=("CWE-506 (CWE 4.17)",))
def hidden_bytes(facts: TensorFacts) -> Iterator[Remark]:
    """A file of tensors holds bytes that belong to no tensor.

    Why   No library writes them; they are a place to carry something else along.
    Fix   Write the tensors out anew, and see what the bytes are before you trust their source.
    """
    return _failed(facts, "hidden")


@check("tensors-not-read", severity="medium", refs=("CWE-400 (CWE 4.17)",))
def not_read(facts: TensorFacts) -> Iterator[Remark]:
    """A file of tensors is cut off, or described at more length or in other words than a scan follows.

    Why   What is missing or was not followed was not examined; a header that tells of more may lie.
    Fix   Take the file from its source once more; where it is whole, convert it to safetensors.
    """
    places = _places(facts, "unread")
    for one in places:
        yield error(plain(one.what), where=facts.part.where(one.offset))
    if not places:
        yield ok()


class StorageFacts(NamedTuple):
    """A torch archive and the storages that its pickle asks for."""

    part: Part
    storages: tuple[Storage, ...]


@check("tensors-dead-storage", severity="low", refs=("CWE-506 (CWE 4.17)",))
def dead_storage(facts: StorageFacts) -> Iterator[Remark]:
    """A storage of a torch checkpoint has bytes that no tensor reaches.

    Why   They are loaded and never looked at. A part of a larger tensor, saved as such, brings the whole of
          it along, whatever else that held; and it is a place to carry something.
    Fix   Save copies: ``tensor.clone()``; the file then holds what the tensors hold.
    """
    dead = [one for one in facts.storages if one.dead_bytes >= DEAD_BYTES]
    for one in dead[:SHOWN]:
        detail = f"no tensor reaches {one.dead_bytes} of the {one.size_bytes} bytes of storage {one.key!r}"
        yield warn(plain(detail), where=facts.part.where())
    if not dead:
        yield ok()


TENSOR_CHECKS: tuple[Check[TensorFacts], ...] = (overrun, ambiguous, damaged, hidden_bytes, not_read)
STORAGE_CHECKS: tuple[Check[StorageFacts], ...] = (dead_storage,)
