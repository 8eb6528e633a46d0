"""HDF5 files: configurations and pickles that they carry, and other files that they read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, examine
from ancile.formats.beginnings import superblock
from ancile.formats.hdf5 import Hdf5Facts, read_hdf5
from ancile.formats.json_tree import may_be_json
from ancile.scan.hidden import search_numbers, search_texts
from ancile.scan.part import Formatted, Part
from ancile.scan.pickles import is_pickle
from ancile.scan.places import Place, failed, unread

SEARCHED_BYTES = 64 << 20
CONFIGURATIONS = 200  # that are looked for outside what was followed
BEGIN = re.compile(rb'\{\s*"(?:class_name|module|name|config|loss|optimizer|registered_name)"\s*:')
LONGEST = 4 << 20
DECODER = json.JSONDecoder()


class HdfFacts(NamedTuple):
    """A file, and the places of each fault."""

    part: Part
    outside: tuple[Place, ...] = ()
    faults: tuple[Place, ...] = ()
    unread: tuple[Place, ...] = ()


@check("hdf5-reads-outside", severity="high", refs=("CWE-73 (CWE 4.17)", "CWE-610 (CWE 4.17)"))
def reads_outside(facts: HdfFacts) -> Iterator[Remark]:
    """An HDF5 file takes data from other files.

    Why   External links, external storage and virtual datasets read any file that whoever opens it may read;
          what it holds ends in the weights.
    Fix   Do not open it. Ask for one file without links: no model needs them.
    """
    return failed(facts.part, facts.outside)


@check("hdf5-damaged", severity="medium", refs=("CWE-20 (CWE 4.17)",))
def damaged(facts: HdfFacts) -> Iterator[Remark]:
    """An HDF5 file is broken.

    Why   What could not be followed was not examined, and libraries differ in what they forgive.
    Fix   Take the file from its source once more.
    """
    return failed(facts.part, facts.faults)


@check("hdf5-not-read", severity="medium", refs=("CWE-1059 (CWE 4.17)",))
def not_read(facts: HdfFacts) -> Iterator[Remark]:
    """Something in an HDF5 file is missing, or was not followed.

    Why   Nothing is known of it.
    Fix   Take the file from its source once more; or save it again with the earliest format and without
          compressed texts.
    """
    return unread(facts.part, facts.unread)


HDF5_CHECKS: tuple[Check[HdfFacts], ...] = (reads_outside, damaged, not_read)


def is_hdf5(part: Part) -> bool:
    """Whether there is a superblock where the library looks for one."""
    return superblock(part.data) >= 0


def is_hdf5_too(part: Part) -> bool:
    """Whether the library finds one in another format, not just as what an archive holds there."""
    place = superblock(part.data)
    if place < 0:
        return False
    from ancile.scan.containers import starts_at  # noqa: PLC0415 - it imports archives, and few files come so far

    return not starts_at(part, place)


def examine_hdf5(part: Part) -> Iterator[Formatted | Part]:
    """What it reads, and what it holds beside numbers."""
    found = read_hdf5(part.data)
    facts = HdfFacts(
        part,
        tuple(Place(said) for said in found.outside),
        tuple(Place(said) for said in found.faults),
        tuple(Place(said) for said in found.unread),
    )
    yield Formatted("hdf5", examine(HDF5_CHECKS, facts))
    yield search_numbers(part, "hdf5", [(0, len(part.data))])
    held = _held(found)
    yield from search_texts(part, "hdf5", ((name, _text(value)) for name, value in held))
    yield from _inner(part, held)
    block = bytes(part.data[: found.start])
    if block.strip(b"\0"):
        yield part.inner("(user block)", block)


def _held(found: Hdf5Facts) -> list[tuple[str, bytes]]:
    return [(one.name, one.value) for one in found.attributes] + found.texts


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _inner(part: Part, held: list[tuple[str, bytes]]) -> Iterator[Part]:
    """Configurations and pickles; where some part was not followed, what looks like one anywhere."""
    seen: set[bytes] = set()
    for name, value in held:
        one = value.rstrip(b"\0") if may_be_json(value) else value
        if one and one not in seen and (may_be_json(one) or is_pickle(Part(part.path, one))):
            seen.add(one)
            yield part.inner(name or "(no name)", one)
    yield from _loose(part, seen)


def _loose(part: Part, seen: set[bytes]) -> Iterator[Part]:
    """Configurations anywhere in the file, whatever structure points to them."""
    raw = bytes(part.data[:SEARCHED_BYTES])
    for begin in islice(BEGIN.finditer(raw), CONFIGURATIONS):
        piece = raw[begin.start() : begin.start() + LONGEST].decode("latin-1")  # one character a byte
        try:
            _, end = DECODER.raw_decode(piece)
        except (ValueError, RecursionError):
            continue
        whole = raw[begin.start() : begin.start() + end]
        if not any(whole in one for one in seen):
            seen.add(whole)
            yield part.inner(f"(configuration at {begin.start()})", whole)
