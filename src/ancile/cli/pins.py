"""Changing the pinned keys in ancile.toml, comments kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from ancile.cli.output import write_whole
from ancile.core.errors import AncileError


def pin_author(path: Path, id_: str) -> None:
    """Add an author to ``[policy] authors``; the one before stays, its evidence still counts."""
    document = _read(path)
    authors = _array(document, "policy", "authors")
    if id_ not in authors:
        authors.append(id_)
    _write(path, document)


def pin_log(path: Path, *, keys: Sequence[str]) -> None:
    """Make ``keys`` the log's; those until now move to ``before``, they verify what they signed."""
    document = _read(path)
    now, before = _array(document, "ledger", "keys"), _array(document, "ledger", "before")
    for key in [str(k) for k in now]:
        before.append(key)
    now.clear()
    for key in keys:
        now.append(key)
    now.multiline(multiline=True)
    before.multiline(multiline=True)
    _write(path, document)


def _read(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(path.read_text("utf-8"))
    except (UnicodeDecodeError, TOMLKitError) as reason:
        raise AncileError(
            "configuration is damaged", value=f"{path}: {reason}", remedy="mend that line"
        ) from reason


def _array(document: tomlkit.TOMLDocument, table: str, key: str) -> Array:
    section = document.setdefault(table, tomlkit.table())
    array = section.setdefault(key, tomlkit.array())
    if not isinstance(array, Array):
        raise AncileError("configuration is damaged", value=f"{table}.{key}", remedy="make it a list")
    return array


def _write(path: Path, document: tomlkit.TOMLDocument) -> None:
    write_whole(path, tomlkit.dumps(document).encode("utf-8"), own=True)
