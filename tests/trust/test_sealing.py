"""Sealed bodies: opened by both keys, by nothing less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.sealing import HEADER, Sealed, new_sealing_key, open_sealed, seal

KEY = bytes(range(32))
PARTS = seal(b"a name and an address", KEY)


@given(st.binary(max_size=100))
def test_what_was_sealed_is_opened_and_does_not_show(body: bytes) -> None:
    parts = seal(body, KEY)
    assert open_sealed(parts, KEY) == body
    assert len(body) <= len(HEADER) or body not in parts.sealed


def test_two_bodies_never_share_a_content_key() -> None:
    assert seal(b"x", KEY).wrapped != seal(b"x", KEY).wrapped
    assert new_sealing_key() != new_sealing_key()


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (PARTS, bytes(32)),
        (PARTS, b"short"),
        (PARTS._replace(wrapped=b""), KEY),
        (PARTS._replace(wrapped=bytes(40)), KEY),
        (PARTS._replace(wrapped=seal(b"another", KEY).wrapped), KEY),
        (PARTS._replace(sealed=b""), KEY),
        (PARTS._replace(sealed=PARTS.sealed[:-1]), KEY),
        (PARTS._replace(sealed=b"X" + PARTS.sealed[1:]), KEY),
    ],
)
def test_without_the_right_keys_a_body_is_gone(parts: Sealed, key: bytes) -> None:
    with pytest.raises(AncileError):
        open_sealed(parts, key)


@given(st.binary(max_size=80), st.binary(max_size=60))
def test_fuzz_bytes_raise_one_error_type(sealed: bytes, wrapped: bytes) -> None:
    with pytest.raises(AncileError):
        open_sealed(Sealed(sealed, wrapped), KEY)
