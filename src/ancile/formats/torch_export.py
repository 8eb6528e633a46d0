"""A torch.export archive (.pt2), checked member by member and written anew, before torch sees a byte of it.

Read in torch 2.13, ``torch/export/pt2_archive/_package.py``: ``torch.export.load`` unpickles without
restriction sample inputs that the restricted reader refuses, weights and constants whose config says
``use_pickle``, opaque objects always, and all parts of the older layout. What is handed on holds none of
these: graph, raw tensors, and nothing else. Every pickle in the archive has to pass nevertheless, as a file
that carries a hostile one is not to be trusted in the rest.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from io import BytesIO
from typing import Annotated, NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.formats.export_graph import Sizes, clean_program, sizes_of
from ancile.formats.pickles import require_weights_only
from ancile.formats.zips import Member, is_zip, members, unpack

AGAIN = "export it again with torch.export.save of this torch version, from code that you trust"
ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 12: 1, 13: 2}  # torch.export schema, ScalarType
FLOATS = {7: "float32", 8: "float64"}
JSON_BYTES = 256 << 20  # of a graph; the largest vision models stay below ten
RAW_NAME = re.compile(r"(weight|tensor)_\d{1,9}")
PICKLE = re.compile(rb"PK\x03\x04.*|\x80[\x02-\x05].*\.", re.DOTALL)  # from its first byte to its last
# Members that carry nothing into the model: versions, file identity, notes of the exporter
LEFT_OUT = re.compile(r"(\.data/.*|byteorder|version|extra/.*|models/model_.*)", re.DOTALL)


class Payload(msgspec.Struct, frozen=True):
    """One tensor of a config; sizes and strides as the schema's unions."""

    path_name: str
    is_param: bool
    use_pickle: bool
    tensor_meta: dict[str, object] | None


class Config(msgspec.Struct, frozen=True):
    """Names to tensors."""

    config: Annotated[dict[str, Payload], msgspec.Meta(max_length=100_000)]


class Exported(NamedTuple):
    """A checked archive.

    archive   bytes for ``torch.export.load``
    shape     of the one input, None where an axis is free; the batch comes first
    dtype     of the one input
    training  operators that behave as in training, by name
    """

    archive: bytes
    shape: Sizes
    dtype: str
    training: tuple[str, ...]


def read_export(data: bytes) -> Exported:
    """The checked archive; AncileError for one that could execute anything, or that is damaged or older."""
    found = {name.partition("/")[2]: one for name, one in members(data).items()}
    if len(found) != len(members(data)) or len({name.partition("/")[0] for name in members(data)}) != 1:
        raise _refused("the archive has more than one root folder", "")
    for name, one in found.items():
        _require_plain(unpack(data, one) if _may_be_pickle(one) else b"", name)
    if _read(data, found, "archive_format") != b"pt2" or _read(data, found, "byteorder") != b"little":
        raise _refused("not a torch.export archive of today's layout", "")
    program, entry = clean_program(_json(data, found, "models/model.json"))
    parts = {
        "archive_format": b"pt2",
        "archive_version": _read(data, found, "archive_version"),
        "byteorder": b"little",
        ".data/version": b"6\n",
        "models/model.json": _encoded(program),
        "data/sample_inputs/model.pt": b"",  # empty: torch then takes none, and unpickles nothing
    }
    for folder, stem in (("weights", "weight"), ("constants", "tensor")):
        parts |= _tensors(data, found, folder, stem)
    _require_known(found, parts)
    if entry.dtype not in FLOATS:
        raise _refused("the model's input is not of floats", f"scalar type {entry.dtype}")
    return Exported(_archive(parts), entry.sizes, FLOATS[entry.dtype], entry.training)


def _may_be_pickle(member: Member) -> bool:
    """Raw tensors are left alone: they can hold any bytes, and nothing unpickles them."""
    return not RAW_NAME.fullmatch(member.filename.rpartition("/")[2]) and not member.filename.endswith(
        ".json"
    )


