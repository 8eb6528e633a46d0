"""A tokenizer of SentencePiece is data; what hides in it or behind it is not."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.sentencepiece import fault_of, is_sentencepiece
from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part

CALL = b"cos\nsystem\n(Vx\ntR."


def held(tag: int, data: bytes) -> bytes:
    """A field of up to 16,383 bytes."""
    size = len(data)
    return (
        bytes([tag << 3 | 2]) + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + data
    )


def piece(text: str, kind: int = 1) -> bytes:
    """As the library writes one: the kind only where it is not normal."""
    end = b"\x18" + bytes([kind]) if kind > 1 else b""
    return held(1, held(1, text.encode()) + b"\x15" + struct.pack("<f", -1.5) + end)


MODEL = (
    b"".join((piece("<unk>", 2), piece("<s>", 3), piece("os.system("), piece("x" * 200), piece("\u2581the")))
    + held(2, held(1, b"corpus.txt") + b"\x18\x02")
    + held(3, held(1, b"nmt_nfkc") + held(2, bytes(300)))
)


def examined(data: bytes) -> Examination:
    return examine_part(Part("tokenizer.model", data))


def test_a_tokenizer_is_data() -> None:
    found = examined(MODEL)
    assert (found.format, found.verdict) == ("sentencepiece", "data-only")
    assert examined(piece("<pad>", 3) + piece("</s>", 3)).format == "sentencepiece"


@pytest.mark.parametrize("data", [MODEL + CALL, MODEL + held(3, held(2, CALL)), MODEL + held(4, CALL)])
def test_a_pickle_in_it_or_behind_it_is_blocked(data: bytes) -> None:
    assert examined(data).verdict == "block"


@pytest.mark.parametrize("data", [MODEL[:-1], MODEL + held(9, b"x"), MODEL + b"\x30\x01", MODEL + b"more"])
def test_what_is_no_message_to_its_end_is_reviewed_or_incomplete(data: bytes) -> None:
    assert examined(data).verdict in ("review", "incomplete")


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\n\x0e\n\x05<unk>", b"\n\x05hello\n\x05world", piece("<unk>")]
)
def test_what_begins_otherwise_is_none(data: bytes) -> None:
    assert not is_sentencepiece(data)


@given(st.binary(max_size=60), st.integers(0, len(MODEL)))
def test_no_bytes_raise_an_error(data: bytes, cut: int) -> None:
    is_sentencepiece(data)
    is_sentencepiece(MODEL[:cut])
    assert isinstance(fault_of(data), str)
    assert isinstance(fault_of(MODEL[:cut] + data), str)
