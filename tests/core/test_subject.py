"""The thing that a report speaks of."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.subject import Subject, digest_of, manifest_digest, percent_encoded, subject_of_parts

DIGESTS = st.binary(max_size=8).map(digest_of)
PATHS = st.binary(min_size=1, max_size=20).map(os.fsdecode)
PARTS = st.dictionaries(PATHS.map(percent_encoded), DIGESTS, max_size=5)


@given(data=st.binary(max_size=500))
def test_the_digest_of_a_file_is_that_of_sha256sum(data: bytes) -> None:
    assert digest_of(data) == "sha256:" + hashlib.sha256(data).hexdigest()


def test_the_digest_of_nothing_is_the_published_one() -> None:
    """FIPS 180-4, the empty message."""
    assert digest_of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(parts=PARTS)
def test_a_manifest_is_hashed_in_its_rfc_8785_form(parts: dict[str, str]) -> None:
    assert manifest_digest(parts) == digest_of(rfc8785.dumps(parts))


@given(parts=PARTS)
def test_a_manifest_does_not_depend_on_the_order_of_its_files(parts: dict[str, str]) -> None:
    backwards = dict(reversed(parts.items()))
    assert subject_of_parts("files", "a", parts).digest == subject_of_parts("files", "a", backwards).digest


@given(path=st.binary(max_size=40))
def test_a_path_is_ascii_and_comes_back_byte_by_byte(path: bytes) -> None:
    encoded = percent_encoded(os.fsdecode(path))
    assert encoded.isascii()
    assert encoded.isprintable()
    assert unquote_to_bytes(encoded) == path
    assert not set(encoded) & set('"\\<>& ')


def test_a_path_object_is_encoded_like_its_text() -> None:
    assert percent_encoded(Path("a b/é.pt")) == "a%20b/%C3%A9.pt"
    assert percent_encoded(os.fsdecode(b"caf\xe9")) == "caf%E9"


@pytest.mark.parametrize(
    "digest",
    ["", "sha256:", "sha256:" + "0" * 63, "sha256:" + "0" * 65, "sha256:" + "A" * 64, "md5:" + "0" * 32,
     "sha256:" + "0" * 64 + "\n", "0" * 64],
)  # fmt: skip
def test_what_is_no_digest_is_refused(digest: str) -> None:
    with pytest.raises(ValueError, match="not a sha256 digest"):
        Subject(kind="model", name="a", digest=digest)
    with pytest.raises(ValueError, match="not a sha256 digest"):
        Subject(kind="model", name="a", digest=digest_of(b""), parts={"a": digest})


@given(parts=PARTS.filter(bool), other=DIGESTS)
def test_parts_that_do_not_make_the_digest_are_refused(parts: dict[str, str], other: str) -> None:
    with pytest.raises(ValueError, match="that of its manifest"):
        Subject(kind="model", name="a", digest=other, parts=parts)


@given(parts=PARTS, other=DIGESTS)
def test_a_file_is_the_whole_or_a_part_and_never_a_folder_of_its_digest(
    parts: dict[str, str], other: str
) -> None:
    subject = subject_of_parts("model", "a", parts)
    alone = Subject(kind="model", name="a", digest=subject.digest)
    assert alone.covers(subject.digest)
    assert all(subject.covers(digest) for digest in parts.values())
    assert subject.covers(other) == (other in parts.values() or (not parts and other == subject.digest))
    assert subject.covers(subject.digest) == (not parts)
