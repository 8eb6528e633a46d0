"""Zip archives: what is in them is looked at in turn, by content."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, cast

import msgspec

from ancile.core.check import Examined, examine
from ancile.core.text import plain
from ancile.formats.held import Held, is_blank, piece
from ancile.formats.torch_storages import Asking, Storage, asked_storages, layout_faults
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
    yield Formatted("zip", examine(OUTER_CHECKS, facts) if facts.ambiguous or facts.leaving else _clean()[0])
    sizes = {one.name: one.content_bytes for one in archive.entries if not one.name.endswith("/")}
    broken: list[Place] = []
    unread: list[Place] = []
    notes = Notes({}, {}, {})
    try:
        for one in zip_members(part, archive):
            if one.fault:
                (unread if one.is_unread else broken).append(Place(one.fault, one.offset))
            if one.part.members[-1].endswith(TELLING):
                notes.told.setdefault(one.part.members[-1], one.part.data)
            yield _typed(one.part, notes)
    except Spent as reason:
        unread.append(Place(str(reason), 0))
    broken += (Place(fault, 0) for fault in _lacks(sizes, notes))
    facts = facts._replace(damaged=tuple(broken), unread=tuple(unread))
    yield Formatted("zip", examine(INNER_CHECKS, facts) if broken or unread else _clean()[1])
    storages = tuple(one for found in notes.asked.values() for one in (found or {}).values())
    if storages:
        yield Formatted("zip", examine(STORAGE_CHECKS, StorageFacts(part, storages)))


@cache
def _clean() -> tuple[Examined, Examined]:
    """What the checks say of an archive in order."""
    facts = ArchiveFacts(Part("", b""))
    return examine(OUTER_CHECKS, facts), examine(INNER_CHECKS, facts)


class Notes(NamedTuple):
    """What an archive says of itself.

    told    content of its telling members, by name
    asking  what notes the storages that a pickle asks for, by the pickle's name
    asked   the storages that it asks for, by key, by its folder; None where it has none or breaks off
    """

    told: dict[str, Held]
    asking: dict[str, Asking]
    asked: dict[str, dict[str, Storage] | None]


def _asked(folder: str, notes: Notes) -> dict[str, Storage] | None:
    """The storages that a folder's pickle asks for, as they were noted when it was judged, or read now."""
    if folder not in notes.asked:
        name = f"{folder}/data.pkl"
        pickle, asking = notes.told.get(name), notes.asking.get(name)
        if asking is not None and asking.is_done:
            notes.asked[folder] = asking.storages
        else:
            notes.asked[folder] = None if pickle is None else asked_storages(pickle)
    return notes.asked[folder]


def _typed(part: Part, notes: Notes) -> Part:
    """A member of torch with what it is looked at by: a pickle notes storages, and tells the kind of each."""
    name = part.members[-1]
    if not part.torch:
        return part
    if name.endswith("/data.pkl") and name not in notes.asking:
        notes.asking[name] = Asking()
        return msgspec.structs.replace(part, asking=notes.asking[name])
    folder, _, key = name.rpartition("/data/")
    if not (key and f"{folder}/data.pkl" in notes.told and is_storage(part)):
        return part
    one = (_asked(folder, notes) or {}).get(key)
    return part if one is None else msgspec.structs.replace(part, numbers=one.kind)


def _lacks(sizes: dict[str, int], notes: Notes) -> list[str]:
    """What a Keras or torch archive lacks, or holds beside what it asks for."""
    if "config.json" not in sizes and (sizes.keys() >= KERAS or _is_keras_metadata(sizes, notes.told)):
        return ["a Keras archive without config.json"]
    folder = next(iter(sizes), "").partition("/")[0]
    if f"{folder}/version" not in sizes or any(not name.startswith(f"{folder}/") for name in sizes):
        return []
    storages = _asked(folder, notes)
    return layout_faults(sizes, storages, has_pickle=f"{folder}/data.pkl" in notes.told)


def _is_keras_metadata(sizes: dict[str, int], told: dict[str, Held]) -> bool:
    """Whether there is nothing but what Keras writes of itself, its version and the date."""
    if sizes.keys() != {"metadata.json"} or not told:
        return False
    from ancile.formats import json_text  # noqa: PLC0415 - of few archives

    document = json_text.parse(bytes(told["metadata.json"][:METADATA_BYTES]).decode("utf-8", "replace"))
    return document is not None and isinstance(document.root, dict) and document.root.keys() <= KERAS_METADATA


class Member(msgspec.Struct, frozen=True):
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
