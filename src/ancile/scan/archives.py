"""Zip archives: what is in them is looked at in turn, by content."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, cast

import msgspec

from ancile.core.check import examine
from ancile.core.text import plain
from ancile.formats import json_text
from ancile.formats.held import Held, is_blank, piece
from ancile.formats.torch_storages import Storage, asked_storages, layout_faults
from ancile.formats.zip_entries import (
    ENCRYPTED,
    STORED,
    Archive,
    Entry,
    checksum_fault,
    content,
    is_plain,
    read_archive,
)
from ancile.scan.archive_checks import ARCHIVE_CHECKS, ArchiveFacts, leaves
from ancile.scan.marks import is_storage
from ancile.scan.neighbours import Neighbours, in_archive
from ancile.scan.part import Formatted, Part, Spent
from ancile.scan.places import Place
from ancile.scan.tensor_checks import STORAGE_CHECKS, StorageFacts

# Names of members that torch alone writes: of torch.save and TorchScript, and of torch.export
TORCH_MEMBERS = re.compile(
    r"(.*/)?((data|constants|bytecode|attributes)\.pkl|archive_format|models/model\.json)", re.IGNORECASE
)
KERAS = {"metadata.json", "model.weights.h5"}  # beside config.json: keras/src/saving/saving_lib.py
KERAS_METADATA = {"keras_version", "date_saved"}
METADATA_BYTES = 4096
COPIED_BYTES = 64 << 10  # of numbers; more are looked at where they stand
TELLING = ("data.pkl", "metadata.json")
OUTER_CHECKS, INNER_CHECKS = ARCHIVE_CHECKS[:2], ARCHIVE_CHECKS[2:]  # of the directory, and of what it lists


def examine_zip(part: Part) -> Iterator[Formatted | Part]:
    """What its members hold, one by one; whatever is wrong with one is told behind the last."""
    archive = read_archive(part.data)
    facts = ArchiveFacts(
        part,
        ambiguous=tuple(Place(fault.what, fault.offset) for fault in archive.faults),
        leaving=tuple(Place(one.name, one.header) for one in archive.entries if leaves(one.name, one.mode)),
    )
    yield Formatted("zip", examine(OUTER_CHECKS, facts))
    sizes = {one.name: one.content_bytes for one in archive.entries if not one.name.endswith("/")}
    broken: list[Place] = []
    unread: list[Place] = []
    told: dict[str, Held] = {}  # what an archive says of itself
    asked: Asked = {}
    try:
        for one in zip_members(part, archive):
            if one.fault:
                (unread if one.is_unread else broken).append(Place(one.fault, one.offset))
            if one.part.members[-1].endswith(TELLING):
                told.setdefault(one.part.members[-1], one.part.data)
            yield _typed(one.part, told, asked)
    except Spent as reason:
        unread.append(Place(str(reason), 0))
    broken += (Place(fault, 0) for fault in _lacks(sizes, told, asked))
    facts = facts._replace(damaged=tuple(broken), unread=tuple(unread))
    yield Formatted("zip", examine(INNER_CHECKS, facts))
    storages = tuple(one for found in asked.values() for one in (found or {}).values())
    if storages:
        yield Formatted("zip", examine(STORAGE_CHECKS, StorageFacts(part, storages)))


Asked = dict[str, dict[str, Storage] | None]  # folder of a data.pkl to the storages that it asks for, by key


def _asked(folder: str, told: dict[str, Held], asked: Asked) -> dict[str, Storage] | None:
    """The storages that a folder's pickle asks for, read once; None where it has none or breaks off."""
    if folder not in asked:
        pickle = told.get(f"{folder}/data.pkl")
        found = None if pickle is None else asked_storages(pickle)
        asked[folder] = None if found is None else {one.key: one for one in found}
    return asked[folder]


