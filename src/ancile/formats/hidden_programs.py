"""What bytes that should be numbers begin as, where they are a program, an archive or a text.

Only marks of so many bits are looked for that numbers do not have them by chance: each stands for at least
36 bits. Pickles have none such; they are read, elsewhere.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# ELF: System V ABI, e_ident and e_type; PE: Microsoft PE format, MS-DOS stub; Mach-O: mach-o/loader.h, with
# a known processor; zip: APPNOTE.TXT 4.3.7; gzip: RFC 1952; xz: its format, 2.1.1.1; 7z: 7zFormat.txt
PROGRAMS = re.compile(
    rb"(?P<ELF>\x7fELF[\x01\x02][\x01\x02]\x01[\x00-\x12].{7}\x00[\x00-\x04])"
    rb"|(?P<PE>MZ.{10,1022}?(?:This program (?:cannot|must) be run|PE\x00\x00[\x4c\x64\xc4]))"
    rb"|(?P<Mach_O>[\xce\xcf]\xfa\xed\xfe[\x07\x0c]\x00\x00[\x00\x01])"
    rb"|(?P<script>#![ \t]?/(?:usr/)?(?:local/)?s?bin/[a-z])"
    rb"|(?P<WebAssembly>\x00asm\x01\x00\x00\x00)",
    re.DOTALL,
)
ARCHIVES = re.compile(
    rb"(?P<zip>PK\x03\x04[\x0a-\x3f]\x00.[\x00\x08\x40][\x00\x01\x08\x09\x0c\x0e\x5d]\x00)"
    rb"|(?P<gzip>\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00-\x0d\xff])"
    rb"|(?P<xz>\xfd7zXZ\x00\x00)"
    rb"|(?P<_7z>7z\xbc\xaf\x27\x1c)"
    rb"|(?P<bzip2>BZh[1-9]1AY&SY)",
    re.DOTALL,
)
TEXT = re.compile(rb"[\t\n\r\x20-\x7e]{64,}")
LETTERS = 20  # different ones, in 64: fewer are numbers of few levels
TEXT_BEGINS = (0, 4, 8)  # behind nothing, or behind its length
# What is searched for first, in plain bytes: a whole pattern is tried where one of these stands
MARKS = (
    b"\x7fELF", b"This program ", b"PE\x00\x00", b"\xfa\xed\xfe", b"#!/", b"#! /", b"\x00asm", b"PK\x03\x04",
    b"\x1f\x8b\x08", b"\xfd7zXZ", b"7z\xbc\xaf", b"1AY&SY",
)  # fmt: skip
# In one search: each begins with one of few letters, and is rare
MARKED = re.compile(b"|".join(re.escape(mark) for mark in MARKS))
INNER_MARKS = (
    b"\x7fELF",
    b"This program ",
    b"#!/",
    b"PK\x03\x04",
    b"\xfd7zXZ",
)  # each costs a search of the whole
PE_STUB = 1024
TRIES = 100  # of one mark in some bytes: numbers have none, and a file full of marks is not to hold up a scan


class Program(NamedTuple):
    """What it is, where, and whether a machine or an interpreter would run it."""

    what: str
    offset: int
    runs: bool


def begins_as(head: bytes, *, texts: bool) -> Program | None:
    """What stands in the first bytes of something; None where they are numbers.

    texts  whether a text counts
    """
    if MARKED.search(head):
        if found := PROGRAMS.search(head):
            return Program(_named(found), found.start(), runs=True)
        if found := ARCHIVES.search(head):
            return Program(_named(found), found.start(), runs=False)
    for begin in TEXT_BEGINS if texts else ():
        if (found := TEXT.match(head, begin)) and len(set(found[0])) >= LETTERS:
            return Program("text", begin, runs=False)
    return None


def _named(found: re.Match[bytes]) -> str:
    return (found.lastgroup or "").strip("_").replace("_", "-")


def stands_in(held: bytes) -> Program | None:
    """The first ELF, PE, script, zip or xz anywhere in the bytes."""
    for mark in INNER_MARKS:
        at = held.find(mark)
        for _ in range(TRIES):
            if at < 0:
                break
            begin = max(0, at - PE_STUB) if mark.startswith(b"This") else at
            one = begins_as(held[begin : at + 64], texts=False)
            if one is not None:
                return one._replace(offset=begin + one.offset)
            at = held.find(mark, at + 1)
    return None
