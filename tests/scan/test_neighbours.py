"""Files that refer to each other: what is beside a model is looked up where the model lies, and nowhere else."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import helper as make

from ancile.scan.examine import Examination, examine_part
from ancile.scan.files import Found, scan_file
from ancile.scan.neighbours import in_archive, in_folder
from ancile.scan.part import Part


def model(location: str, **entries: str) -> bytes:
    tensor = make.make_tensor("w", onnx.TensorProto.FLOAT, [1], [1.0])
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    graph = make.make_graph([make.make_node("Identity", ["x"], ["y"])], "g", [], [], [tensor])
    return bytes(make.make_model(graph).SerializeToString())


def scanned(path: Path) -> Examination:
    return scan_file(Found(path, path.name)).found


def checks(found: Examination) -> set[str]:
    return {one.check for one in found.findings}


def test_external_data_beside_a_model_is_found(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(model("deep/m.data", offset="4", length="4"))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/m.data").write_bytes(bytes(8))
    assert scanned(tmp_path / "m.onnx").verdict == "data-only"


@pytest.mark.parametrize("location", ["m.data", "deep/m.data", "deep", "m.onnx/m.data"])
def test_external_data_that_is_not_there_leaves_the_model_incomplete(tmp_path: Path, location: str) -> None:
    """A folder in its place, or a file on the way, is as good as nothing."""
    (tmp_path / "m.onnx").write_bytes(model(location))
    (tmp_path / "deep").mkdir()
    found = scanned(tmp_path / "m.onnx")
    assert checks(found) == {"onnx-external-data-missing"}
    assert found.verdict == "incomplete"


@pytest.mark.parametrize(
    "pack", [gzip.compress, lzma.compress, lambda data: gzip.compress(bz2.compress(data))]
)
def test_a_compressed_model_has_its_data_beside_it(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Whoever unpacks it has both in one folder."""
    (tmp_path / "m.onnx.gz").write_bytes(pack(model("m.data")))
    assert checks(scanned(tmp_path / "m.onnx.gz")) == {"onnx-external-data-missing"}
    (tmp_path / "m.data").write_bytes(bytes(8))
    assert scanned(tmp_path / "m.onnx.gz").verdict == "data-only"


def test_a_tensor_that_ends_behind_its_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(model("m.data", offset="4", length="5"))
    (tmp_path / "m.data").write_bytes(bytes(8))
    found = scanned(tmp_path / "m.onnx")
    assert checks(found) == {"onnx-external-data-unclear"}
    assert "byte 9 of m.data, which has 8" in found.findings[0].detail


@pytest.mark.parametrize("place", ["m.data", "linked/m.data"])
def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path, place: str) -> None:
    """The last step or any other may be the link."""
    folder, outside = tmp_path / "model", tmp_path / "secrets"
    folder.mkdir()
    outside.mkdir()
    (outside / "m.data").write_bytes(bytes(8))
    (folder / "linked").symlink_to(outside)
    (folder / "m.data").symlink_to(outside / "m.data")
    (folder / "m.onnx").write_bytes(model(place))
    found = scanned(folder / "m.onnx")
    assert checks(found) == {"onnx-reads-outside"}
    assert found.verdict == "block"


def test_links_within_a_folder_and_within_a_cache_of_downloads_are_ordinary(tmp_path: Path) -> None:
    """A cache keeps all contents in one folder and links to them from another."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    (blobs / "aa").write_bytes(model("m.data"))
    (blobs / "bb").write_bytes(bytes(4))
    (snapshot / "m.onnx").symlink_to("../../blobs/aa")
    (snapshot / "m.data").symlink_to("../../blobs/bb")
    assert scanned(snapshot / "m.onnx").verdict == "data-only"
    (blobs / "m.data").symlink_to("bb")
    assert scanned(blobs / "aa").verdict == "data-only"


def test_a_link_in_a_circle_is_missing(tmp_path: Path) -> None:
    (tmp_path / "m.data").symlink_to("m.data")
    assert in_folder(tmp_path / "m.onnx")("m.data").kind == "missing"
    assert in_folder(tmp_path / "m.onnx")("a\0b").kind == "missing"


def zipped(members: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return held.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return held.getvalue()


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_members_of_an_archive_have_each_other_as_neighbours(pack: object) -> None:
    """Wherever in it they stand, and in whatever order."""
    assert callable(pack)
    whole = pack({"a/m.onnx": model("m.txt"), "a/m.txt": b"words"})
    assert not checks(examine_part(Part("file", whole)))
    apart = pack({"a/m.onnx": model("m.txt"), "m.txt": b"words"})
    assert checks(examine_part(Part("file", apart))) == {"onnx-external-data-missing"}


def test_a_name_is_taken_from_the_folder_of_the_member_that_says_it() -> None:
    look = in_archive({"a/b/c": 3}, "a/m")
    assert look("b/c").size_bytes == look("b\\c").size_bytes == look("./b//c").size_bytes == 3
    assert look("c").kind == "missing"


@pytest.mark.parametrize(
    ("members", "verdict"),
    [
        ({"metadata.json": b"{}"}, "review"),
        ({"metadata.json": b'{"keras_version": "3.8.0", "date_saved": "2025-01-01"}'}, "review"),
        ({"metadata.json": b'{"name": "a data set"}'}, "data-only"),
        ({"metadata.json": b"{}", "notes.txt": b"words"}, "data-only"),
    ],
)
def test_a_keras_archive_without_its_model_is_broken(members: dict[str, bytes], verdict: str) -> None:
    assert examine_part(Part("file", zipped(members))).verdict == verdict
