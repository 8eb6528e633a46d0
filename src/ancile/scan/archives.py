"""Compressed files and archives: what is in them is looked at in turn, by content."""

from __future__ import annotations

import io
import re
import stat
import tarfile
from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.check import examine
from ancile.core.text import plain
from ancile.formats import json_text
from ancile.formats.compressed import kind_of, unpack
from ancile.formats.torch_storages import layout_faults
from ancile.formats.zip_entries import ENCRYPTED, Archive, Entry, content, has_end, is_zip, read_archive
from ancile.scan.archive_checks import ARCHIVE_CHECKS, ArchiveFacts
from ancile.scan.neighbours import in_archive
from ancile.scan.part import Formatted, Part, Spent
from ancile.scan.places import Place

PROBED_BYTES = 5 << 20  # more than the longest block of lz4
DRIVE = re.compile(r"[A-Za-z]:")
# Names of members that torch alone writes: of torch.save and TorchScript, and of torch.export
TORCH_MEMBERS = re.compile(
    r"(.*/)?((data|constants|bytecode|attributes)\.pkl|archive_format|models/model\.json)", re.IGNORECASE
)
KERAS = {"metadata.json", "model.weights.h5"}  # beside config.json: keras/src/saving/saving_lib.py
KERAS_METADATA = {"keras_version", "date_saved"}
METADATA_BYTES = 4096
TAR_MAGIC = slice(257, 262)


def is_compressed(part: Part) -> bool:
    """Whether this is a compressed stream that unpacks to anything."""
    return bool(kind_of(part.head)) and bool(unpack(bytes(part.data[:PROBED_BYTES]), limit_bytes=1).data)


def examine_compressed(part: Part) -> Iterator[Formatted | Part]:
    """What it unpacks to."""
    limit = part.allowance.unpacked_bytes
    found = unpack(bytes(part.data), limit_bytes=limit)
    facts = ArchiveFacts(part, damaged=(Place(found.fault, 0),) if found.fault else ())
    inner: list[Part] = []
    if found.cut:
        facts = facts._replace(unread=(Place(f"more than {limit} bytes when unpacked", 0),))
    try:
        inner.append(part.inner(f"({found.kind})", found.data, packed=len(part.data)))
        if found.rest.strip(b"\0"):
            inner.append(part.inner("(behind it)", found.rest))
    except Spent as reason:
        facts = facts._replace(unread=(Place(str(reason), 0),))
    yield Formatted(found.kind, examine(ARCHIVE_CHECKS, facts))
    yield from inner


def is_archive(part: Part) -> bool:
    """Whether this is a zip, or ends as one whatever stands before it."""
    return is_zip(part.head) or has_end(part.data)


def examine_zip(part: Part) -> Iterator[Formatted | Part]:
    """What its members hold."""
    archive = read_archive(part.data)
    facts = ArchiveFacts(
        part,
        ambiguous=tuple(Place(fault.what, fault.offset) for fault in archive.faults),
        leaving=tuple(Place(one.name, one.header) for one in archive.entries if leaves(one.name, one.mode)),
    )
    members = _zip_members(part, archive)
    inner = [one.part for one in members if one.part]
    broken = [Place(one.fault, one.offset) for one in members if one.fault and not one.unread]
    facts = facts._replace(
        damaged=(*broken, *(Place(fault, 0) for fault in _lacks(archive, inner))),
        unread=tuple(Place(one.fault, one.offset) for one in members if one.unread),
    )
    yield Formatted("zip", examine(ARCHIVE_CHECKS, facts))
    yield from inner


def _lacks(archive: Archive, inner: list[Part]) -> list[str]:
    """What a Keras or torch archive lacks, or holds beside what it asks for."""
    sizes = {one.name: one.content_bytes for one in archive.entries if not one.name.endswith("/")}
    if "config.json" not in sizes and (sizes.keys() >= KERAS or _is_keras_metadata(sizes, inner)):
        return ["a Keras archive without config.json"]
    folder = next(iter(sizes), "").partition("/")[0]
    if f"{folder}/version" not in sizes or any(not name.startswith(f"{folder}/") for name in sizes):
        return []
    pickle = next((one.data for one in inner if one.members[-1] == f"{folder}/data.pkl"), None)
    return layout_faults(sizes, pickle)


