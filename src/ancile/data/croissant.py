"""A version as a Croissant file: http://mlcommons.org/croissant/1.1, JSON-LD on schema.org."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from ancile.core.extras import needs
from ancile.data.openlineage import is_address
from ancile.data.version import DataFile, Version, path_of
from ancile.inputs.tables import PARQUET, is_text

if TYPE_CHECKING:
    import pyarrow as pa

MOST_TABLES = 50  # files whose columns are described; of a folder of a million CSV files nobody reads more
SAMPLE_BYTES = 4 << 20  # of a CSV from which the types of its columns are told
TYPES = {  # suffix to media type, IANA and Croissant 1.1, "FileObject"
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".parquet": "application/x-parquet",
    ".txt": "text/plain",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".zip": "application/zip",
}
# As the specification of 1.1 prints it, "Dataset", "Context"
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        name: f"cr:{name}"
        for name in (
            *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field"),
            *("fileProperty", "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset"),
            *(
                "jsonPath",
                "key",
                "md5",
                "parentField",
                "path",
                "recordSet",
                "references",
                "regex",
                "repeated",
            ),
            *("replace", "samplingRate", "separator", "source", "subField", "transform"),
        )
    },
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
    "prov": "http://www.w3.org/ns/prov#",
}

Opened = Callable[[DataFile], IO[bytes]]


class Column(NamedTuple):
    """A column of a table and its type as Croissant calls it."""

    name: str
    type: str


def croissant(version: Version, *, opened: Opened | None) -> dict[str, Any]:
    """The version: its files with their digests, and the columns of those that are CSV or Parquet.

    opened  a kept file, to read its columns from; of a damaged one AncileError; None if the content is gone
    """
    said = version.provenance
    found: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": version.name,
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "version": f"{version.number}.0.0",
        "description": said.note or f"Version {version.number} of {version.name}.",
        "datePublished": version.made.date().isoformat(),
        "license": said.licence or "unknown",
        "url": said.source if is_address(said.source) else f"urn:ancile:{version.root()}",
        "identifier": version.subject().digest,
        "distribution": [_file(number, one) for number, one in enumerate(version.files)],
    }
    if said.collector:
        found["creator"] = {"@type": "sc:Organization", "name": said.collector}
    if said.access:
        found["conditionsOfAccess"] = said.access
    if said.parents:
        found["prov:wasDerivedFrom"] = list(said.parents)
    tables = list(_record_sets(version, opened)) if opened else []
    if tables:
        found["recordSet"] = tables
    return found


def _file(number: int, one: DataFile) -> dict[str, Any]:
    suffix = f".{one.path.rpartition('.')[2].lower()}"
    return {
        "@type": "cr:FileObject",
        "@id": f"file-{number}",  # what stands in a path may not stand in an id
        "name": one.path,
        "contentUrl": path_of(one.path),
        "contentSize": f"{one.size} B",
        "encodingFormat": TYPES.get(suffix, "application/octet-stream"),
        "sha256": one.digest.removeprefix("sha256:"),
    }


def _record_sets(version: Version, opened: Opened) -> Iterator[dict[str, Any]]:
    tables = [
        (number, one)
        for number, one in enumerate(version.files)
        if one.path.lower().endswith((".csv", ".parquet"))
    ]
    for number, one in tables[:MOST_TABLES]:
        with opened(one) as file:
            columns = columns_of(file)
        if columns:
            yield {
                "@type": "cr:RecordSet",
                "@id": f"rows-{number}",
                "name": f"rows of {one.path}",
                "field": [_field(number, place, column) for place, column in enumerate(columns)],
            }


def _field(number: int, place: int, column: Column) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"rows-{number}/{place}",
        "name": column.name,
        "dataType": column.type,
        "source": {"fileObject": {"@id": f"file-{number}"}, "extract": {"column": column.name}},
    }


def columns_of(file: IO[bytes]) -> list[Column]:
    """The columns of a table; none where it cannot be read as one, or two have one name.

    Those of a CSV that is longer than a sample are texts: what stands further down may be none of the types
    that the sample shows.
    """
    arrow, parquet, csv = (needs(one, "tables") for one in ("pyarrow", "pyarrow.parquet", "pyarrow.csv"))
    try:
        if file.read(len(PARQUET)) == PARQUET:
            schema = parquet.read_schema(file)
        else:
            file.seek(0)
            sample = file.read(SAMPLE_BYTES)
            whole = not file.read(1)
            lines = sample if whole else sample[: sample.find(b"\n") + 1]
            schema = csv.read_csv(arrow.BufferReader(lines)).schema
    except (arrow.ArrowException, ValueError, OverflowError, OSError):  # as in inputs.tables
        return []
    if len(set(schema.names)) < len(schema.names):
        return []
    return [Column(name, _type(kind)) for name, kind in zip(schema.names, schema.types, strict=True)]


def _type(kind: pa.DataType) -> str:
    types = needs("pyarrow.types", "tables")
    if is_text(kind) or types.is_null(kind):
        return "sc:Text"
    if types.is_boolean(kind):
        return "sc:Boolean"
    if types.is_integer(kind):
        return "sc:Integer"
    if types.is_floating(kind) or types.is_decimal(kind):
        return "sc:Float"
    if types.is_temporal(kind):
        return "sc:Date"
    return "sc:Text"
