"""FF1 is what NIST says it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.data.ff1 import encrypt

KEY = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94")
LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
TENS, MIXED = "39383736353433323130", "3737373770717273373737"
# NIST, block cipher examples, FF1 samples 1 to 9: bytes of the key, tweak, radix, plain, written
SAMPLES = (
    (16, "", 10, "0123456789", "2433477484"),
    (16, TENS, 10, "0123456789", "6124200773"),
    (16, MIXED, 36, "0123456789abcdefghi", "a9tv40mll9kdu509eum"),
    (24, "", 10, "0123456789", "2830668132"),
    (24, TENS, 10, "0123456789", "2496655549"),
    (24, MIXED, 36, "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"),
    (32, "", 10, "0123456789", "6657667009"),
    (32, TENS, 10, "0123456789", "1001623463"),
    (32, MIXED, 36, "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"),
)


@pytest.mark.parametrize(("size", "tweak", "radix", "plain", "written"), SAMPLES)
def test_nist_s_samples_are_met(size: int, tweak: str, radix: int, plain: str, written: str) -> None:
    numerals = [LETTERS.index(one) for one in plain]
    found = encrypt(KEY[:size], bytes.fromhex(tweak), numerals, radix)
    assert "".join(LETTERS[one] for one in found) == written


def test_no_two_become_one() -> None:
    """Of some thousand neighbours, as FF1 is a permutation."""
    plain = [[int(one) for one in f"{number:06d}"] for number in range(3000)]
    assert len({tuple(encrypt(KEY, b"", one, 10)) for one in plain}) == len(plain)


@given(st.lists(st.integers(0, 1), min_size=20, max_size=200))
def test_length_and_radix_stay(numerals: list[int]) -> None:
    found = encrypt(KEY, b"t", numerals, 2)
    assert len(found) == len(numerals)
    assert set(found) <= {0, 1}


@pytest.mark.parametrize(("numerals", "radix"), [([1, 2, 3, 4, 5], 10), ([0] * 8 + [10], 10), ([-1] * 9, 10)])
def test_what_does_not_fit_is_refused(numerals: list[int], radix: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        encrypt(KEY, b"", numerals, radix)
