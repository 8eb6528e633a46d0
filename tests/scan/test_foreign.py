"""Formats that are not judged are named and never called clean."""

from __future__ import annotations

import pytest

from ancile.scan.examine import examine_part
from ancile.scan.part import Part


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("TFLite", b"\x1c\0\0\0TFL3" + bytes(40)),
        ("ExecuTorch", b"\x1c\0\0\0ET12" + bytes(40)),
        ("R data", b"X\n\0\0\0\x03\0\x04\0\0"),
        ("OpenVINO", b'<?xml version="1.0"?>\n<net name="m" version="11"></net>'),
        ("OpenVINO", b'<net batch="1" name="m"></net>'),
        ("OpenVINO", b"<!-- made by --><!DOCTYPE net><net>"),
        ("CoreML", b"\x08\x01\x12\x15\n\x0f\n\tfeature_0\x1a\x02\x12\0R\x02\n\0\xe2\x12\0"),
        ("PDF", b"%PDF-1.4\n1 0 obj\n"),
        ("XGBoost before 1.0", b"binf" + bytes(60)),
        ("Parquet", b"PAR1" + bytes(40)),
        ("Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"),
        ("git-annex pointer", b"/annex/objects/SHA256E-s12345--00.pt\n"),
    ],
)
def test_it_is_named_and_incomplete(name: str, data: bytes) -> None:
    """And a pickle behind its first bytes is one."""
    found = examine_part(Part("file", data))
    assert (found.format, found.verdict) == (name, "incomplete")
    hostile = data + b"\0\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."
    assert examine_part(Part("file", hostile)).verdict == "block"
