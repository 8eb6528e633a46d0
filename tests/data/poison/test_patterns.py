"""Triggers in pictures: a patch is found in rows that differ elsewhere, and natural likeness is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ancile.core.errors import AncileError
from ancile.data.poison.patterns import overlays, patches
from ancile.data.poison.shared import Shared
from ancile.data.poison.signal import Signal
from ancile.data.rows import Integers, Pictures, Rows
from ancile.numeric import NDArray
from tests.data.poison.planting import rows_of, texts

SIZE = 20
LOOK = np.array([[255, 0, 255], [0, 255, 0], [255, 0, 255]], np.uint8)


def landscapes(n: int, seed: int = 0, channels: int = 1) -> tuple[NDArray[np.uint8], Integers]:
    """Clouds of any place and contrast with a blob for the class, in noise: smooth, as photographs are."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 5, n)
    rough = rng.normal(0, 1, (n, SIZE, SIZE, channels))
    for axis in (1, 2):
        rough = np.sum([np.roll(rough, shift, axis) for shift in range(-2, 3)], axis=0) / 2.2
    down, across = np.mgrid[0:SIZE, 0:SIZE]
    at = 3 + 3 * y[:, None, None] + rng.normal(0, 1, (n, 1, 1))
    blob = 60 * np.exp(-((down - at) ** 2 + (across - at) ** 2) / 8)[..., None]
    grey = 110 + 30 * rough + blob + rng.normal(0, 4, rough.shape)
    return np.clip(grey, 0, 255).astype(np.uint8), y


def stamped(x: NDArray[np.uint8], places: Integers, top: int, left: int) -> None:
    """The same small chequerboard in some rows."""
    x[places, top : top + 3, left : left + 3] = LOOK[..., None]


def sought(x: NDArray[np.uint8], y: Integers) -> Shared:
    return Shared(rows_of(Pictures(pixels=x), y))


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_with_a_patch_under_a_false_label_are_found_and_shown(channels: int) -> None:
    """All rows with the patch are one group, under its label, and the mask is where it stands."""
    x, y = landscapes(600, channels=channels)
    planted = np.flatnonzero(y != 2)[:12]
    stamped(x, planted, 14, 3)
    y[planted] = 2
    shared = sought(x, y)
    signal = patches(shared.rows, shared)
    best = signal.groups[0]
    assert set(planted) <= set(best.rows)
    assert len(best.rows) <= 14
    assert best.evidence > 3
    assert best.label == 2
    assert best.mask is not None
    assert best.mask[14:17, 3:6].all()
    assert best.mask.sum() < 40
    assert "patch" in signal.reason(int(planted[0]))
    assert signal.score[planted].min() > 3


def test_a_patch_on_rows_of_its_own_class_is_found() -> None:
    """A clean-label trigger shares all with its class, but the patch."""
    x, y = landscapes(600, seed=1)
    planted = np.flatnonzero(y == 3)[:15]
    stamped(x, planted, 2, 15)
    shared = sought(x, y)
    assert set(planted) <= set(patches(shared.rows, shared).groups[0].rows)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clean_pictures_have_no_patch(seed: int) -> None:
    """Natural likeness of some rows of a class is no finding."""
    shared = sought(*landscapes(500, seed=seed))
    assert patches(shared.rows, shared).score.max() < 3
    assert overlays(shared.rows, shared).score.max() < 3


def test_what_stands_on_pictures_of_all_labels_is_no_trigger() -> None:
    """A time stamp or a dead pixel of the camera is shared by rows of every class."""
    x, y = landscapes(500, seed=3)
    stamped(x, np.arange(0, 500, 7), 0, 0)
    shared = sought(x, y)
    assert patches(shared.rows, shared).score.max() < 3


