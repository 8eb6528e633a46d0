"""A file that several readers open is judged as all that they find in it: none of them asks for its name."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest

from ancile.scan.examine import examine_part
from ancile.scan.part import Part
from tests.scan.test_hdf5 import HOSTILE, ORDINARY, attribute, file_of, header
from tests.scan.test_tensorflow import graph, held, number, saved

PICKLE = b"cos\nsystem\n(Vtrue\ntR."
CONFIGURATION = "model_config"
ONNX = held(7, held(1, held(4, b"Identity"))) + held(8, b"\x10\x0d")  # a graph and an operator set


def verdict(data: bytes, path: str = "model") -> str:
    return examine_part(Part(path, data)).verdict


def keras(configuration: bytes) -> bytes:
    return file_of(header(attribute(CONFIGURATION, configuration)))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(data: bytes, at: int = 0) -> bytes:
    """A picture with a chunk of its own kind, whose bytes from ``at`` on, of the whole, are these."""
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    private = chunk(b"teSt", bytes(max(0, at - len(head) - 8)) + data)
    return head + private + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def safetensors(data: bytes, at: int) -> bytes:
    size = at + len(data)
    said = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    front = struct.pack("<Q", len(said)) + said
    return front + bytes(at - len(front)) + data + bytes(len(front))


def npy(data: bytes, at: int) -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(at + len(data) - 128, np.uint8))
    front = file.getvalue()[:at]
    return front + data


@pytest.mark.parametrize("place", [512, 1024, 2048])
@pytest.mark.parametrize("host", [png, safetensors, npy])
def test_hdf5_is_found_where_its_library_looks_in_whatever_else(host: object, place: int) -> None:
    """It goes by a signature at 512, 1024, 2048 …, whatever stands before."""
    assert callable(host)
    assert verdict(host(bytes(64), place)) == "data-only"
    assert verdict(host(keras(HOSTILE.encode()), place)) == "block"


def tarred(*members: tuple[str, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, data in members:
            told = tarfile.TarInfo(name)
            told.size = len(data)
            archive.addfile(told, io.BytesIO(data))
    return file.getvalue()


def test_hdf5_that_is_just_a_member_is_judged_once_and_one_across_a_tar_as_well() -> None:
    """The first member of a tar begins at 512; a place in the midst of a member can be 2048 of the whole."""
    assert verdict(tarred(("m.h5", keras(ORDINARY)))) == verdict(keras(ORDINARY)) == "data-only"
    across = png(keras(HOSTILE.encode()), 2048 - 512)
    assert verdict(across) == "data-only"
    assert verdict(tarred(("m.png", across))) == "block"


@pytest.mark.parametrize(
    "more", [ONNX, held(15, b"x"), number(14 << 3 | 3) + held(2, b"x") + number(14 << 3 | 4)]
)
def test_a_graph_is_found_among_fields_that_tensorflow_passes_over(more: bytes) -> None:
    """An ONNX model, a field of no meaning, a group: protobuf skips what a message does not define."""
    for hostile in (saved(graph("ReadFile")), graph("ReadFile")):
        assert verdict(hostile) == "block"
        assert verdict(hostile + more) == "block"
        assert verdict(more + hostile) == "block"


def test_an_ordinary_onnx_model_holds_no_graph_of_tensorflow() -> None:
    for producer in (b"pytorch", b"tf2onnx", b"skl2onnx", b"\n\x01x", b"JAX"):
        found = examine_part(Part("model", number(1 << 3) + b"\x08" + held(2, producer) + ONNX))
        assert (found.format, found.verdict) == ("onnx", "data-only")


def early(data: bytes) -> bytes:
    """The archive with headers as they were before there was a magic: a name, numbers and their sum."""
    made = bytearray(data)
    made[257:512] = bytes(255)
    made[148:156] = b" " * 8
    made[148:156] = f"{sum(made[:512]):06o}\0 ".encode()
    return bytes(made)


def test_a_tar_without_a_magic_is_one() -> None:
    """Python's tarfile, GNU tar and libarchive open it by the sum of its header alone."""
    hostile = early(tarred(("m.pkl", PICKLE)))
    with tarfile.open(fileobj=io.BytesIO(hostile)) as archive:
        assert archive.getnames() == ["m.pkl"]
    assert verdict(hostile) == "block"
    assert verdict(early(tarred(("\x01\x02.pkl", PICKLE)))) == "block"
    signed = bytearray(early(tarred(("é" * 4, PICKLE))))
    negative = sum(signed[:148] + b" " * 8 + signed[156:512]) - 256 * sum(one > 127 for one in signed[:512])
    signed[148:156] = f"{negative:06o}\0 ".encode()
    assert verdict(bytes(signed)) == "block"
    assert examine_part(Part("model", hostile[:147] + b"\1" + hostile[148:])).format != "tar"


def test_what_follows_a_tar_is_looked_at() -> None:
    """Who unpacks it sees nothing of that; who opens the file as something else may."""
    whole = tarred(("words.txt", b"words"))
    assert verdict(whole) == "data-only"
    assert verdict(whole + PICKLE) == "block"
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        archive.writestr("m.pkl", PICKLE)
    assert verdict(whole + file.getvalue()) == "block"
    assert verdict(whole + bytes(10240)) == "data-only"
