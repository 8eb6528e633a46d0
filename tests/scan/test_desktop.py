"""What a desktop leaves beside a model keeps no folder from being clean, and is no hiding place."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ancile.scan.examine import examine_part
from ancile.scan.files import find_files, scan_files
from ancile.scan.part import Part

HOSTILE = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."


def store(body: bytes = bytes(16), *, size: int = 16, again: int = 32) -> bytes:
    """A .DS_Store whose root block stands behind its header."""
    return struct.pack(">I4sIII", 1, b"Bud1", 32, size, again) + bytes(16) + body


def double(*entries: tuple[int, int, int], body: bytes = b"") -> bytes:
    """An AppleDouble file."""
    table = b"".join(struct.pack(">III", *one) for one in entries)
    return struct.pack(">II16xH", 0x00051607, 0x00020000, len(entries)) + table + body


@pytest.mark.parametrize(
    ("name", "data"),
    [(".DS_Store", store()), ("AppleDouble", double((9, 50, 32), (2, 82, 0), body=bytes(32)))],
)
def test_it_is_data_and_a_pickle_in_it_is_found(name: str, data: bytes) -> None:
    found = examine_part(Part("file", data))
    assert (found.format, found.verdict) == (name, "data-only")
    assert examine_part(Part("file", data + HOSTILE)).verdict == "block"


@pytest.mark.parametrize(
    "data",
    [
        store(size=17),
        store(again=33),
        store()[:20],
        store() + bytes(5 << 20),
        double((9, 38, 1)),
        double((1, 38, 0)),
        double((9, 38, 0))[:30],
        double()[:20],
    ],
)
def test_what_only_begins_as_one_is_unknown(data: bytes) -> None:
    """Out of bounds, cut off, longer than any, or with a whole file in it."""
    assert examine_part(Part("file", data)).verdict == "incomplete"


def test_a_folder_that_was_opened_on_a_mac_is_clean(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"layers": 2}', "utf-8")
    (tmp_path / ".DS_Store").write_bytes(store())
    (tmp_path / "._config.json").write_bytes(double((9, 38, 0)))
    assert {one.found.verdict for one in scan_files(find_files([tmp_path]))} == {"data-only"}
