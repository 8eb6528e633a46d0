"""What other programs read of a version is what their published schemas say."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from referencing import Registry, Resource

from ancile.core.errors import AncileError
from ancile.data.adding import add_version
from ancile.data.croissant import MOST_TABLES, columns_of, croissant
from ancile.data.cyclonedx import bill_of, licence_choice
from ancile.data.kept import opened_kept
from ancile.data.lineage import ancestors
from ancile.data.openlineage import is_address, run_events
from ancile.data.store import PACKS, DataStore
from ancile.data.version import Provenance, Version

SCHEMAS = Path(__file__).parent / "schemas"
PEER = Path(__file__).parents[2] / "bench" / ".croissant"
READ = """
import sys, mlcroissant
read = mlcroissant.Dataset(sys.argv[1])
for one in read.metadata.record_sets:
    for row in read.records(one.id):
        print(list(row.values()))
"""
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SAID = Provenance(
    source="https://example.org/rows?x=1",
    collector="Jane Doe",
    licence="CC-BY-4.0",
    access="all",
    note="a note",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "set"
    made.mkdir()
    (made / "a ä.csv").write_text('age,"the,name"\n31,x\n45,"y, z"\n', "utf-8")
    table = {"n": [1, 2], "x": [0.5, None], "t": ["a", "b"], "b": [True, False], "d": [NOW, NOW]}
    pq.write_table(pa.table(table), made / "rows.parquet")
    (made / "picture.png").write_bytes(b"picture")
    (made / "none").write_bytes(b"")
    return made


@pytest.fixture
def store(tmp_path: Path) -> DataStore:
    return DataStore(tmp_path / "home" / "data")


@pytest.fixture
def versions(store: DataStore, folder: Path) -> list[Version]:
    """A child, then its parent."""
    add_version(store, folder, name="whole", provenance=SAID, now=NOW)
    said = Provenance(parents=("whole",), transformation="only that", source="a shelf", licence="ask us")
    child = add_version(store, folder / "rows.parquet", name="part", provenance=said, now=NOW)
    return ancestors(store, child.kept.version)


def schema(name: str) -> dict[str, Any]:
    path = SCHEMAS / name
    return json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())  # type: ignore[no-any-return]  # JSON


def validate(document: dict[str, Any], main: dict[str, Any], *others: dict[str, Any]) -> None:
    known = [(one["$id"], Resource.from_contents(one)) for one in (main, *others)]
    registry: Registry[Any] = Registry().with_resources(known)
    checker = jsonschema.FormatChecker()
    jsonschema.validators.validator_for(main)(main, registry=registry, format_checker=checker).validate(
        document
    )


def test_runs_are_those_of_openlineage(versions: list[Version]) -> None:
    main = schema("OpenLineage.json")
    events = run_events(versions, namespace="example.org/log")
    for event in events:
        validate(event, main)
        facets = [
            one["facets"] for one in (*event["inputs"], *event["outputs"], event["job"]) if "facets" in one
        ]
        for one in (facet for several in facets for facet in several.values()):
            held = schema(one["_schemaURL"].partition("#")[0].rpartition("/")[2])
            named = {"$schema": held["$schema"], "$id": "urn:facet", "$ref": one["_schemaURL"]}
            validate(one, named, *({each["$id"]: each for each in (held, main)}.values()))
    child, parent = events
    assert child["inputs"][0]["name"] == "whole"
    assert len(child["inputs"]) == 1
    assert parent["inputs"][0] == {
        "namespace": "https://example.org",
        "name": "rows?x=1",
        "facets": parent["inputs"][0]["facets"],
    }
    assert events == run_events(versions, namespace="example.org/log")


def test_a_bill_is_one_of_cyclonedx(versions: list[Version]) -> None:
    bill = bill_of(versions)
    validate(
        bill,
        schema("bom-1.6.schema.json.gz"),
        schema("spdx.schema.json.gz"),
        schema("jsf-0.82.schema.json.gz"),
    )
    (component,) = bill["components"]
    assert component["hashes"][0]["content"] == versions[0].files[0].digest.removeprefix("sha256:")
    (parent,) = component["pedigree"]["ancestors"]
    assert [one["name"] for one in parent["components"]] == [one.path for one in versions[1].files]


@pytest.mark.parametrize(
    ("licence", "spdx"),
    [("CC-BY-4.0", True), ("(MIT OR Apache-2.0)", True), ("research only", False), ("proprietary", False)],
)
def test_a_licence_is_an_expression_where_its_parts_are_known(licence: str, *, spdx: bool) -> None:
    assert licence_choice(licence) == ({"expression": licence} if spdx else {"license": {"name": licence}})


@pytest.mark.parametrize(
    "text", ["", "a shelf", "https://[", "file:///x", "https://ä.example/", "mailto:a@b"]
)
def test_what_has_no_host_is_no_address(text: str) -> None:
    assert not is_address(text)


def described(store: DataStore, version: Version) -> dict[str, Any]:
    return croissant(version, opened=lambda one: opened_kept(store, one))


def test_columns_of_tables_are_described_with_their_types(store: DataStore, versions: list[Version]) -> None:
    found = described(store, versions[1])
    assert [(one["name"], len(one["field"])) for one in found["recordSet"]] == [
        ("rows of a%20%C3%A4.csv", 2),
        ("rows of rows.parquet", 5),
    ]
    types = [one["dataType"] for one in found["recordSet"][1]["field"]]
    assert types == ["sc:Integer", "sc:Float", "sc:Text", "sc:Boolean", "sc:Date"]


def test_of_a_version_whose_content_is_gone_the_files_are_described(versions: list[Version]) -> None:
    found = croissant(versions[1], opened=None)
    assert (len(found["distribution"]), "recordSet" in found) == (4, False)


def test_files_are_described_where_no_table_can_be_read(store: DataStore, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(MOST_TABLES + 1):
        (folder / f"{number:03}.csv").write_text("a,b\n1,2\n", "ascii")
    (folder / "000.csv").write_text("a,a\n1,2\n", "ascii")
    (folder / "001.csv").write_bytes(b"\xff\xfe\x00,")
    (folder / "002.csv").write_bytes(b"")
    (folder / "003.csv").write_bytes(b"PAR1 and no more")
    version = add_version(store, folder, name="many", provenance=Provenance(), now=NOW).kept.version
    found = described(store, version)
    assert (len(found["distribution"]), len(found["recordSet"])) == (MOST_TABLES + 1, MOST_TABLES - 4)


def test_of_a_long_csv_the_columns_are_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ancile.data.croissant.SAMPLE_BYTES", 12)
    assert [tuple(one) for one in columns_of(io.BytesIO(b"a,b\n1,2\n3,4\nx,5\n"))] == [
        ("a", "sc:Text"),
        ("b", "sc:Text"),
    ]


def test_a_damaged_store_describes_nothing(store: DataStore, versions: list[Version], tmp_path: Path) -> None:
    for pack in (tmp_path / "home" / "data" / PACKS).iterdir():
        pack.write_bytes(bytes(pack.stat().st_size))
    with pytest.raises(AncileError, match="damaged or gone"):
        described(store, versions[0])


@pytest.mark.peers
@pytest.mark.skipif(
    not (PEER / ".ready").exists(), reason="`python bench/environments.py croissant` makes its environment"
)
def test_mlcroissant_takes_it_and_reads_the_rows(
    store: DataStore, versions: list[Version], folder: Path
) -> None:
    (folder / "croissant.json").write_text(json.dumps(described(store, versions[1])), "utf-8")
    ended = subprocess.run(
        [PEER / "bin" / "python", "-c", READ, folder / "croissant.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[0] == "[31, b'x']"
    assert len(ended.stdout.splitlines()) == 4


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_a_kept_file_is_read_at_any_place(store: DataStore, tmp_path: Path, size: int) -> None:
    data = bytes(number * 7 % 251 for number in range(size))
    (tmp_path / "x").write_bytes(data)
    (one,) = add_version(store, tmp_path / "x", name="x", provenance=Provenance(), now=NOW).kept.version.files
    with opened_kept(store, one) as file:
        assert file.read() == data
        file.seek(-min(size, 10), io.SEEK_END)
        assert file.read(4) == data[-10:][:4]
        file.seek(size + 5)
        assert (file.read(1), file.tell()) == (b"", size + 5)
        with pytest.raises(ValueError, match="before the start"):
            file.raw.seek(-1, io.SEEK_SET)
