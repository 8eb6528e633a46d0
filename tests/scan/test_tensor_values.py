"""Programs and messages among the numbers of a model are found, wherever the format keeps them."""

from __future__ import annotations

import inspect
import io
import json
import random
import struct
import subprocess
import zipfile

import numpy as np
import pytest

from ancile.formats.extents import Numbers
from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Allowance, Part
from ancile.scan.tensor_sample import BYTES_A_WINDOW, LOW_HEADS, MOST_WINDOWS, WINDOW_ITEMS, Sample
from tests.formats.embedding import embed, weights
from tests.formats.test_gguf import made, tensor
from tests.formats.test_hidden_programs import KEPT, RUNNING

ITEMS = 1 << 15
CALL = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."
TEXT = inspect.getsource(subprocess).encode()
NAMES = {"f64": "F64", "f32": "F32", "f16": "F16", "bf16": "BF16", "i8": "I8"}


def in_safetensors(held: bytes, kind: str) -> bytes:
    return safetensors_of(held, NAMES[kind])


def safetensors_of(held: bytes, dtype: str) -> bytes:
    """One tensor of a type that safetensors name."""
    size = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}.get(dtype, 1)
    header = {"w": {"dtype": dtype, "shape": [len(held) // size], "data_offsets": [0, len(held)]}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + held


def in_npy(held: bytes, kind: str) -> bytes:
    saved = io.BytesIO()
    np.save(saved, np.frombuffer(held, {"f64": "<f8", "f32": "<f4", "f16": "<f2", "i8": "|i1"}[kind]))
    return saved.getvalue()


def in_gguf(held: bytes, kind: str) -> bytes:
    types = {"f32": (0, 4), "f16": (1, 2), "i8": (24, 1), "f64": (28, 8), "bf16": (30, 2)}
    number, item = types[kind]
    return made([], [tensor("w", dims=(len(held) // item,), kind=number)], data=held)


def in_torch(held: bytes, kind: str) -> bytes:
    """A checkpoint that ends as torch.save ends it; one tensor."""
    name = {"f64": "Double", "f32": "Float", "f16": "Half", "i8": "Char", "bf16": "BFloat16"}[kind]
    item = {"f64": 8, "f32": 4, "i8": 1}.get(kind, 2)
    size = struct.pack("<I", len(held) // item)
    pickle = (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\n"
        + name.encode()
        + b"Storage\n"
        b"X\x01\0\0\x000X\x03\0\0\0cpuJ" + size + b"tQK\0J" + size + b"\x85K\x01\x85\x89ccollections\n"
        b"OrderedDict\n)RtR."
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member, content in (
            ("data.pkl", pickle),
            ("byteorder", b"little"),
            ("data/0", held),
            ("version", b"3\n"),
        ):
            archive.writestr(f"archive/{member}", content)
    return file.getvalue()


WRITERS = [in_safetensors, in_npy, in_gguf, in_torch]


def examined(held: bytes) -> Examination:
    return examine_part(Part("file", held))


def told(held: bytes) -> dict[str, str]:
    """Check to verdict of what is told of a file's numbers."""
    found = examined(held)
    return {one.check: found.verdict for one in found.findings if one.check.startswith("tensor-")}


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("kind", ["f64", "f32", "f16", "i8"])
def test_honest_weights_are_quiet(write: object, kind: str) -> None:
    assert callable(write)
    assert examined(write(weights(kind, ITEMS), kind)).verdict in ("data-only", "named-classes")
    assert not examined(write(weights(kind, ITEMS), kind)).findings


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("what", sorted({*RUNNING, *KEPT}))
def test_a_program_in_the_place_of_a_tensor_is_found(write: object, what: str) -> None:
    """What runs is refused; an archive is for somebody to look at."""
    assert callable(write)
    held = {**RUNNING, **KEPT}[what] + weights("f32", 20_000)  # else the file would end as a zip does
    found = told(write(held[: len(held) // 4 * 4], "f32"))
    assert found["tensor-holds-program"] == ("block" if what in RUNNING else "review")


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize(
    ("message", "verdict"), [(RUNNING["script"], "block"), (CALL, "block"), (TEXT, "review")]
)
def test_a_program_in_the_low_bits_is_found(kind: str, width: int, message: bytes, verdict: str) -> None:
    held = embed(weights(kind, 4000), kind, width, message)
    assert told(in_safetensors(held, kind)) == {"tensor-holds-program": verdict}


@pytest.mark.parametrize("kind", NAMES)
def test_the_kind_of_a_storage_is_known_from_the_pickle_before_it(kind: str) -> None:
    held = embed(weights(kind, 4000), kind, 2, CALL)
    assert told(in_torch(held, kind)) == {"tensor-holds-program": "block"}


def test_a_program_in_the_two_low_bytes_is_found() -> None:
    held = embed(weights("f32", 4000), "f32", 16, CALL)
    rows = np.frombuffer(held, "u1").reshape(-1, 4)[:, :2]
    assert rows.tobytes().startswith(CALL[: len(CALL) // 2 * 2])
    assert told(in_safetensors(held, "f32")) == {"tensor-holds-program": "block"}


def test_a_program_within_a_tensor_is_found_in_the_sample() -> None:
    held = weights("f32", ITEMS)
    inside = held[:70_000] + RUNNING["script"] + held[70_000 + len(RUNNING["script"]) :]
    found = examined(in_safetensors(inside, "f32"))
    (program,) = (one for one in found.findings if one.check == "tensor-holds-program")
    assert in_safetensors(inside, "f32")[program.location.offset or 0 :].startswith(b"#!/usr")


def test_a_message_that_begins_behind_the_head_is_a_warning() -> None:
    """It changes no verdict: nobody can say what it is."""
    noise = random.Random(4).randbytes(64)
    held = embed(weights("f32", ITEMS), "f32", 4, noise + TEXT)
    found = examined(in_safetensors(held, "f32"))
    assert [(one.check, one.status) for one in found.findings] == [("tensor-low-bits", "WARN")]
    assert found.verdict == "data-only"
    assert "the low 4 bits of 'w'" in found.findings[0].detail


def test_overwritten_low_bits_of_many_short_numbers_are_a_warning() -> None:
    """Encrypted, and seen by the shape of the distribution alone, which a larger sample shows."""
    held = embed(weights("i8", 8 * ITEMS), "i8", 2, random.Random(4).randbytes(1 << 20))
    for windows, seen in ((1, set()), (8, {"tensor-low-bits"})):
        allowance = Allowance(sample=Sample(windows=windows))
        found = examine_part(Part("file", in_safetensors(held, "i8"), allowance=allowance))
        assert {one.check for one in found.findings} == seen


def test_values_that_are_no_numbers_are_a_warning() -> None:
    held = np.frombuffer(weights("f32", ITEMS), "<f4").copy()
    held[17], held[18] = np.nan, np.inf
    found = examined(in_safetensors(held.tobytes(), "f32"))
    assert found.verdict == "data-only"
    assert {(one.check, one.status) for one in found.findings} == {("tensor-not-finite", "WARN")}
    assert len(found.findings) == 2


def test_values_far_beyond_all_others_are_a_warning() -> None:
    held = np.frombuffer(weights("f32", ITEMS), "<f4").copy()
    held[17] = 1e20
    assert told(in_safetensors(held.tobytes(), "f32")) == {"tensor-outlier": "data-only"}


def test_a_mask_is_quiet() -> None:
    mask = np.triu(np.full((128, 128), -np.inf), 1).astype("<f4")
    assert told(in_safetensors(mask.tobytes(), "f32")) == {}


def test_tensors_of_unknown_kinds_are_looked_at_for_programs_alone() -> None:
    assert told(safetensors_of(RUNNING["ELF"] + bytes(100), "U8")) == {"tensor-holds-program": "block"}
    assert told(safetensors_of(TEXT[:4000], "U8")) == {}


def test_the_sample_of_a_file_is_bounded() -> None:
    """And spread evenly over what is large."""
    sample, large = Sample(), Numbers("w", 100, 100 + (64 << 30), "f32")
    windows = sample.take_windows(large)
    assert len(windows) == MOST_WINDOWS
    assert all(one.stop - one.start == 4 * WINDOW_ITEMS and (one.start - 100) % 4 == 0 for one in windows)
    assert windows[0].start == 100
    assert windows[-1].stop <= large.stop < windows[-1].stop + 4 * MOST_WINDOWS
    assert sample.take_windows(large) == []
    many = Sample()
    each = BYTES_A_WINDOW // 4
    taken = [len(many.take_windows(Numbers("w", 0, each, "f32"))) for _ in range(8)]
    assert taken == [1, 0, 0, 1, 0, 0, 0, 1]


def test_low_heads_and_heads_are_bounded() -> None:
    sample = Sample(heads=2)
    assert [sample.take_head() for _ in range(3)] == [True, True, False]
    small, large = Numbers("w", 0, 1, "f32"), Numbers("w", 0, 1 << 40, "f32")
    assert [sample.take_low_head(small) for _ in range(3)] == [True, False, False]
    assert sum(sample.take_low_head(large) for _ in range(100)) == LOW_HEADS - 1


def test_a_header_that_claims_beyond_the_file_is_no_fault_here() -> None:
    text = b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[8,24]},"b":{"dtype":"F32","shape":[1],"data_offsets":[9,2]}}'
    assert examined(struct.pack("<Q", len(text)) + text + bytes(10)).verdict in ("block", "review")


def legacy(begin: int, behind: bytes = b"") -> bytes:
    """As torch.save wrote before 1.6: five pickles, then each storage behind its length."""
    head = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02}."
    return head + b"\x80\x02]X\x01\0\0\x000a." + struct.pack("<q", begin) + weights("f32", begin) + behind


@pytest.mark.parametrize("begin", [ord(one) for one in "]}(NKMJ."] + [0x80, 0x8A])
def test_lengths_behind_the_pickles_of_an_old_checkpoint_are_numbers(begin: int) -> None:
    """Whatever opcode the length would be."""
    assert examined(legacy(begin)).verdict == "data-only"
    assert examined(legacy(begin, CALL)).verdict == "block"