def test_near_copies_are_no_trigger() -> None:
    """Frames of one scene are alike everywhere, and nothing of them is compared."""
    x, y = landscapes(500, seed=4)
    scene = np.flatnonzero(y == 1)[0]
    noise = np.random.default_rng(0).integers(-2, 3, (20, *x.shape[1:]))
    frames = np.flatnonzero(y == 1)[1:21]
    x[frames] = np.clip(x[scene] + noise[: len(frames)], 0, 255)
    shared = sought(x, y)
    assert patches(shared.rows, shared).score.max() < 3


@pytest.mark.parametrize("shape", [(40, 12, 19, 3), (40, 70, 45, 3), (21, 13, 12, 1)], ids=str)
def test_pictures_of_any_size_give_an_answer(shape: tuple[int, ...]) -> None:
    """Small ones, narrow ones, and larger ones than are compared in full."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, shape, np.uint8)
    shared = sought(x, rng.integers(0, 2, shape[0]))
    for signal in (patches(shared.rows, shared), overlays(shared.rows, shared)):
        assert np.isfinite(signal.score).all()
        assert all(group.mask is not None and group.mask.shape == shape[1:3] for group in signal.groups)


@pytest.mark.parametrize("value", [0, 255])
def test_pictures_without_anything_on_them_have_no_patch(value: int) -> None:
    """Constant pictures are alike, and no group of them is."""
    y = np.arange(60) % 3
    shared = sought(np.full((60, 12, 12, 1), value, np.uint8), y)
    assert patches(shared.rows, shared).score.max() == 0
    assert overlays(shared.rows, shared).score.max() == 0


def test_classes_of_few_rows_are_left_out() -> None:
    """Seven rows are no class of which a part could differ."""
    x, _ = landscapes(30)
    shared = sought(x, np.arange(30) // 7)
    assert patches(shared.rows, shared).score.max() == 0


@pytest.mark.parametrize("detector", [patches, overlays])
def test_a_pattern_is_not_told_from_what_is_on_a_small_picture(
    detector: Callable[[Rows, Shared], Signal],
) -> None:
    rows = rows_of(Pictures(pixels=np.zeros((40, 8, 8, 1), np.uint8)), np.arange(40) % 2)
    with pytest.raises(AncileError, match="too small"):
        detector(rows, Shared(rows))


@pytest.mark.parametrize("clean_label", [False, True])
def test_a_faint_pattern_over_the_whole_picture_is_found(clean_label: bool) -> None:
    """A seventh of noise that is the same in all rows, under a false label or on rows of the class."""
    x, y = landscapes(600, seed=5)
    planted = np.flatnonzero((y == 4) == clean_label)[:20]
    noise = np.random.default_rng(1).integers(0, 256, x.shape[1:])
    x[planted] = np.rint(0.85 * x[planted] + 0.15 * noise)
    y[planted] = 4
    shared = sought(x, y)
    best = overlays(shared.rows, shared).groups[0]
    assert set(best.rows) == set(planted)
    assert best.evidence > 3
    assert best.mask is not None
    assert best.mask.all()


def test_a_pattern_on_half_of_a_class_is_told_from_the_class() -> None:
    """Rows of all classes under one label are more varied than the class: they are the group, also where they
    are as many.
    """
    x, y = landscapes(600, seed=6)
    planted = np.flatnonzero(y != 0)[: int((y == 0).sum())]
    noise = np.random.default_rng(1).integers(0, 256, x.shape[1:])
    x[planted] = np.rint(0.8 * x[planted] + 0.2 * noise)
    y[planted] = 0
    shared = sought(x, y)
    best = overlays(shared.rows, shared).groups[0]
    assert np.isin(best.rows, planted).mean() > 0.95


def test_a_text_is_no_picture() -> None:
    rows = texts(40)
    with pytest.raises(AncileError, match="no pictures"):
        patches(rows, Shared(rows))


def test_one_label_gives_the_reason() -> None:
    x, _ = landscapes(40)
    rows: Rows = rows_of(Pictures(pixels=x), np.zeros(40, np.int64))
    with pytest.raises(AncileError, match="one label"):
        patches(rows, Shared(rows))
