"""The table of formats: asking only those that a first byte allows gives what asking all of them gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis.strategies import binary, sampled_from

from ancile.formats.compressed import MAGIC as STREAMS
from ancile.scan.machine_code import MAGICS as PROGRAMS
from ancile.scan.part import Part
from ancile.scan.table import FORMATS, UNKNOWN, Row, row_of

BEGINNINGS = (
    *(magic for _, magics, _ in STREAMS for magic in magics),
    *(magic for magic, _ in PROGRAMS),
    *(b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"\x93NUMPY", b"tree\nversion=", b"CBM1", b"GGUF"),
    *(b'{L\0\0\0\0\0\0\0\x07learner"', b"ZF0x", b"\x10\0\0\0\0\0\0\0{", b"\x89PNG\r\n\x1a\n", b"GIF89a"),
    *(b"RIFF0000WAVE", b"\0\0\0\x18ftypmp42", b"\x89HDF\r\n\x1a\n", bytes(512) + b"\x89HDF\r\n\x1a\n"),
    *(b"\x80\x04N.", b"\x08\x07:\x02\x08\x01B\x02\x10\x11", b'{"class_name": "A", "config": {}}', b" [1]"),
    *(
        b'{"__class__": "A", "__loader__": "B"}',
        b"\xff\xfea\0",
        b"\xfe\xff\0a",
        b"\x81\xa1a\x01",
        b"\xde\0\x01\xa1a",
    ),
    *(b"\0\0\0\0TFL3", b"%PDF-1", b"x\n", b"little", bytes(257) + b"ustar", b"ab\r\n" + bytes(4) + b"\xe3"),
)


def _first_of_all(part: Part) -> Row:
    """The first format that fits, every one being asked."""
    return next((row for row in FORMATS if row.is_it(part)), UNKNOWN)


@given(sampled_from(BEGINNINGS), binary(max_size=40), sampled_from(((), ("a/data/0",), ("a/version",))))
def test_a_format_is_never_ruled_out_by_its_first_byte(
    begin: bytes, rest: bytes, members: tuple[str, ...]
) -> None:
    for data in (begin + rest, begin, rest):
        part = Part("m", data, members=members, torch=bool(members))
        assert row_of(part) == _first_of_all(part)


def test_every_function_that_the_table_names_is_there() -> None:
    assert all(callable(row.is_it) and callable(row.examine) for row in (*FORMATS, UNKNOWN))
