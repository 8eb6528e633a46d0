"""Secrets under a passphrase: opened by it alone, bound to their header, cheap to refuse."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.lockbox import Lockbox, Stretching, lock, unlock
from tests.trust.keys_help import CHEAP

BOX = lock(b"secret", b"pass", header=b"head", stretching=CHEAP)


def test_the_default_is_the_second_recommended_option_of_rfc_9106() -> None:
    assert Stretching() == Stretching(iterations=3, lanes=4, memory_kib=64 * 1024)


@given(st.binary(max_size=50), st.binary(min_size=1, max_size=50), st.binary(max_size=50))
def test_what_was_locked_is_unlocked(secret: bytes, passphrase: bytes, header: bytes) -> None:
    box = lock(secret, passphrase, header=header, stretching=CHEAP)
    assert unlock(box, passphrase, header=header) == secret


def test_two_boxes_of_one_secret_have_nothing_in_common() -> None:
    other = lock(b"secret", b"pass", header=b"head", stretching=CHEAP)
    assert (other.salt, other.nonce, other.sealed) != (BOX.salt, BOX.nonce, BOX.sealed)


@pytest.mark.parametrize(
    ("box", "passphrase", "header"),
    [
        (BOX, b"Pass", b"head"),
        (BOX, b"pass", b"Head"),
        (msgspec.structs.replace(BOX, sealed=BOX.sealed[:-1]), b"pass", b"head"),
        (msgspec.structs.replace(BOX, sealed=b""), b"pass", b"head"),
        (msgspec.structs.replace(BOX, salt=bytes(16)), b"pass", b"head"),
        (msgspec.structs.replace(BOX, nonce=bytes(12)), b"pass", b"head"),
        (msgspec.structs.replace(BOX, salt=b""), b"pass", b"head"),
        (msgspec.structs.replace(BOX, nonce=bytes(1000)), b"pass", b"head"),
        (
            msgspec.structs.replace(BOX, stretching=Stretching(iterations=2, lanes=1, memory_kib=128)),
            b"pass",
            b"head",
        ),
    ],
)
def test_anything_changed_is_refused(box: Lockbox, passphrase: bytes, header: bytes) -> None:
    with pytest.raises(AncileError):
        unlock(box, passphrase, header=header)


@pytest.mark.parametrize(
    "costs", [{"memory_kib": 1 << 19}, {"iterations": 17}, {"lanes": 17}, {"lanes": 0}, {"memory_kib": 64}]
)
def test_costs_beyond_the_caps_are_refused_when_read(costs: dict[str, int]) -> None:
    stretching = {"iterations": 1, "lanes": 1, "memory_kib": 128} | costs
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(stretching, Stretching)
