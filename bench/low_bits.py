"""Messages in the low bits of weights: how often the scan warns of honest weights, and how often of hidden ones.

Honest are the weights of trained networks (where the shared data is there), fresh ones of the usual
initialisations, and the same rounded to 16 and 8 bits, widened again, pruned and quantised. Hidden are text,
machine code and encrypted bytes at 1, 4 and 8 bits of each number, in the first 10 to 100 % of them, behind 64
drawn bytes, so that no mark at the beginning gives them away. Each file holds one tensor; a warning counts,
whatever it says. Encrypted bytes are as mixed as what they replace: no statistic sees them in long numbers, and
the figure stands beside the others for that.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import struct
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cryptography.hazmat.bindings import _rust

from ancile.measure.intervals import clopper_pearson
from ancile.scan.examine import examine_part
from ancile.scan.part import Allowance, Part
from ancile.scan.tensor_sample import Sample
from bar import Bar

SHARED = Path(os.environ.get("ANCILE_SHARED", Path(__file__).parents[2] / "shared")) / "data" / "models"
NAMES = {"F64": ("f8", 8), "F32": ("f4", 4), "F16": ("f2", 2), "BF16": ("bf16", 2), "I8": ("i1", 1)}
WIDTHS = {"F64": (1, 4, 8), "F32": (1, 4, 8), "F16": (1, 4, 8), "BF16": (1, 4), "I8": (1, 4)}
SHARES = (0.1, 0.5, 1.0)
SHAPES = ((256, 1024), (512, 512), (64, 64, 3, 3), (1000, 300), (1024, 1024), (300, 784))
FEWEST = 1 << 14  # numbers of a tensor: smaller ones are not judged
MANY, MANY_WINDOWS = 1 << 18, 8  # numbers, and the windows that hold them
SHORT = (("I8", 1), ("I8", 2), ("I8", 4), ("F16", 6), ("F16", 8), ("BF16", 4))
CHECK = "tensor-low-bits"
WANTED = {"text": 0.9, "machine code": 0.8}


class Weights(NamedTuple):
    """One tensor in its bytes."""

    name: str
    kind: str
    held: bytes


def drawn() -> Iterator[tuple[str, np.ndarray]]:
    """Fresh weights as the usual initialisations draw them."""
    rng = np.random.default_rng(12)
    for shape in SHAPES:
        fan = int(np.prod(shape[1:]))
        yield "kaiming uniform", rng.uniform(-1, 1, shape) / np.sqrt(fan)
        yield "kaiming normal", rng.normal(0, np.sqrt(2 / fan), shape)
        yield "xavier uniform", rng.uniform(-1, 1, shape) * np.sqrt(6 / (fan + shape[0]))
        yield "truncated normal", np.clip(rng.normal(0, 0.02, shape), -0.04, 0.04)
        yield "orthogonal", np.linalg.qr(rng.normal(size=(max(shape[0], fan), min(shape[0], fan))))[0]
        yield "laplace", rng.laplace(0, 0.01, shape)
        yield "uniform on a grid", rng.random(shape, dtype=np.float32)


def trained() -> Iterator[tuple[str, np.ndarray]]:
    """Weights of networks that were trained, of the shared data."""
    for path in sorted(SHARED.glob("*/*.safetensors")):
        raw = path.read_bytes()
        (size,) = struct.unpack_from("<Q", raw)
        for name, told in json.loads(raw[8 : 8 + size]).items():
            if name != "__metadata__" and told["dtype"] == "F32":
                start, stop = told["data_offsets"]
                yield f"{path.stem} {name}", np.frombuffer(raw[8 + size + start : 8 + size + stop], "<f4")


def bf16(values: np.ndarray) -> bytes:
    """The upper halves, rounded to the nearest even."""
    bits = np.ascontiguousarray(values, "<f4").view("<u4")
    return bytes((bits + 0x7FFF + (bits >> 16 & 1) >> 16).astype("<u2"))


def honest() -> Iterator[Weights]:
    """Everything that an honest file may hold."""
    for name, values in (*trained(), *drawn()):
        one = np.ascontiguousarray(values, "<f4").ravel()
        if one.size < FEWEST:
            continue
        pruned = np.where(np.abs(one) < np.median(np.abs(one)), np.float32(0), one)
        levels = np.round(one / np.abs(one).max() * 127)
        yield Weights(name, "F32", one.tobytes())
        yield Weights(f"{name}, pruned", "F32", pruned.tobytes())
        yield Weights(f"{name}, widened from 16 bits", "F32", one.astype("<f2").astype("<f4").tobytes())
        yield Weights(f"{name}, quantised and back", "F32", (levels * 0.01).astype("<f4").tobytes())
        yield Weights(name, "F64", np.asarray(values, "<f8").tobytes())
        yield Weights(name, "F16", one.astype("<f2").tobytes())
        yield Weights(f"{name}, pruned", "F16", pruned.astype("<f2").tobytes())
        yield Weights(name, "BF16", bf16(one))
        yield Weights(name, "I8", levels.astype("i1").tobytes())
        yield Weights(f"{name}, 16 levels", "I8", np.round(levels / 16).astype("i1").tobytes())


def messages() -> dict[str, bytes]:
    """What is hidden, each longer than any tensor has room for."""
    rng = np.random.default_rng(3)
    source = "".join(inspect.getsource(one) for one in (typing, inspect, io, json)).encode()
    code = Path(_rust.__file__).read_bytes()[1 << 20 : 3 << 20]  # within its code
    lead = rng.bytes(64)
    return {
        "text": lead + source * 20,
        "machine code": lead + code,
        "encrypted bytes": lead + rng.bytes(2 << 20),
    }


def embed(one: Weights, width: int, message: bytes, share: float) -> Weights:
    """The first ``share`` of the numbers with a message in their low bits."""
    rows = np.frombuffer(one.held, "u1").reshape(-1, NAMES[one.kind][1]).copy()
    bits = np.unpackbits(np.frombuffer(message[: int(len(rows) * share) * width // 8], "u1"))
    values = bits[: len(bits) // width * width].reshape(-1, width) @ (1 << np.arange(width)[::-1])
    rows[: len(values), 0] = rows[: len(values), 0] & ~np.uint8((1 << width) - 1) | values.astype("u1")
    return one._replace(held=rows.tobytes())


def is_warned_of(one: Weights, *, windows: float = 1.0) -> bool:
    """Whether the scan warns of the low bits of a file with this tensor alone.

    windows  that a larger file would have been looked at in
    """
    size = len(one.held)
    told = {"w": {"dtype": one.kind, "shape": [size // NAMES[one.kind][1]], "data_offsets": [0, size]}}
    text = json.dumps(told).encode()
    allowance = Allowance(sample=Sample(windows=windows))
    found = examine_part(Part("w", struct.pack("<Q", len(text)) + text + one.held, allowance=allowance))
    return any(finding.check == CHECK for finding in found.findings)


def rate(found: list[bool]) -> str:
    """A share with its 95 % interval."""
    if not found:
        return "none"
    low, high = clopper_pearson(sum(found), len(found))
    return f"{sum(found)} of {len(found)} ({100 * low:.1f} to {100 * high:.1f} %)"


def measure(*, control: bool = False) -> list[Bar]:
    """False alarms, and detection by content; the control has text in what is called honest, nothing in the rest."""
    texts = messages()
    quiet = [is_warned_of(embed(one, 4, texts["text"], 1.0) if control else one) for one in honest()]
    _, high = clopper_pearson(sum(quiet), len(quiet))
    bars = [
        Bar(
            claim="the scan is quiet about the low bits of honest weights",
            measured=f"warned of {rate(quiet)}",
            wanted="at most 2 % with 95 % confidence",
            met=high <= 0.02,
            raw={"warned": [float(one) for one in quiet]},
        )
    ]
    encrypted = detected(
        texts["encrypted bytes"], control=control
    )  # of which nothing is wanted: see the module
    for content, wanted in WANTED.items():
        found = detected(texts[content], control=control)
        of_all = [seen for (_, _, share), some in found.items() if share == 1.0 for seen in some]
        bars.append(
            Bar(
                claim=f"the scan warns of {content} in 1, 4 or 8 low bits of all numbers of a tensor",
                measured=f"{rate(of_all)}; {told(found)}. Of encrypted bytes, for comparison: {told(encrypted)}",
                wanted=f"at least {wanted:.0%}",
                met=sum(of_all) >= wanted * len(of_all),
                raw={
                    f"{kind} {width} {share}": [float(seen) for seen in some]
                    for (kind, width, share), some in found.items()
                },
            )
        )
    return [*bars, many(texts["encrypted bytes"], control=control)]


def many(message: bytes, *, control: bool) -> Bar:
    """Encrypted bytes in as many short numbers as the sample of a file of 700 MB holds."""
    rng = np.random.default_rng(7)
    shapes = {
        "normal": lambda: rng.normal(0, 0.02, MANY),
        "laplace": lambda: rng.laplace(0, 0.01, MANY),
        "rows of their own scale": lambda: (
            rng.normal(0, 0.02, (MANY // 512, 512)) * rng.uniform(0.5, 2, (MANY // 512, 1))
        ),
    }
    quiet, seen, raw = [], [], {}
    for kind, width in SHORT:
        some = []
        for name, draw in shapes.items():
            for _ in range(4):
                one = np.ascontiguousarray(draw(), "<f4").ravel()
                held = {
                    "I8": lambda x: np.round(x / np.abs(x).max() * 127).astype("i1").tobytes(),
                    "F16": lambda x: x.astype("<f2").tobytes(),
                    "BF16": bf16,
                }[kind](one)
                honest_one = Weights(name, kind, held)
                quiet.append(is_warned_of(honest_one, windows=MANY_WINDOWS))
                hidden = honest_one if control else embed(honest_one, width, message, 1.0)
                some.append(is_warned_of(hidden, windows=MANY_WINDOWS))
        seen += some
        raw[f"{kind} {width}"] = [float(one) for one in some]
    each = ", ".join(f"{name} bit {sum(some):.0f}/{len(some)}" for name, some in raw.items())
    return Bar(
        claim="the scan warns of encrypted bytes in the low bits of 262,144 numbers of 8 or 16 bits",
        measured=f"{rate(seen)}; {each}; of the same numbers untouched {rate(quiet)}",
        wanted="at least 80 %, and none of the untouched",
        met=sum(seen) >= 0.8 * len(seen) and not any(quiet),
        raw={**raw, "untouched": [float(one) for one in quiet]},
    )


Found = dict[tuple[str, int, float], list[bool]]


def detected(message: bytes, *, control: bool) -> Found:
    """Kind, width and share to whether each tensor was warned of."""
    found: Found = {}
    for one in honest():
        if "," in one.name:  # rounded or pruned: those are for false alarms
            continue
        for width in WIDTHS[one.kind]:
            for share in SHARES:
                hidden = one if control else embed(one, width, message, share)
                found.setdefault((one.kind, width, share), []).append(is_warned_of(hidden))
    return found


def told(found: Found) -> str:
    """The shares by how many of the numbers, of how many bits, carry the message."""
    said = []
    for share in SHARES:
        by_width = {
            width: [
                seen
                for (_, bits, part), some in found.items()
                if (bits, part) == (width, share)
                for seen in some
            ]
            for width in (1, 4, 8)
        }
        some = ", ".join(f"{width} bit {sum(seen)}/{len(seen)}" for width, seen in by_width.items())
        said.append(f"in {share:.0%} of them {some}")
    return "; ".join(said)


if __name__ == "__main__":
    for bar in measure(control="--control" in sys.argv):
        print(bar)
