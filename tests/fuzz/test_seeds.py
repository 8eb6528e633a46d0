"""No seed and no small change of one breaks a parser: what coverage-guided fuzzing starts from and what it found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

SEEDS = Path(__file__).parent / "seeds"
CHANGES = 12  # of each seed
LONGEST = 4096  # bytes of a seed that is changed


def seeds(target: str) -> list[Path]:
    """A format that is new has none yet."""
    folder = SEEDS / target
    return sorted(folder.iterdir()) if folder.is_dir() else []


def changed(data: bytes, rng: random.Random) -> bytes:
    """A few bytes set, a piece cut out or doubled."""
    held = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        held[rng.randrange(len(held))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    start = rng.randrange(len(held))
    stop = rng.randrange(start, len(held)) + 1
    piece = rng.choice((b"", held[start:stop] * 2, held[start:stop]))
    return bytes(held[:start] + piece + held[stop:])


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_are_read_without_an_error(target: str) -> None:
    for seed in seeds(target):
        TARGETS[target](seed.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_changed_seeds_are_read_without_an_error(target: str) -> None:
    rng = random.Random(target)
    for seed in seeds(target):
        data = seed.read_bytes()[:LONGEST]
        for _ in range(CHANGES if data else 0):
            TARGETS[target](changed(data, rng))


def test_every_folder_of_seeds_belongs_to_a_target() -> None:
    assert {one.name for one in SEEDS.iterdir()} <= set(TARGETS)