def _typed(part: Part, told: dict[str, Held], asked: Asked) -> Part:
    """A storage of torch with the kind of its numbers, which the pickle before it tells, or the part."""
    folder, _, key = part.members[-1].rpartition("/data/")
    if not (key and part.torch and f"{folder}/data.pkl" in told and is_storage(part)):
        return part
    one = (_asked(folder, told, asked) or {}).get(key)
    return part if one is None else msgspec.structs.replace(part, numbers=one.kind)


def _lacks(sizes: dict[str, int], told: dict[str, Held], asked: Asked) -> list[str]:
    """What a Keras or torch archive lacks, or holds beside what it asks for."""
    if "config.json" not in sizes and (sizes.keys() >= KERAS or _is_keras_metadata(sizes, told)):
        return ["a Keras archive without config.json"]
    folder = next(iter(sizes), "").partition("/")[0]
    if f"{folder}/version" not in sizes or any(not name.startswith(f"{folder}/") for name in sizes):
        return []
    storages = _asked(folder, told, asked)
    return layout_faults(sizes, storages, has_pickle=f"{folder}/data.pkl" in told)


def _is_keras_metadata(sizes: dict[str, int], told: dict[str, Held]) -> bool:
    """Whether there is nothing but what Keras writes of itself, its version and the date."""
    if sizes.keys() != {"metadata.json"} or not told:
        return False
    document = json_text.parse(bytes(told["metadata.json"][:METADATA_BYTES]).decode("utf-8", "replace"))
    return document is not None and isinstance(document.root, dict) and document.root.keys() <= KERAS_METADATA


class Member(NamedTuple):
    """What an archive lists, where, and what is wrong with it."""

    part: Part
    offset: int
    fault: str = ""
    is_unread: bool = False


def zip_members(part: Part, archive: Archive) -> Iterator[Member]:
    """What a zip lists and the bytes that it does not account for, one by one; Spent at a limit."""
    is_torch = any(TORCH_MEMBERS.fullmatch(one.name) for one in archive.entries)
    held = [one for one in archive.entries if not one.name.endswith("/") or one.content_bytes]
    sizes = {one.name: one.content_bytes for one in held}
    for entry in held:
        yield _zip_member(part, entry, in_archive(sizes, entry.name), is_torch=is_torch)
    for start, stop in archive.strays:
        if not is_blank(part.data, start, stop):
            stray = part.inner(f"(bytes {start} to {stop})", piece(part.data, start, stop))
            yield Member(stray, start)


def _zip_member(part: Part, entry: Entry, beside: Neighbours, *, is_torch: bool) -> Member:
    is_stored = entry.method == STORED
    if not is_stored:
        part.allowance.take(entry.content_bytes, packed=entry.packed_bytes)
    if is_torch and entry.content_bytes > COPIED_BYTES and is_plain(entry):
        # A view has all that numbers are asked for: a length and slices
        view = cast("Held", memoryview(part.data)[entry.start : entry.start + entry.content_bytes])
        inner = part.inner(entry.name, view, torch=True, neighbours=beside)
        if is_storage(inner):
            return Member(inner, entry.header, _said(entry, _sum_fault(part, entry)))
    is_summed = not is_stored or part.allowance.may_sum(entry.content_bytes)
    limit = part.allowance.unpacked_bytes
    held, fault = content(part.data, entry, limit_bytes=limit, is_summed=is_summed)
    # The flag alone encrypts nothing, and not every reader minds it
    is_unread = bool(entry.flags & ENCRYPTED) or fault.startswith("it does not unpack")
    inner = part.inner(entry.name, held, torch=is_torch, neighbours=beside)
    return Member(inner, entry.header, _said(entry, fault), is_unread)


def _sum_fault(part: Part, entry: Entry) -> str:
    if not part.allowance.may_sum(entry.content_bytes):
        return ""
    return checksum_fault(part.data, entry, entry.start, entry.start + entry.content_bytes)


def _said(entry: Entry, fault: str) -> str:
    return f"{plain(entry.name, 80)}: {fault}" if fault else ""
