"""Reading ancile.toml: each stage declares its own struct, all faults are told at once."""

from __future__ import annotations

import errno
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain

FILE = "ancile.toml"
HOME = ".ancile"
LARGEST = 1 << 20  # bytes of a configuration file; a policy with hundreds of keys is below 100 KB

Section = TypeVar("Section", bound=msgspec.Struct)


def find_upwards(name: str, start: Path) -> Path | None:
    """The nearest file or folder ``name`` in ``start`` or above it, as git finds its own."""
    folder = start.absolute()
    return next((p / name for p in (folder, *folder.parents) if (p / name).exists()), None)


def read_config(path: Path) -> dict[str, object]:
    """The tables of a configuration file as plain values."""
    try:
        if not path.is_file():  # a pipe would be waited for
            raise FileNotFoundError(errno.ENOENT, "not a file")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as reason:  # ValueError: a NUL in the path
        told = getattr(reason, "strerror", None) or str(reason)
        raise AncileError(
            "configuration cannot be read", value=f"{plain(str(path))}: {told}", remedy="mend its permissions"
        ) from reason
    if len(data) > LARGEST:
        raise AncileError("configuration is too large", value=str(path), remedy=f"at most {LARGEST} bytes")
    try:
        return dict(tomllib.loads(data.decode("utf-8")))
    except (ValueError, RecursionError) as reason:  # bytes, TOML, integers of thousands of digits
        raise AncileError(
            "configuration is damaged", value=f"{path}: {plain(str(reason))}", remedy="mend that line"
        ) from reason


def sections(
    tables: Mapping[str, object], wanted: Mapping[str, type[msgspec.Struct]], *, path: Path
) -> Sections:
    """Each table as its stage's struct; every fault of every table in one error."""
    faults = [f"[{plain(name, 60)}] is no table of ancile" for name in tables if name not in wanted]
    found: dict[str, msgspec.Struct] = {}
    for name, kind in wanted.items():
        table = tables.get(name, {})
        if not isinstance(table, Mapping):
            faults.append(f"{name} is a value, not a table")
            continue
        wrong = _faults(name, table, kind)
        faults += wrong
        if not wrong:
            found[name] = msgspec.convert(table, kind)
    if faults:
        raise AncileError(
            f"configuration has {len(faults)} fault{'s' if len(faults) > 1 else ''}",
            value=f"{path}: {'; '.join(faults)}",
            remedy="mend these keys; `ancile init --print-config` shows each key with its meaning",
        )
    return Sections(found)


class Sections:
    """The tables of one configuration file, each by the struct that a stage declared for it."""

    def __init__(self, tables: Mapping[str, msgspec.Struct]) -> None:
        self._tables = dict(tables)

    def get(self, name: str, kind: type[Section]) -> Section:
        """The table ``name``, or the struct's defaults where the file has none."""
        table = self._tables.get(name)
        return table if isinstance(table, kind) else kind()


def _faults(name: str, table: Mapping[str, object], kind: type[msgspec.Struct]) -> list[str]:
    fields = {f.encode_name: f for f in msgspec.structs.fields(kind)}
    faults = [f"{name}.{plain(key, 60)} is no key" for key in table if key not in fields]
    faults += [f"{name}.{key} is missing" for key, f in fields.items() if f.required and key not in table]
    for key, value in table.items():
        if key in fields:
            try:
                msgspec.convert(value, fields[key].type)
            except (msgspec.ValidationError, AncileError) as reason:
                faults.append(f"{name}.{key}: {plain(str(reason).removesuffix(' - at `$`'))}")
    if not faults:
        try:
            msgspec.convert(table, kind)
        except (msgspec.ValidationError, AncileError) as reason:
            faults.append(f"{name}: {plain(str(reason))}")
    return faults
