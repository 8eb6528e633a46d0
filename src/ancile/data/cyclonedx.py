"""A version as a data component of a bill of materials: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from ancile.data.openlineage import is_address
from ancile.data.version import DataFile, Version
from ancile.patterns.licences import family_of, licences_named
from ancile.version import __version__

# SPDX 2.3, annex D, with identifiers that may be none
EXPRESSION = re.compile(r"\(*[\w.+-]+(?:\)* (?:AND|OR|WITH) \(*[\w.+-]+)*\)*", re.ASCII)
SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"


def bill_of(versions: Sequence[Version]) -> dict[str, Any]:
    """The bill of the first version; the others are what it was made from, and stand in its pedigree."""
    version, *before = versions
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"{version.spelled}/{version.root()}")
    return {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": version.made.astimezone(UTC).isoformat(),
            "tools": {"components": [{"type": "application", "name": "ancile", "version": __version__}]},
        },
        "components": [_component(version, before)],
    }


def _component(version: Version, before: Sequence[Version]) -> dict[str, Any]:
    said = version.provenance
    found: dict[str, Any] = {
        "type": "data",
        "bom-ref": version.spelled,
        "name": version.name,
        "version": str(version.number),
        "data": [_contents(version)],
        "properties": [
            {"name": name, "value": value}
            for name, value in (
                ("ancile:digest", version.subject().digest),
                ("ancile:root", version.root()),
                ("ancile:files", str(len(version.files))),
                ("ancile:bytes", str(version.size)),
                ("ancile:access", said.access),
                ("ancile:source", said.source),
                ("ancile:transformation", said.transformation),
            )
            if value
        ],
    }
    if version.alone:
        found["hashes"] = _hashes(version.files[0].digest)
    else:
        found["components"] = [_file(version, one) for one in version.files]
    if said.note:
        found["description"] = said.note
    if said.licence:
        found["licenses"] = [licence_choice(said.licence)]
    if is_address(said.source):
        found["externalReferences"] = [{"type": "source-distribution", "url": said.source}]
    if before:
        found["pedigree"] = {"ancestors": [_component(one, ()) for one in before]}
    return found


def _contents(version: Version) -> dict[str, Any]:
    said = version.provenance
    found: dict[str, Any] = {"type": "dataset", "name": version.spelled}
    if is_address(said.source):
        found["contents"] = {"url": said.source}
    if said.collector:
        found["governance"] = {"custodians": [{"contact": {"name": said.collector}}]}
    return found


def _file(version: Version, one: DataFile) -> dict[str, Any]:
    return {
        "type": "file",
        "bom-ref": f"{version.spelled}/{one.path}",
        "name": one.path,
        "hashes": _hashes(one.digest),
    }


def _hashes(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}]


def licence_choice(licence: str) -> dict[str, Any]:
    """An SPDX expression where every part is a licence that is known; else the words as a name."""
    named = licences_named(licence)
    if EXPRESSION.fullmatch(licence) and named and all(map(family_of, named)):
        return {"expression": licence}
    return {"license": {"name": licence}}
