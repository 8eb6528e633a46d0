"""Programs among numbers: known by marks that numbers do not have by chance."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.formats.hidden_programs import begins_as, stands_in

NOISE = random.Random(2).randbytes(1 << 20)


def zipped() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", "b" * 100)
    return held.getvalue()


def pe() -> bytes:
    stub = b"\x0e\x1f\xba\x0e\0\xb4\x09\xcd\x21\xb8\x01\x4c\xcd\x21This program cannot be run in DOS mode.\r\r\n$"
    return (b"MZ\x90" + bytes(57) + struct.pack("<I", 128) + stub).ljust(128, b"\0") + b"PE\0\0\x64\x86"


RUNNING = {
    "ELF": b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0\x3e\0",
    "PE": pe(),
    "Mach-O": b"\xcf\xfa\xed\xfe\x07\0\0\x01",
    "script": b"#!/usr/bin/env python3\nimport os\n",
    "WebAssembly": b"\0asm\x01\0\0\0",
}
KEPT = {
    "zip": zipped(),
    "gzip": gzip.compress(b"a" * 100),
    "xz": lzma.compress(b"a" * 100),
    "7z": b"7z\xbc\xaf\x27\x1c\0\4",
    "bzip2": bz2.compress(b"a" * 100),
}


@pytest.mark.parametrize("what", sorted({*RUNNING, *KEPT}))
@pytest.mark.parametrize("before", [0, 8])
def test_a_program_or_archive_is_known_at_the_beginning_and_behind_its_length(what: str, before: int) -> None:
    held = {**RUNNING, **KEPT}[what]
    found = begins_as(struct.pack("<Q", len(held))[:before] + held + NOISE[:100], texts=False)
    assert found == (what, before, what in RUNNING)


@pytest.mark.parametrize("what", ["ELF", "PE", "script", "zip", "xz"])
def test_it_is_known_anywhere_among_numbers(what: str) -> None:
    held = NOISE[:5000] + {**RUNNING, **KEPT}[what] + NOISE[5000:9000]
    assert stands_in(held) == (what, 5000, what in RUNNING)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the interpreter as an ELF file")
def test_a_real_executable_is_known() -> None:
    found = begins_as(Path(sys.executable).resolve().read_bytes()[:1000], texts=False)
    assert found is not None
    assert found.what == "ELF"


def test_a_text_is_told_where_it_counts() -> None:
    text = b"The quick brown fox jumps over the lazy dog, and then over everything else."
    assert begins_as(text, texts=True) == ("text", 0, False)
    assert begins_as(bytes(4) + text, texts=True) == ("text", 4, False)
    assert begins_as(text, texts=False) is None
    assert begins_as(b"3333" * 20, texts=True) is None  # numbers of few levels


def test_drawn_bytes_are_no_program() -> None:
    assert stands_in(NOISE) is None
    assert all(begins_as(NOISE[at : at + 512], texts=True) is None for at in range(0, len(NOISE), 512))


@given(st.binary(max_size=200))
def test_any_bytes_are_looked_at_without_a_fault(held: bytes) -> None:
    assert begins_as(held, texts=True) is None or held
    stands_in(held)


def test_marks_over_and_over_are_given_up_on() -> None:
    """A program behind more of them than numbers ever hold is not looked for."""
    assert stands_in(b"#!/x" * 99 + RUNNING["script"]) == ("script", 396, True)
    assert stands_in(b"#!/x" * 100_000) is None
