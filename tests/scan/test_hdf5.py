"""HDF5: configurations, pickles and links to other files are found wherever a file may hold them."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.formats.hdf5 import read_hdf5
from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part
from tests.shared import SHARED, needs_shared

HOSTILE_PICKLE = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."
ORDINARY = b'{"class_name": "Sequential", "config": {"layers": []}}'
HOSTILE = json.dumps(
    {"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {}}]}}
)
NONE = b"\xff" * 8


def text_type(size: int) -> bytes:
    return struct.pack("<B3sI", 0x13, b"\0\0\0", size)


def opaque_type(size: int) -> bytes:
    return struct.pack("<B3sI", 0x15, b"\0\0\0", size)


def message(kind: int, data: bytes, flags: int = 0) -> bytes:
    return struct.pack("<BHB", kind, len(data), flags) + data


def header(*held: bytes) -> bytes:
    body = b"".join(held)
    return b"OHDR\x02\x02" + struct.pack("<I", len(body)) + body + b"sums"


def attribute(name: str, value: bytes, datatype: bytes | None = None) -> bytes:
    raw, kind = name.encode() + b"\0", datatype or text_type(len(value))
    return message(
        0x0C, struct.pack("<BBHHHB", 3, 0, len(raw), len(kind), 4, 0) + raw + kind + b"\x02\0\0\0" + value
    )


def link(name: str, address: int) -> bytes:
    raw = name.encode()
    return message(0x06, struct.pack("<BBB", 1, 0, len(raw)) + raw + struct.pack("<Q", address))


def outward(name: str, file: str) -> bytes:
    value = b"\0" + file.encode() + b"\0/x\0"
    raw = name.encode()
    return message(
        0x06, struct.pack("<BBBB", 1, 8, 64, len(raw)) + raw + struct.pack("<H", len(value)) + value
    )


def file_of(root: bytes, rest: bytes = b"", *, block: bytes = b"") -> bytes:
    """A superblock of version 2, the root's header at 48, and what follows it."""
    end = 48 + len(root) + len(rest)
    top = b"\x89HDF\r\n\x1a\n\x02\x08\x08\0" + struct.pack("<Q8sQQ", 0, NONE, end, 48) + b"sums"
    return block + top + root + rest


def examined(data: bytes) -> Examination:
    return examine_part(Part("file", data))


def checks(found: Examination) -> set[str]:
    return {one.check for one in found.findings}


def test_an_ordinary_file_is_data() -> None:
    """A configuration of Keras's own classes as an attribute."""
    found = examined(file_of(header(attribute("model_config", ORDINARY))))
    assert (found.format, found.verdict, found.findings) == ("hdf5", "data-only", ())


@pytest.mark.parametrize("block", [b"", bytes(512), bytes(2048), b"words".ljust(512, b"\0")])
def test_a_configuration_is_read_wherever_it_stands(block: bytes) -> None:
    """As an attribute of the root or of a group, as a dataset, of variable length; behind a user block too."""
    hostile = HOSTILE.encode()
    inner = header(attribute("training_config", hostile))
    heap = b"GCOL\x01\0\0\0" + struct.pack("<Q", 4096) + struct.pack("<HHIQ", 1, 1, 0, len(hostile)) + hostile
    root = header(attribute("model_config", b"\7" * 16, b"\x19\x01\x01\0\x10\0\0\0"))
    pointing = root.replace(b"\7" * 16, struct.pack("<IQI", len(hostile), 48 + len(root), 1))
    layout = message(0x08, struct.pack("<BBH", 3, 0, len(hostile)) + hostile)
    dataset = header(message(0x03, text_type(len(hostile))), layout)
    group = header(link("weights", 48 + len(header(link("weights", 0)))))
    for data in (
        file_of(header(attribute("model_config", hostile)), block=block),
        file_of(group, inner, block=block),
        file_of(group, dataset, block=block),
        file_of(pointing, heap.ljust(4096, b"\0"), block=block),
        file_of(header(), b"nobody points to " + hostile, block=block),
    ):
        assert "keras-holds-program" in checks(examined(data))


