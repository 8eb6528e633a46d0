"""Files cut short or flipped never raise anything but AncileError, and say it on one line."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from unicodedata import category

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.core.subject import Subject, digest_of
from ancile.core.text import HIDDEN
from ancile.inputs.arrays import read_npz
from ancile.inputs.columns import Wanted
from ancile.inputs.dataset import assemble
from ancile.inputs.named import from_table
from tests.inputs.files import archive, npy, npz
from tests.inputs.tables import parquet

LIMIT = 64 << 20
SUBJECT = Subject(kind="dataset", name="fuzz", digest=digest_of(b""))
X, Y, NAMES = np.linspace(0, 1, 24).reshape(6, 2, 2), np.array([0, 1, 2, 0, 1, 2]), np.array(["a", "bé", "c"])
MEMBERS = (("x.npy", npy(X)), ("y.npy", npy(Y)), ("class_names.npy", npy(NAMES)))
COLUMNS = {"s": ["test", "train"] * 10, "a": [0.5] * 20, "b": list(range(20)), "y": ["ham", "spam"] * 10}
CSV = b"s,a,b,y\n" + b"test,0.5,1,ham\ntrain,7,2,spam\n" * 10

SAMPLES = {
    "npz": npz(x=X, y=Y, class_names=NAMES),
    "npz stored": archive(*MEMBERS, method=zipfile.ZIP_STORED),
    "npz lzma": archive(*MEMBERS, method=zipfile.ZIP_LZMA),
    "csv": CSV,
    "parquet": parquet(COLUMNS),
    "parquet plain": parquet(COLUMNS, use_dictionary=False, compression="none", data_page_version="2.0"),
}

WANTED = Wanted(label="y", where="s=test")


def open_npz(data: bytes) -> None:
    found = read_npz(data, limit_bytes=LIMIT)
    assemble(SUBJECT, x=found.x, y=found.y, bounds=None, classes=found.classes)


def open_table(data: bytes, kind: str) -> None:
    from_table(data, kind, SUBJECT, wanted=WANTED, bounds=None, limit_bytes=LIMIT)


OPENERS: dict[str, Callable[[bytes], None]] = {
    "npz": open_npz,
    "csv": lambda data: open_table(data, "csv"),
    "parquet": lambda data: open_table(data, "parquet"),
}


def opens_or_says_why(name: str, data: bytes) -> None:
    told = None
    try:
        OPENERS[name.partition(" ")[0]](data)
    except AncileError as reason:
        told = reason
    if told:
        assert not {category(char) for char in told.what + told.value + told.remedy} & HIDDEN
        assert len(told.value) < 3_000


@pytest.mark.parametrize("name", SAMPLES)
def test_the_sound_sample_opens(name: str) -> None:
    OPENERS[name.partition(" ")[0]](SAMPLES[name])


@pytest.mark.parametrize("name", SAMPLES)
@given(data=st.data())
def test_a_file_cut_short_is_one_error(name: str, data: st.DataObject) -> None:
    sample = SAMPLES[name]
    opens_or_says_why(name, sample[: data.draw(st.integers(0, len(sample) - 1))])


@pytest.mark.parametrize("name", SAMPLES)
@given(data=st.data())
def test_flipped_bits_are_one_error(name: str, data: st.DataObject) -> None:
    sample = bytearray(SAMPLES[name])
    places = data.draw(st.lists(st.integers(0, len(sample) - 1), min_size=1, max_size=4))
    for place in places:
        sample[place] ^= 1 << data.draw(st.integers(0, 7))
    opens_or_says_why(name, bytes(sample))


@pytest.mark.parametrize("name", ["npz stored", "parquet plain"])
@given(data=st.data())
def test_bytes_of_choice_are_one_error(name: str, data: st.DataObject) -> None:
    sample = bytearray(SAMPLES[name])
    start = data.draw(st.integers(0, len(sample) - 8))
    sample[start : start + 8] = data.draw(st.binary(min_size=0, max_size=16))
    opens_or_says_why(name, bytes(sample))


@given(header=st.text(st.sampled_from("{}'descr<f8uiUO,: ()0123456789L-FalseTru\n\\shape_ot"), max_size=120))
def test_any_header_is_one_error(header: str) -> None:
    text = header.encode()
    member = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0" * 64
    opens_or_says_why("npz", archive(("x.npy", member), ("y.npy", npy(Y))))


@given(text=st.text(max_size=200))
def test_any_text_is_one_error(text: str) -> None:
    opens_or_says_why("csv", text.encode("utf-8", "surrogatepass"))


def test_the_archive_of_numpy_is_what_the_samples_are() -> None:
    with np.load(io.BytesIO(SAMPLES["npz lzma"])) as found:
        np.testing.assert_array_equal(found["x"], X)