def _require_plain(content: bytes, name: str) -> None:
    if is_zip(content):
        for inner, member in members(content).items():
            if inner.endswith(".pkl"):
                require_weights_only(unpack(content, member), name=f"{name}, {inner}")
    elif content[:1] == b"\x80":
        require_weights_only(content, name=name)


def _tensors(data: bytes, found: dict[str, Member], folder: str, stem: str) -> dict[str, bytes]:
    name = f"data/{folder}/model_{folder}_config.json"
    config = _json(data, found, name)
    try:
        read = msgspec.convert(config, Config)
    except msgspec.ValidationError as reason:
        raise _refused("the archive's table of tensors is damaged", f"{name}: {reason}") from reason
    cleaned, raw = {}, {}
    for key, payload in read.config.items():
        member = f"data/{folder}/{payload.path_name}"
        if payload.use_pickle and member in found:
            _require_plain(unpack(data, found[member]), member)  # what it would call goes before that it may
        _require_raw(key, payload, stem)
        raw[member] = _read(data, found, member)
        meta = payload.tensor_meta or {}
        sizes = sizes_of(meta)
        wanted = math.prod(size or 0 for size in sizes) * ITEM_BYTES.get(int(str(meta.get("dtype", 0))), 1)
        # Tensors may begin like a pickle, and one that is part of another holds the whole of that
        if len(raw[member]) != wanted and PICKLE.fullmatch(raw[member]):
            _require_plain(raw[member], member)
        # An empty member would be filled with zeros of any stated size.
        if wanted and not raw[member]:
            raise _refused("a tensor states a size and has no content", key)
        if len(raw[member]) < wanted:
            raise _refused("a tensor's content is shorter than it states", f"{key}: {len(raw[member])} bytes")
        cleaned[key] = {
            "path_name": payload.path_name,
            "is_param": payload.is_param,
            "use_pickle": False,
            "tensor_meta": meta | {"device": {"type": "cpu", "index": None}},
        }
    return raw | {name: _encoded({"config": cleaned})}


def _require_raw(key: str, payload: Payload, stem: str) -> None:
    if payload.use_pickle or payload.tensor_meta is None or not payload.path_name.startswith(f"{stem}_"):
        raise AncileError(
            "the archive keeps a tensor as a pickle or an object",
            value=plain(f"{key}: {payload.path_name}"),
            remedy="torch would unpickle it without restriction; " + AGAIN,
        )
    if not RAW_NAME.fullmatch(payload.path_name) or not re.fullmatch(r"[\w.-]{1,400}", key, re.ASCII):
        raise _refused("a tensor has a name that torch would not give", f"{key}: {payload.path_name}")


def _require_known(found: dict[str, Member], parts: dict[str, bytes]) -> None:
    strange = [n for n in found if n not in parts and not LEFT_OUT.fullmatch(n) and not n.endswith("/")]
    unused = [n for n in strange if RAW_NAME.fullmatch(n.rpartition("/")[2])]
    strange = [n for n in strange if n not in unused]
    if strange:
        raise _refused("the archive holds more than a graph and its tensors", ", ".join(sorted(strange)[:3]))


def _read(data: bytes, found: dict[str, Member], name: str) -> bytes:
    if name not in found:
        raise _refused("the archive lacks a part", name)
    return unpack(data, found[name])


def _json(data: bytes, found: dict[str, Member], name: str) -> object:
    content = _read(data, found, name)
    if len(content) > JSON_BYTES:
        raise _refused("a description in the archive is too large", f"{name}: {len(content)} bytes")
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
        raise _refused("a description in the archive is damaged", f"{name}: {reason}") from reason


def _encoded(value: object) -> bytes:
    return json.dumps(value, allow_nan=False).encode("ascii")


def _archive(parts: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(f"model/{name}"), content)
    return buffer.getvalue()


def _refused(what: str, value: str) -> AncileError:
    return AncileError(what, value=plain(value), remedy=AGAIN)
