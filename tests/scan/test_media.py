"""Pictures and sounds are data, and whatever stands behind their end is judged for itself."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.media import PNG, kind_of, read_media
from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part

CALL = b"cos\nsystem\n(Vx\ntR."
MEDIA = {
    "PNG": base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    ),
    "GIF": base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"),
    "JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xda\0\x02\x12\xff\0\xff\xd0\x34\xff\xd9",
    "RIFF": b"RIFF" + struct.pack("<I", 12) + b"WAVEdata" + struct.pack("<I", 0),
    "MP4": b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x0cmdat\0\0\0\0",
}


def examined(data: bytes) -> Examination:
    return examine_part(Part("picture", data))


@pytest.mark.parametrize("kind", MEDIA)
def test_a_whole_one_is_data(kind: str) -> None:
    found = examined(MEDIA[kind])
    assert (found.format, found.verdict) == (kind, "data-only")
    assert read_media(MEDIA[kind]).stop == len(MEDIA[kind])


@pytest.mark.parametrize("kind", MEDIA)
def test_what_stands_behind_it_is_judged(kind: str) -> None:
    assert examined(MEDIA[kind] + CALL).verdict == "block"
    assert examined(MEDIA[kind] + b"\x80\x04" + CALL).verdict == "block"
    assert examined(MEDIA[kind] + b"\x7fELF\2\1\1" + bytes(60)).verdict == "block"
    assert examined(MEDIA[kind] + b"\0\0\n").verdict == "data-only"


@pytest.mark.parametrize("kind", ["PNG", "GIF", "JPEG", "RIFF"])
def test_one_that_breaks_off_is_incomplete(kind: str) -> None:
    assert examined(MEDIA[kind][:-1]).verdict == "incomplete"


@given(st.sampled_from(sorted(MEDIA)), st.binary(max_size=40), st.integers(0, 80))
def test_no_bytes_raise_anything(kind: str, held: bytes, at: int) -> None:
    data = MEDIA[kind][:at] + held + MEDIA[kind][at:]
    if kind_of(data):
        assert 0 <= read_media(data).stop <= len(data)


def test_sizes_are_not_believed() -> None:
    assert read_media(PNG + b"\xff\xff\xff\xffIDAT" + bytes(20)).fault
