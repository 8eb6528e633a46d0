"""Leaves: one spelling, nothing personal, and a commitment that hides and binds."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.leaf import LAST_MS, SALT_BYTES, Leaf, commitment_to, encode_leaf, parse_leaf

LEAF = Leaf("report", 1_767_225_600_000, bytes(range(4)), bytes(32))
DATA = b"ancile-leaf/v1\nreport\n1767225600000\n00010203\n" + b"A" * 43 + b"=\n"


def test_a_leaf_is_written_as_the_format_says() -> None:
    assert encode_leaf(LEAF) == DATA
    assert parse_leaf(DATA) == LEAF


def test_the_commitment_is_the_hash_of_prefix_salt_and_body() -> None:
    expected = hashlib.sha256(b"ancile-body/v1\n" + b"s" * 32 + b"body").digest()
    assert commitment_to(b"s" * 32, b"body") == expected


@given(
    salt=st.binary(min_size=SALT_BYTES, max_size=SALT_BYTES),
    body=st.binary(min_size=1),
    cut=st.integers(0, 40),
)
def test_a_leaf_commits_to_one_salt_and_one_body_alone(salt: bytes, body: bytes, cut: int) -> None:
    """Salt and body are hashed one after the other: the seam between them is part of what is committed to."""
    leaf = Leaf("report", 0, bytes(4), commitment_to(salt, body))
    assert leaf.commits_to(salt, body)
    whole = salt + body
    assert leaf.commits_to(whole[:cut], whole[cut:]) == (cut == SALT_BYTES)
    assert not leaf.commits_to(salt, body + b"x")


@given(
    kind=st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True),
    time_ms=st.integers(0, LAST_MS),
    author=st.binary(min_size=4, max_size=64),
    commitment=st.binary(min_size=32, max_size=32),
)
def test_every_leaf_reads_back_and_stays_small(
    kind: str, time_ms: int, author: bytes, commitment: bytes
) -> None:
    leaf = Leaf(kind, time_ms, author, commitment)
    assert parse_leaf(encode_leaf(leaf)) == leaf
    assert len(encode_leaf(leaf)) <= 250
    assert (leaf.time - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1) == time_ms


def test_the_last_moment_of_a_leaf_is_that_of_the_calendar() -> None:
    leaf = parse_leaf(DATA.replace(b"1767225600000", b"%d" % LAST_MS))
    assert leaf.time == datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DATA[:-1],
        DATA + b"\n",
        DATA + b"x",
        DATA.replace(b"v1", b"v2"),
        DATA.replace(b"\n", b"\r\n"),
        DATA.replace(b"report", b"Report"),
        DATA.replace(b"report", b""),
        DATA.replace(b"report", b"9lives"),
        DATA.replace(b"report", b"r" * 33),
        DATA.replace(b"report", b"r\xc3\xa9port"),
        DATA.replace(b"1767225600000", b"01767225600000"),
        DATA.replace(b"1767225600000", b"-1"),
        DATA.replace(b"1767225600000", b"1.5"),
        DATA.replace(b"1767225600000", b"9" * 5000),
        DATA.replace(b"1767225600000", b"%d" % (LAST_MS + 1)),
        DATA.replace(b"00010203", b"0001 0203"),
        DATA.replace(b"00010203", b"0001020A"),
        DATA.replace(b"00010203", b"000102"),
        DATA.replace(b"00010203", b"00" * 65),
        DATA.replace(b"A=", b"B="),
        DATA.replace(b"A=", b"A"),
        DATA.replace(b"AAAA", b"", 1),
    ],
)
def test_a_leaf_that_we_would_not_write_is_refused(data: bytes) -> None:
    with pytest.raises(AncileError, match=r"a leaf is malformed|type|key id"):
        parse_leaf(data)


@given(st.binary(max_size=300))
def test_hostile_leaves_raise_nothing_but_our_error(data: bytes) -> None:
    for hostile in (data, DATA[: len(data)] + data, DATA.replace(b"report", data)):
        with suppress(AncileError):
            assert encode_leaf(parse_leaf(hostile)) == hostile