def test_a_configuration_of_variable_length_is_resolved() -> None:
    """Through the global heap, by collection and index."""
    root = header(attribute("a", b"\7" * 16, b"\x19\x01\x01\0\x10\0\0\0"))
    root = root.replace(b"\7" * 16, struct.pack("<IQI", 5, 48 + len(root), 1))
    heap = b"GCOL\x01\0\0\0" + struct.pack("<Q", 64) + struct.pack("<HHIQ", 1, 1, 0, 5) + b"hello"
    facts = read_hdf5(file_of(root, heap.ljust(64, b"\0")))
    assert [(one.name, one.value) for one in facts.attributes] == [("a", b"hello")]
    assert facts.faults == []


def test_a_pickle_is_found_in_attributes_datasets_and_user_blocks() -> None:
    """PyTables and others unpickle what they find there."""
    opaque = message(0x03, opaque_type(len(HOSTILE_PICKLE)))
    layout = message(0x08, struct.pack("<BBH", 3, 0, len(HOSTILE_PICKLE)) + HOSTILE_PICKLE)
    for data in (
        file_of(header(attribute("x", HOSTILE_PICKLE, opaque_type(len(HOSTILE_PICKLE))))),
        file_of(header(opaque, layout)),
        file_of(header(), block=HOSTILE_PICKLE.ljust(512, b"\0")),
    ):
        found = examined(data)
        assert "pickle-unlisted-call" in checks(found)
        assert found.format == "hdf5"


def test_other_files_are_not_read() -> None:
    """External links, external storage, virtual datasets."""
    names = b"HEAP\0\0\0\0" + struct.pack("<QQ", 32, 0)
    heap_at = 48 + len(header(message(0x07, bytes(40))))
    external = message(0x07, struct.pack("<B3xHHQQQQ", 1, 1, 1, heap_at, 0, 0, 8))
    heap = names + struct.pack("<Q", heap_at + 32) + b"/etc/passwd\0".ljust(32, b"\0")
    virtual = message(0x08, struct.pack("<BBQI", 4, 3, 0xFFFFFFFFFFFFFFFF, 0))
    for data in (
        file_of(header(outward("w", "/etc/passwd"))),
        file_of(header(external), heap),
        file_of(header(virtual)),
    ):
        found = examined(data)
        assert "hdf5-reads-outside" in checks(found)
        assert found.verdict == "block"


def test_what_is_not_followed_is_told() -> None:
    """Attributes in a fractal heap are not called clean."""
    dense = message(0x15, b"\0\0" + struct.pack("<QQ", 4000, 4000))
    assert checks(examined(file_of(header(dense)))) == {"hdf5-not-read"}


def test_a_file_that_breaks_off_or_points_nowhere_is_incomplete() -> None:
    """And circles of groups end."""
    assert examined(file_of(header(link("a", 1 << 60)))).verdict == "incomplete"
    assert examined(file_of(header(), bytes(100))[:-50]).verdict == "incomplete"
    assert examined(file_of(header(link("a", 48)))).verdict == "data-only"


@settings(max_examples=150)
@given(st.data())
def test_a_changed_file_never_breaks_the_scan(data: st.DataObject) -> None:
    """Whatever bytes stand in it, and wherever it ends."""
    whole = file_of(header(attribute("model_config", ORDINARY), outward("w", "x")), header(link("a", 48)))
    place = data.draw(st.integers(8, len(whole) - 1))
    change = data.draw(st.binary(min_size=1, max_size=8))
    assert examined(whole[:place] + change + whole[place + len(change) :]).verdict
    assert examined(whole[:place]).verdict


@needs_shared
def test_files_of_real_writers_are_followed_to_their_end() -> None:
    """Keras weights and models as h5py writes them; changed ones never break the scan."""
    assert SHARED is not None
    for file in sorted((SHARED / "data/model_corpus/benign/keras").glob("*.h5")):
        data = file.read_bytes()
        facts = read_hdf5(data)
        assert (facts.faults, facts.unread, facts.outside) == ([], [], [])
        assert examined(data).verdict == "data-only"
        for place in range(8, len(data), 997):
            read_hdf5(data[:place] + b"\xff\x01" + data[place + 2 :])
