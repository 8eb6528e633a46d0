"""Files of tensors get the verdict of what they hold."""

from __future__ import annotations

import base64
import json
import struct

import pytest

from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part

HOSTILE = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."


def examined(data: bytes) -> Examination:
    return examine_part(Part("file", data))


def safetensors(metadata: dict[str, str] | None = None, *, data: bytes = b"1234", size: int = 4) -> bytes:
    header: dict[str, object] = {"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    if metadata is not None:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_sound_safetensors_are_data() -> None:
    found = examined(safetensors({"note": "os.system and eval are only words", "sha": "ab" * 32}))
    assert (found.format, found.verdict) == ("safetensors", "data-only")


@pytest.mark.parametrize("length", [640, 0x401, 376, 30876])
def test_a_length_that_reads_as_another_format_is_a_length(length: int) -> None:
    """80 02 is a pickle's protocol, 78 01 and 78 9c are zlib's first bytes."""
    bare = len(safetensors({"pad": ""})) - 12
    found = examined(safetensors({"pad": " " * (length - bare)}))
    assert (found.format, found.verdict) == ("safetensors", "data-only")


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(HOSTILE).decode(),
        base64.urlsafe_b64encode(HOSTILE).decode().rstrip("="),
        "data:" + HOSTILE.hex(),
        "cos\nsystem\n(Vtrue\ntR.",
    ],
)
def test_a_pickle_in_the_metadata_is_blocked(text: str) -> None:
    assert examined(safetensors({"note": text})).verdict == "block"


def test_a_pickle_behind_or_within_the_tensors_is_blocked() -> None:
    assert examined(safetensors(data=b"1234" + HOSTILE)).verdict == "block"
    assert examined(safetensors(data=HOSTILE, size=len(HOSTILE))).verdict == "block"


def test_bytes_of_no_tensor_and_a_broken_header_are_reviewed() -> None:
    assert examined(safetensors(data=b"12345678")).verdict == "review"
    assert examined(safetensors(data=b"12")).verdict == "review"


def test_a_pickle_that_begins_like_a_length_is_a_pickle() -> None:
    text = b'\0{"a":1}'
    data = b"\x80\x02X" + struct.pack("<I", len(text)) + text + b"0" + HOSTILE[2:]
    assert examined(data).verdict == "block"
