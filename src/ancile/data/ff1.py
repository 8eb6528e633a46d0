"""Format-preserving encryption FF1: NIST SP 800-38G, algorithm 7, with AES.

A numeral string of a radix becomes another of the same length; each key and tweak is a permutation of them,
so that two never become one, and who has the key gets them back. SP 800-38G revision 1 wants a million
strings at least, for fewer can be tried out.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK, ROUNDS = 16, 10
LEAST_STRINGS = 1_000_000


def encrypt(key: bytes, tweak: bytes, numerals: Sequence[int], radix: int) -> list[int]:
    """Numerals of the same radix and number.

    numerals  each from 0 to radix - 1; so many that there are a million strings of them
    ValueError for fewer, and for a numeral that the radix has not.
    """
    n = len(numerals)
    if radix**n < LEAST_STRINGS or not all(0 <= one < radix for one in numerals):
        raise ValueError("numerals do not fit FF1")
    u = n // 2
    a, b = _number(numerals[:u], radix), _number(numerals[u:], radix)
    for turn in range(ROUNDS):
        m = u if turn % 2 == 0 else n - u
        a, b = b, (a + _round(key, tweak, (turn, b, n), radix)) % radix**m
    return _numerals(a, radix, u) + _numerals(b, radix, n - u)


def _round(key: bytes, tweak: bytes, at: tuple[int, int, int], radix: int) -> int:
    """Steps 6.i to 6.iv: what is added in a turn."""
    turn, half, n = at
    u = n // 2
    width = ceil((radix ** (n - u) - 1).bit_length() / 8)
    length = 4 * ceil(width / 4) + 4
    head = bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([10, u % 256])
    head += n.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")
    padding = bytes(-(len(tweak) + width + 1) % BLOCK)
    said = head + tweak + padding + bytes([turn]) + half.to_bytes(width, "big")
    # The last block of CBC with a zero start is the pseudorandom function PRF of algorithm 6
    mac = _blocks(key, said, chained=True)[-BLOCK:]
    more = b"".join(
        (int.from_bytes(mac, "big") ^ j).to_bytes(BLOCK, "big") for j in range(1, ceil(length / BLOCK))
    )
    stream = mac + (_blocks(key, more, chained=False) if more else b"")
    return int.from_bytes(stream[:length], "big")


def _blocks(key: bytes, data: bytes, *, chained: bool) -> bytes:
    # ECB is what step 6.iii asks for: each block is another one by its counter
    mode = modes.CBC(bytes(BLOCK)) if chained else modes.ECB()  # noqa: S305 - a building block of FF1
    writer = Cipher(algorithms.AES(key), mode).encryptor()
    return writer.update(data) + writer.finalize()


def _number(numerals: Sequence[int], radix: int) -> int:
    number = 0
    for one in numerals:
        number = number * radix + one
    return number


def _numerals(number: int, radix: int, count: int) -> list[int]:
    found = []
    for _ in range(count):
        number, one = divmod(number, radix)
        found.append(one)
    return found[::-1]