def _is_keras_metadata(sizes: dict[str, int], inner: list[Part]) -> bool:
    """Whether there is nothing but what Keras writes of itself, its version and the date."""
    if sizes.keys() != {"metadata.json"}:
        return False
    document = (
        json_text.parse(bytes(inner[0].data[:METADATA_BYTES]).decode("utf-8", "replace")) if inner else None
    )
    return document is not None and isinstance(document.root, dict) and document.root.keys() <= KERAS_METADATA


class _Member(NamedTuple):
    part: Part | None
    offset: int
    fault: str = ""
    unread: bool = False


def _zip_members(part: Part, archive: Archive) -> list[_Member]:
    is_torch = any(TORCH_MEMBERS.fullmatch(one.name) for one in archive.entries)
    found: list[_Member] = []
    try:
        held = [one for one in archive.entries if not one.name.endswith("/") or one.content_bytes]
        sizes = {one.name: one.content_bytes for one in held}
        found += (_zip_member(part, entry, sizes, is_torch=is_torch) for entry in held)
        for start, stop in archive.strays:
            stray = bytes(part.data[start:stop])
            if stray.strip(b"\0"):
                found.append(_Member(part.inner(f"(bytes {start} to {stop})", stray), start))
    except Spent as reason:
        found.append(_Member(None, 0, str(reason), unread=True))
    return found


def _zip_member(part: Part, entry: Entry, sizes: dict[str, int], *, is_torch: bool) -> _Member:
    is_packed = entry.method != 0
    if is_packed:
        part.allowance.take(entry.content_bytes, packed=entry.packed_bytes)
    held, fault = content(part.data, entry, limit_bytes=part.allowance.unpacked_bytes)
    said = f"{plain(entry.name, 80)}: {fault}" if fault else ""
    inner = part.inner(entry.name, held, torch=is_torch, neighbours=in_archive(sizes, entry.name))
    # The flag alone encrypts nothing, and not every reader minds it
    is_unread = bool(entry.flags & ENCRYPTED) or fault.startswith("it does not unpack")
    return _Member(inner, entry.header, said, unread=is_unread)


def is_tar(part: Part) -> bool:
    """Whether this is a tar archive: POSIX.1-1988 ustar and what came after."""
    return part.head[TAR_MAGIC] == b"ustar"


def examine_tar(part: Part) -> Iterator[Formatted | Part]:
    """What its members hold; links and devices are told, not followed."""
    leaving: list[Place] = []
    inner: list[Part] = []
    sizes: dict[str, int] = {}  # complete before any neighbour is asked for
    facts = ArchiveFacts(part)
    try:
        with tarfile.open(fileobj=io.BytesIO(part.data), mode="r:") as archive:
            for one in archive:
                if one.issym() or one.islnk() or one.isdev() or leaves(one.name, 0):
                    leaving.append(Place(f"{one.name} {one.linkname}".strip(), one.offset))
                if one.isreg():
                    held = bytes(part.data[one.offset_data : one.offset_data + one.size])
                    sizes[one.name] = one.size
                    inner.append(part.inner(one.name, held, neighbours=in_archive(sizes, one.name)))
    except Spent as reason:
        facts = facts._replace(unread=(Place(str(reason), 0),))
    except (tarfile.TarError, ValueError, OSError, EOFError) as reason:
        facts = facts._replace(damaged=(Place(str(reason), 0),))
    facts = facts._replace(leaving=tuple(leaving))
    yield Formatted("tar", examine(ARCHIVE_CHECKS, facts))
    yield from inner


def leaves(name: str, mode: int) -> bool:
    """Whether a member of this name would land outside the folder, in either slash form, or is a link."""
    steps = name.replace("\\", "/").split("/")
    return ".." in steps or name.startswith(("/", "\\")) or bool(DRIVE.match(name)) or stat.S_ISLNK(mode)
