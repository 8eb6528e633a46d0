"""One eps for features of very different ranges is doubted, and --units range makes it a share of each."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cli.terminal import ASSESS, Place


def table(place: Place, *, widest: float) -> None:
    rng = np.random.default_rng(0)
    x = (rng.uniform(size=(40, 2)) * [1.0, widest]).astype(np.float32)
    np.savez(place.folder / "data.npz", x=x, y=rng.integers(0, 3, 40))


def doubts(place: Place, *options: str) -> list[str]:
    document = place.json(*ASSESS, "--no-record", *options)
    return [f["detail"] for f in document["findings"] if f["check"] == "evasion-assumed-input"]


@pytest.mark.slow
def test_uneven_ranges_are_doubted_only_in_data_units(place: Place) -> None:
    table(place, widest=1000.0)
    assert any("--units range" in doubt for doubt in doubts(place))
    assert not any("--units range" in doubt for doubt in doubts(place, "--units", "range"))
    table(place, widest=2.0)
    assert not any("--units range" in doubt for doubt in doubts(place))
