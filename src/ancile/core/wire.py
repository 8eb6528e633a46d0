"""Nouns to and from JSON, and the JSON Schema that is generated from them."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from ancile.core.errors import AncileError
from ancile.core.report import Record, Report
from ancile.core.text import plain

LARGEST = 64 << 20  # bytes of a JSON document that is read whole

Noun = TypeVar("Noun")


def read(kind: type[Noun], data: bytes, *, name: str) -> Noun:
    """The noun in ``data``; whatever is wrong with it is one AncileError that names the place.

    name  what the user calls the document, for the message
    """
    if len(data) > LARGEST:
        raise AncileError(
            f"{name} is too large", value=f"{len(data)} bytes", remedy=f"at most {LARGEST} are read"
        )
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, RecursionError) as reason:
        raise AncileError(
            f"{name} is damaged or of another kind",
            value=plain(str(reason)),
            remedy="take it from its source once more",
        ) from reason


def builtins(noun: msgspec.Struct) -> dict[str, Any]:
    """A noun as plain dictionaries, lists and scalars: what JSON and the canonical form are made of."""
    plain: dict[str, Any] = msgspec.to_builtins(noun)
    return plain


def record_document(record: Record) -> dict[str, Any]:
    """What ``--format json`` prints: the report at the top level, and its evidence or null."""
    evidence = record.evidence
    document = builtins(record.report) | {"evidence": None if evidence is None else builtins(evidence)}
    by_path: dict[str | None, list[dict[str, Any]]] = {}
    for finding in document["findings"]:
        by_path.setdefault(finding["location"].get("path"), []).append(finding)
    for file in document.get("files", ()):
        file["findings"] = by_path.get(file["path"], [])
    return document


def read_record(data: bytes, *, name: str) -> Record:
    """The record in a document that ``--format json`` printed."""
    document = read(dict[str, msgspec.Raw], data, name=name)
    evidence = document.pop("evidence", msgspec.Raw(b"null"))
    report = read(Report, msgspec.json.encode(document), name=name)
    return read(Record, msgspec.json.encode({"report": report, "evidence": evidence}), name=name)


def schema(kind: type[Any], *, id_: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a noun, under the identifier ``id_``."""
    generated = msgspec.json.schema(kind)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": id_} | generated


def record_schema(*, id_: str) -> dict[str, Any]:
    """The JSON Schema of what ``--format json`` prints: a report with ``evidence`` beside its fields."""
    whole = schema(Record, id_=id_)
    definitions = whole["$defs"]
    report, evidence = definitions["Report"], definitions["Record"]["properties"]["evidence"]
    together = report | {
        "title": "Record",
        "properties": report["properties"] | {"evidence": evidence},
        "required": [*report["required"], "evidence"],
    }
    return whole | {"$defs": definitions | {"Record": together}}
