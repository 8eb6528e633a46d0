"""The package is light until a room is called by its name."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import ancile


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, ancile; print([m for m in ('numpy', 'torch', 'click', 'cryptography') if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout == "[]\n"


def test_a_room_is_called_by_its_name() -> None:
    x = np.linspace(0.1, 0.9, 40, dtype=np.float32)[:, None]
    y = (x[:, 0] > 0.5).astype(np.int64)

    def scores(samples: np.ndarray) -> np.ndarray:
        return np.stack([0.5 - samples[:, 0], samples[:, 0] - 0.5], axis=1)

    report = ancile.assess(scores, x, y, eps=0.05, effort="quick", bounds=(0.0, 1.0))
    robust = report.measure("robust_accuracy")
    assert robust is not None
    assert robust.value == float((np.abs(x[:, 0] - 0.5) > 0.05).mean())


def test_what_is_no_room_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'asses'"):
        _ = ancile.asses
