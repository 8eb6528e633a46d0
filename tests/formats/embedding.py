"""Messages put into the low bits of numbers, one after the other from the first: what the detectors are for."""

from __future__ import annotations

import numpy as np

from ancile.formats.tensor_bits import SHAPES

KINDS = {"f64": "<f8", "f32": "<f4", "f16": "<f2", "i8": "|i1"}


def weights(kind: str, items: int, *, seed: int = 1) -> bytes:
    """Normal weights as a network has them, in the bytes of a kind."""
    drawn = np.random.default_rng(seed).normal(0, 0.02, items).astype("<f4")
    if kind == "bf16":
        rounded = drawn.view("<u4") + 0x7FFF + (drawn.view("<u4") >> 16 & 1)
        return bytes((rounded >> 16).astype("<u2"))
    if kind == "i8":
        return bytes(np.round(drawn / np.abs(drawn).max() * 127).astype("i1"))
    return drawn.astype(KINDS[kind]).tobytes()


def embed(held: bytes, kind: str, width: int, message: bytes, *, share: float = 1.0) -> bytes:
    """The numbers with a message in their ``width`` low bits, highest bit first, as far as ``share`` of them.

    width  at most 16
    """
    rows = np.frombuffer(held, "u1").reshape(-1, SHAPES[kind].item_bytes).copy()
    room = int(len(rows) * share) * width // 8
    bits = np.unpackbits(np.frombuffer(message[:room], "u1"))
    values = bits[: len(bits) // width * width].reshape(-1, width) @ (1 << np.arange(width)[::-1])
    count = len(values)
    if width == 16:
        rows[:count, 0], rows[:count, 1] = values >> 8, values & 0xFF
    else:
        rows[:count, 0] = rows[:count, 0] & ~np.uint8((1 << width) - 1) | values.astype("u1")
    return rows.tobytes()
