"""Lineage as OpenLineage run events: https://openlineage.io/spec/2-0-2/OpenLineage.json and its facets."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC
from typing import Any
from urllib.parse import urlsplit

from ancile.data.version import Version, parse_spelled
from ancile.version import __version__

SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
FACETS = "https://openlineage.io/spec/facets"
PRODUCER = f"urn:ancile:{__version__}"
ADD = "data add"  # what a version without a transformation came from


def run_events(versions: Sequence[Version], *, namespace: str) -> list[dict[str, Any]]:
    """For each version the run that made it, in the order of the versions.

    namespace  of the sets and the jobs, such as the origin of the log that they are evidence in
    """
    return [_event(one, namespace) for one in versions]


def _event(version: Version, namespace: str) -> dict[str, Any]:
    said = version.provenance
    # The same version is the same run, whoever exports it and whenever
    run = uuid.uuid5(uuid.NAMESPACE_URL, f"{namespace}/{version.spelled}/{version.root()}")
    job: dict[str, Any] = {"namespace": namespace, "name": f"{ADD} {version.name}"}
    if said.transformation:
        described = _facet("1-1-0/DocumentationJobFacet", description=said.transformation)
        job["facets"] = {"documentation": described}
    parents = [
        _dataset(namespace, one.name, version=str(one.number)) for one in map(parse_spelled, said.parents)
    ]
    return {
        "eventTime": version.made.astimezone(UTC).isoformat(),
        "producer": PRODUCER,
        "schemaURL": f"{SPEC}#/$defs/RunEvent",
        "eventType": "COMPLETE",
        "run": {"runId": str(run)},
        "job": job,
        "inputs": [*parents, *_source(said.source)],
        "outputs": [_output(version, namespace)],
    }


def _output(version: Version, namespace: str) -> dict[str, Any]:
    said = version.provenance
    made = _dataset(namespace, version.name, version=str(version.number))
    facets: dict[str, Any] = made["facets"]
    if said.note:
        facets["documentation"] = _facet("1-1-0/DocumentationDatasetFacet", description=said.note)
    if said.collector:
        owners = [{"name": said.collector, "type": "COLLECTOR"}]
        facets["ownership"] = _facet("1-0-1/OwnershipDatasetFacet", owners=owners)
    facets["ancile"] = {
        "_producer": PRODUCER,
        "_schemaURL": f"{SPEC}#/$defs/DatasetFacet",
        "digest": version.subject().digest,
        "root": version.root(),
        "files": len(version.files),
        "bytes": str(version.size),
        **({"licence": said.licence} if said.licence else {}),
        **({"access": said.access} if said.access else {}),
    }
    return made


def _source(source: str) -> list[dict[str, Any]]:
    """A source that is an address, named as the spec names them (spec/Naming.md); else none."""
    if not is_address(source):
        return []
    parts = urlsplit(source)
    found = _dataset(f"{parts.scheme}://{parts.netloc}", source.split(parts.netloc, 1)[1].lstrip("/") or "/")
    found["facets"]["dataSource"] = _facet("1-0-1/DatasourceDatasetFacet", name=parts.netloc, uri=source)
    return [found]


def is_address(text: str) -> bool:
    """Whether it is an absolute address with a host, such as https://example.org/rows."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc) and text.isascii() and " " not in text


def _dataset(namespace: str, name: str, *, version: str = "") -> dict[str, Any]:
    facets = (
        {"version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=version)} if version else {}
    )
    return {"namespace": namespace, "name": name, "facets": facets}


def _facet(schema: str, **fields: object) -> dict[str, object]:
    name = schema.partition("/")[2]
    return {"_producer": PRODUCER, "_schemaURL": f"{FACETS}/{schema}.json#/$defs/{name}", **fields}
