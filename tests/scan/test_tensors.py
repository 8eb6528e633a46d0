"""Files of tensors get the verdict of what they hold."""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile

import pytest

from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Allowance, Part

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


def test_bytes_of_no_tensor_are_reviewed_and_a_file_that_is_cut_off_is_incomplete() -> None:
    assert examined(safetensors(data=b"12345678")).verdict == "review"
    assert examined(safetensors(data=b"12")).verdict == "incomplete"


def test_a_pickle_that_begins_like_a_length_is_a_pickle() -> None:
    text = b'\0{"a":1}'
    data = b"\x80\x02X" + struct.pack("<I", len(text)) + text + b"0" + HOSTILE[2:]
    assert examined(data).verdict == "block"


def npy(descr: str = "'<f4'", data: bytes = bytes(8), shape: str = "(2,)") -> bytes:
    raw = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + data


def test_arrays_of_numbers_are_data_and_objects_are_what_their_pickle_is() -> None:
    assert (examined(npy()).format, examined(npy()).verdict) == ("npy", "data-only")
    assert examined(npy() + npy()).verdict == "data-only"
    assert examined(npy("'|O'", b"\x80\x02]q\x00K\x01a.")).verdict == "data-only"
    assert examined(npy("[('a', '<i4'), ('b', 'O')]", HOSTILE)).verdict == "block"


def test_what_stands_behind_an_array_is_looked_at() -> None:
    assert examined(npy() + b"some words").verdict == "review"
    assert examined(npy() + HOSTILE).verdict == "block"
    assert examined(npy(shape="(9,)")).verdict == "incomplete"


def test_a_header_that_runs_is_blocked() -> None:
    assert examined(npy(shape="(__import__('os').getpid(),)")).verdict == "block"


def test_members_of_an_npz_are_judged_by_content() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a.npy", npy())
        made.writestr("raw", npy("'O'", HOSTILE))
    assert examined(file.getvalue()).verdict == "block"


def gguf(template: str, *, tail: bytes = b"") -> bytes:
    key, text = b"tokenizer.chat_template", template.encode()
    head = b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, len(key)) + key + struct.pack("<IQ", 8, len(text)) + text
    return head + bytes(-len(head) % 32) + tail


def test_a_template_in_gguf_is_judged_and_what_stands_behind_is_looked_at() -> None:
    plain = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    assert (examined(gguf(plain)).format, examined(gguf(plain)).verdict) == ("gguf", "data-only")
    assert examined(gguf("{{ cycler.__init__.__globals__.os.popen('id').read() }}")).verdict == "block"
    assert examined(gguf(plain, tail=b"y" * 64)).verdict == "review"
    assert examined(gguf(plain)[:60]).verdict == "incomplete"


def test_what_stands_in_the_padding_behind_the_head_of_gguf_is_looked_at() -> None:
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 0)
    assert examined(head + bytes(8)).verdict == "data-only"
    assert examined(head + HOSTILE).verdict == "block"


def test_numbers_are_searched_to_a_limit_and_at_their_beginning() -> None:
    data = safetensors(data=bytes(64) + HOSTILE, size=64 + len(HOSTILE))
    assert examine_part(Part("file", data, allowance=Allowance(searched_bytes=0))).verdict == "block"
    far = safetensors(data=bytes(8000) + HOSTILE, size=8000 + len(HOSTILE))
    assert examine_part(Part("file", far, allowance=Allowance(searched_bytes=0))).verdict == "data-only"
    assert examined(far).verdict == "block"
    first = HOSTILE[:2] + b"X" + struct.pack("<I", 8000) + bytes(8000) + b"0" + HOSTILE[2:]
    whole = safetensors(data=first, size=len(first))
    assert examine_part(Part("file", whole, allowance=Allowance(searched_bytes=0))).verdict == "block"
